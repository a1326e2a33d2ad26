"""Tests of every feature against every clustering."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braintumorseg._core.checks import check_integer, wrong
from braintumorseg.cohort.genomics.corrections import benjamini_hochberg, bonferroni
from braintumorseg.cohort.genomics.effects import cluster_auc, cramers_v, permutation_p
from braintumorseg.cohort.genomics.fisher import fisher_test

CLUSTERINGS = {
    "RNASeqCluster": "RNASeq",
    "MethylationCluster": "methylation",
    "miRNACluster": "miRNA",
    "CNCluster": "copy number",
    "RPPACluster": "RPPA",
    "OncosignCluster": "OncoSign",
    "COCCluster": "cluster of clusters",
}
"""The molecular clusterings of the LGG dataset's table: column, and what it is called."""

PAPER_FEATURES = ("bevr", "margin_fluctuation", "angular_standard_deviation")
"""The three features of Buda et al. 2019."""


@dataclass(frozen=True, eq=False)
class Association:
    """What ``associate`` found.

    Attributes:
        table: One row a test. ``feature``, ``clustering``; ``patients`` in it and ``missing`` ones; ``bins`` and ``clusters``
            that it has; ``test``, exact or Monte Carlo; ``p_value`` of Fisher's test, ``p_bonferroni`` and
            ``p_benjamini_hochberg`` over all tests of the table; ``cramers_v`` with ``v_low`` and ``v_high``, its 95 %
            interval; ``p_permutation`` of the ranks, without bins.
        counts: One row a cell of a tested table: ``feature``, ``clustering``, ``bin`` from 1, with values above ``above``
            and up to ``up_to``, ``cluster``, ``patients``.
        one_vs_rest: One row a feature and cluster: ``members``, ``others``; ``auc``, the probability that a member has the
            higher value, with ``auc_low`` and ``auc_high``, its 95 % interval.
        data: What was tested, one row a patient: features, then clusterings; NaN where one is not known.
        features: Names of the columns that are features.
        clusterings: Names of the columns that are clusterings.
        options: ``bins``, ``permutations`` and ``seed``.
    """

    table: pd.DataFrame
    counts: pd.DataFrame
    one_vs_rest: pd.DataFrame
    data: pd.DataFrame
    features: tuple[str, ...]
    clusterings: tuple[str, ...]
    options: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        best = self.table.sort_values("p_value", kind="stable")
        kept = int((best["p_bonferroni"] < 0.05).sum())
        lines = [
            f"{len(self.features)} features x {len(self.clusterings)} clusterings, {len(self.data)} patients, "
            f"{int(self.table['p_value'].notna().sum())} tests; below 0.05 after Bonferroni: {kept}"
        ]
        lines += [
            f"{row['feature']} x {row['clustering']}: p {row['p_value']:.2g} (Bonferroni {row['p_bonferroni']:.2g}, "
            f"permutation {row['p_permutation']:.2g}), V {row['cramers_v']:.2f} ({row['v_low']:.2f} to {row['v_high']:.2f}), "
            f"{row['patients']} patients, {row['missing']} without the cluster or the feature"
            for row in best.to_dict("records")[:5]
        ]
        return "\n".join(lines)


