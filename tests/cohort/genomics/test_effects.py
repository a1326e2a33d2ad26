import math

import numpy as np
import pytest
from scipy.stats import kruskal, mannwhitneyu, norm

from braintumorseg.cohort import cluster_auc, cramers_v
from braintumorseg.cohort.genomics.effects import permutation_p


def test_cramers_v_of_known_tables():
    perfect = cramers_v([[30, 0, 0], [0, 30, 0], [0, 0, 30]])
    assert perfect.value == pytest.approx(1, abs=0.02)
    assert perfect.high == 1
    none = cramers_v([[10, 20], [10, 20]])
    assert (none.value, none.low) == (0, 0)
    assert 0 < none.high < 0.4
    assert math.isnan(cramers_v([[3, 4]]).value)
    # Chi-squared of this table is 18, so that V without correction is sqrt(18 / 50) = 0.6.
    assert cramers_v([[20, 5], [5, 20]]).value == pytest.approx(math.sqrt((18 / 50 - 1 / 49) / (1 - 1 / 49)))


@pytest.mark.parametrize("strength", [0.0, 0.4])
def test_interval_of_cramers_v_holds_the_truth_as_often_as_it_says(strength):
    """Tables of 100 from a population of known V: a mixture of independence and of the diagonal."""
    population = (1 - strength) * np.full((3, 3), 1 / 9) + strength * np.eye(3) / 3
    random = np.random.default_rng(0)
    drawn = random.multinomial(100, population.ravel(), size=300).reshape(-1, 3, 3)
    effects = [cramers_v(table) for table in drawn]
    held = np.mean([each.low <= strength <= each.high for each in effects])
    assert held >= 0.92
    assert np.mean([each.value for each in effects]) == pytest.approx(strength, abs=0.06)


def test_auc_is_the_share_of_right_pairs():
    random = np.random.default_rng(0)
    scores, members = random.integers(0, 6, 40), random.random(40) < 0.3
    expected = mannwhitneyu(scores[members], scores[~members]).statistic / members.sum() / (~members).sum()
    found = cluster_auc(scores, members)
    assert found.value == pytest.approx(expected)
    assert 0 < found.low < found.value < found.high < 1
    assert cluster_auc(-scores, members).value == pytest.approx(1 - expected)
    assert cluster_auc(-scores, members).high == pytest.approx(1 - found.low)


@pytest.mark.parametrize("shift", [0.0, 1.2])
def test_interval_of_auc_holds_the_truth_as_often_as_it_says(shift):
    random = np.random.default_rng(0)
    truth = norm.cdf(shift / math.sqrt(2))
    members = np.arange(75) < 23
    effects = [cluster_auc(random.standard_normal(75) + shift * members, members) for _ in range(400)]
    assert np.mean([each.low <= truth <= each.high for each in effects]) == pytest.approx(0.95, abs=0.03)


def test_auc_without_spread_has_no_interval():
    for scores, members in (([1, 2, 3, 4], [0, 0, 1, 1]), ([1, 2, 3], [0, 1, 0])):
        found = cluster_auc(scores, members)
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    assert cluster_auc([1, 2, 3, 4], [0, 0, 1, 1]).value == 1


@pytest.mark.parametrize(
    ("scores", "members", "message"),
    [
        ([1, 2], [True], "scores must be finite numbers"),
        ([1, math.nan], [True, False], "scores must be finite numbers"),
        ([1, 2], [True, True], "members must be some of the patients, and not all"),
    ],
)
def test_wrong_scores_are_refused(scores, members, message):
    with pytest.raises(ValueError, match=message):
        cluster_auc(scores, members)


def test_permutation_of_few_values_is_exact():
    """Of the 20 ways to choose 3 of 6, the two extreme ones are as far apart as these groups: p is 0.1."""
    values, groups = np.array([1.0, 2, 3, 4, 5, 6]), np.array([0, 0, 0, 1, 1, 1])
    assert permutation_p(values, groups, permutations=10_000, seed=0) == pytest.approx(0.1)
    assert permutation_p(values, groups, permutations=400, seed=0) == pytest.approx(
        0.1, abs=0.05
    )  # drawn, as 6! is more


def test_permutations_are_pinned():
    """P-values of pages stay as they are: these came from a generator that permuted by hand."""
    random = np.random.default_rng(1)
    values, groups = random.random(30), random.integers(0, 3, 30)
    assert permutation_p(values, groups, permutations=999, seed=0) == 0.657
    assert permutation_p(values, groups, permutations=1500, seed=0) != permutation_p(
        values, groups, permutations=1500, seed=1
    )


def test_group_of_a_single_patient_counts():
    values, groups = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 20]), np.array([0] * 5 + [1] * 4 + [2])
    assert permutation_p(values, groups, permutations=999, seed=0) == 0.006


def test_permutation_agrees_with_the_distribution_for_many():
    random = np.random.default_rng(0)
    values, groups = random.random(200), np.repeat(np.arange(4), 50)
    values[:50] += 0.1
    expected = kruskal(*(values[groups == group] for group in range(4))).pvalue
    assert permutation_p(values, groups, permutations=10_000, seed=0) == pytest.approx(expected, abs=0.01)
