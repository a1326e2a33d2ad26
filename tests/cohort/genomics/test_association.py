import math

import numpy as np
import pandas as pd
import pytest

from braintumorseg.cohort import associate, fisher_test
from cohort.genomics.simulated import simulated


def test_planted_association_is_found_and_no_other():
    found = associate(*simulated(0, effect=0.25), permutations=999)
    best = found.table.sort_values("p_value").iloc[0]
    assert (best["feature"], best["clustering"]) == ("bevr", "RNASeqCluster")
    assert best["p_bonferroni"] < 0.001
    assert best["p_permutation"] == 0.001
    assert best["v_low"] > 0.2
    assert (found.table["p_bonferroni"] < 0.05).sum() == 1
    r2 = found.one_vs_rest.query("feature == 'bevr' and clustering == 'RNASeqCluster' and cluster == 2").iloc[0]
    assert r2["auc"] < 0.1


@pytest.mark.slow
def test_without_association_errors_are_as_many_as_they_should_be():
    """Over 200 simulations of 4 true null hypotheses: a test errs in at most 5 %, and a family of tests too."""
    tables = []
    for seed in range(200):
        features, clusters = simulated(1000 + seed)
        tables.append(associate(features[["bevr", "margin_fluctuation"]], clusters, permutations=99).table)
    p_values = np.array([table["p_value"] for table in tables])
    permuted = np.array([table["p_permutation"] for table in tables])
    # 800 tests at 0.05, with three standard deviations on top. Exact tests are conservative: their rate lies below.
    assert 0.02 < (p_values <= 0.05).mean() < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 800)
    assert abs((permuted <= 0.05).mean() - 0.05) < 3 * math.sqrt(0.05 * 0.95 / 800)
    families = np.mean([(table["p_bonferroni"] <= 0.05).any() for table in tables])
    assert families < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_row_is_what_its_parts_say():
    features, clusters = simulated(1)
    found = associate(features, clusters, bins=3, permutations=9)
    row = found.table.query("feature == 'bevr' and clustering == 'CNCluster'").iloc[0]
    cells = found.counts.query("feature == 'bevr' and clustering == 'CNCluster'")
    table = cells.pivot_table(index="bin", columns="cluster", values="patients").to_numpy()
    assert table.shape == (3, 3)
    assert table.sum() == row["patients"] == 80
    assert set(table.sum(axis=1)) <= {26, 27}
    assert row["p_value"] == pytest.approx(fisher_test(table).p_value)
    assert row["p_bonferroni"] == pytest.approx(min(row["p_value"] * 6, 1))
    edges = cells.groupby("bin")[["above", "up_to"]].first()
    assert edges.iloc[0, 0] == -math.inf
    assert edges.iloc[0, 1] == edges.iloc[1, 0] == pytest.approx(features["bevr"].quantile(1 / 3))


def test_missing_values_count_in_their_tests_alone():
    features, clusters = simulated(2)
    features.iloc[:5, 0] = math.nan
    clusters.iloc[3:10, 0] = math.nan
    clusters = pd.concat([clusters, pd.DataFrame({"CNCluster": [1]}, index=["only-here"])])
    table = associate(features, clusters, permutations=9).table.set_index(["feature", "clustering"])
    counted = table[["patients", "missing"]]
    assert tuple(counted.loc[("bevr", "RNASeqCluster")]) == (70, 11)
    assert tuple(counted.loc[("bevr", "CNCluster")]) == (75, 6)
    assert tuple(counted.loc[("margin_fluctuation", "RNASeqCluster")]) == (73, 8)
    assert tuple(counted.loc[("margin_fluctuation", "CNCluster")]) == (80, 1)


def test_order_of_patients_does_not_matter():
    features, clusters = simulated(3)
    first = associate(features, clusters, permutations=9).table.drop(columns="p_permutation")
    second = associate(features.sample(frac=1, random_state=0), clusters, permutations=9).table
    pd.testing.assert_frame_equal(first, second.drop(columns="p_permutation"))


def test_what_can_t_be_tested_says_so():
    features, clusters = simulated(4, patients=12)
    features["bevr"] = 1.0
    clusters["CNCluster"] = math.nan
    table = associate(features, clusters, permutations=9).table.set_index(["feature", "clustering"])
    assert table.loc[("bevr", "RNASeqCluster"), "test"].startswith("none")
    assert math.isnan(table.loc[("bevr", "RNASeqCluster"), "p_bonferroni"])
    assert table.loc[("margin_fluctuation", "CNCluster"), "patients"] == 0
    tested = table["p_value"].notna()
    assert tested.sum() == 2
    np.testing.assert_allclose(table["p_bonferroni"][tested], np.minimum(table["p_value"][tested] * 2, 1))


def test_ties_go_to_the_lower_bin():
    features = pd.DataFrame({"bevr": [1.0, 1, 1, 2, 3, 4]})
    clusters = pd.DataFrame({"RNASeqCluster": [1, 1, 1, 2, 2, 2]})
    cells = associate(features, clusters, permutations=9).counts
    assert cells["patients"].tolist() == [3, 0, 0, 3]
    features = pd.DataFrame({"bevr": [1.0, 1, 1, 1, 1, 4]})
    cells = associate(features, clusters, permutations=9).counts
    assert cells["patients"].tolist() == [3, 2, 0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda features, clusters: (features.iloc[:0], clusters), "features must be a DataFrame"),
        (lambda features, clusters: (features, clusters["CNCluster"]), "clusters must be a DataFrame"),
        (lambda features, clusters: (pd.concat([features, features]), clusters), "features must be a DataFrame"),
        (lambda features, clusters: (features.assign(bevr="a"), clusters), "features must be finite numbers, or NaN"),
        (
            lambda features, clusters: (features.replace(features.iloc[0, 0], math.inf), clusters),
            "must be finite numbers",
        ),
        (lambda features, clusters: (features, clusters.add_prefix("x", axis=0)), "clusters must be of the patients"),
    ],
)
def test_wrong_tables_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        associate(*change(*simulated(5)))