def associate(
    features: pd.DataFrame,
    clusters: pd.DataFrame,
    *,
    bins: int = 2,
    permutations: int = 10_000,
    seed: int = 0,
) -> Association:
    """Test each feature against each clustering.

    A feature is cut into ``bins`` at the quantiles of the patients who are in the test, a value on a cut going to the lower
    bin, and Fisher's exact test asks whether bins and clusters are independent. Cramér's V says how strongly they are not.
    The same is asked of the ranks of the feature, without bins, by permutation of the patients' clusters.

    A patient whose feature or cluster is not known is not in that test, and is counted as missing there; nobody is dropped
    from the other tests.

    Args:
        features: One row a patient, one column a feature; finite or NaN.
        clusters: One row a patient, one column a clustering, with labels of any kind; NaN where not known. Patients are joined
            by the index; those who are in one table only count as missing.
        bins: Into how many parts a feature is cut; 2 cuts at the median.
        permutations: Number of permutations.
        seed: Of the permutations.

    Returns:
        The tests, their tables, and how well each feature tells each cluster from the rest.

    Raises:
        ValueError: If a table has no rows or columns, names a patient twice, or shares no patient with the other; if an
            option is not as stated.

    References:
        Buda, Saha, Mazurowski, Computers in Biology and Medicine 109, 2019.

    Examples:
        >>> import pandas as pd
        >>> from braintumorseg.cohort import associate
        >>> patients = [f"patient-{number}" for number in range(12)]
        >>> features = pd.DataFrame({"bevr": [0.3, 0.4] * 3 + [0.6, 0.7] * 3}, index=patients)
        >>> clusters = pd.DataFrame({"RNASeqCluster": [2] * 6 + [1] * 5 + [None]}, index=patients)
        >>> found = associate(features, clusters, permutations=999)
        >>> row = found.table.iloc[0]
        >>> print(row["patients"], row["missing"], row["p_value"].round(4))
        11 1 0.0022
    """
    check_integer("bins", bins, 2)
    check_integer("permutations", permutations, 1)
    _check("features", features)
    _check("clusters", clusters)
    if not len(features.index.intersection(clusters.index)):
        msg = wrong("clusters", "of the patients of the features", f"{clusters.index[0]!r} and others")
        raise ValueError(msg)
    data = features.join(clusters, how="outer")
    tests, counts, aucs = [], [], []
    for feature in features.columns:
        for clustering in clusters.columns:
            known = data[[feature, clustering]].dropna()
            values = known[feature].to_numpy(np.float64)
            row, cells = _test(values, known[clustering], bins, permutations, seed)
            named = {"feature": feature, "clustering": clustering}
            tests.append({**named, "patients": len(known), "missing": len(data) - len(known), **row})
            counts += [{**named, **cell} for cell in cells]
            aucs += [{**named, **auc} for auc in _one_vs_rest(values, known[clustering])]
    table = pd.DataFrame(tests)
    table.insert(7, "p_bonferroni", bonferroni(table["p_value"].to_numpy()))
    table.insert(8, "p_benjamini_hochberg", benjamini_hochberg(table["p_value"].to_numpy()))
    return Association(
        table=table,
        counts=pd.DataFrame(counts),
        one_vs_rest=pd.DataFrame(aucs),
        data=data,
        features=tuple(features.columns),
        clusterings=tuple(clusters.columns),
        options={"bins": bins, "permutations": permutations, "seed": seed},
    )


def _test(
    values: NDArray[np.float64], labels: pd.Series[Any], bins: int, permutations: int, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a row of the table and the cells of what was tested."""
    groups, names = pd.factorize(labels, sort=True)
    cuts = np.unique(np.quantile(values, np.arange(1, bins) / bins)) if len(values) else np.empty(0)
    binned = np.searchsorted(cuts, values, side="left")
    counts = np.zeros((len(cuts) + 1, len(names)), np.int64)
    np.add.at(counts, (binned, groups), 1)
    filled = counts[counts.any(axis=1)]
    row: dict[str, Any] = {"bins": len(filled), "clusters": len(names)}
    if min(filled.shape) < 2:
        unknown = ("p_value", "cramers_v", "v_low", "v_high", "p_permutation")
        return {**row, "test": "none: a single bin or cluster", **dict.fromkeys(unknown, math.nan)}, []
    fisher, effect = fisher_test(counts), cramers_v(counts)
    edges = [-math.inf, *cuts.tolist(), math.inf]
    cells = [
        {
            "bin": place + 1,
            "above": edges[place],
            "up_to": edges[place + 1],
            "cluster": name,
            "patients": counts[place, column],
        }
        for place in range(len(counts))
        for column, name in enumerate(names)
    ]
    return {
        **row,
        "test": fisher.method,
        "p_value": fisher.p_value,
        "cramers_v": effect.value,
        "v_low": effect.low,
        "v_high": effect.high,
        "p_permutation": permutation_p(values, groups, permutations=permutations, seed=seed),
    }, cells


def _one_vs_rest(values: NDArray[np.float64], labels: pd.Series[Any]) -> list[dict[str, Any]]:
    rows = []
    for cluster in sorted(labels.unique()):
        members = (labels == cluster).to_numpy()
        if members.all():
            continue
        area = cluster_auc(values, members)
        rows.append(
            {
                "cluster": cluster,
                "members": int(members.sum()),
                "others": int((~members).sum()),
                "auc": area.value,
                "auc_low": area.low,
                "auc_high": area.high,
            }
        )
    return rows


def _check(name: str, table: pd.DataFrame) -> None:
    if not isinstance(table, pd.DataFrame) or table.empty or not table.index.is_unique:
        got = f"one of shape {table.shape}" if isinstance(table, pd.DataFrame) else f"{type(table).__name__}"
        msg = wrong(name, "a DataFrame of at least one row and column, each patient once", got)
        raise ValueError(msg)
    if name == "features":
        numeric = table.select_dtypes("number")
        if numeric.shape[1] != table.shape[1] or np.isinf(numeric.to_numpy(np.float64)).any():
            msg = wrong(name, "finite numbers, or NaN", f"columns {', '.join(map(str, table.columns))}")
            raise ValueError(msg)
