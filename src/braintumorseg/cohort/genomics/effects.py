"""How strong an association is, with intervals: Cramér's V of a table, area under the curve of a score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import chdtr, chndtr, ndtri
from scipy.stats import permutation_test, rankdata

from braintumorseg._core.checks import check_range, wrong
from braintumorseg.cohort.genomics.fisher import as_counts

CONFIDENCE = 0.95
_BATCH = 1_000  # permutations at a time, to bound the memory


@dataclass(frozen=True)
class Effect:
    """A strength with its confidence interval.

    Attributes:
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def cramers_v(table: ArrayLike, *, confidence: float = CONFIDENCE) -> Effect:
    """Return Cramér's V of a table of counts: 0 where rows and columns are independent, 1 where one tells the other.

    The estimate is corrected for its bias in small samples; the interval comes from the noncentral chi-squared distributions
    whose tails the table's statistic marks.

    Args:
        table: Counts, ``(rows, columns)``.
        confidence: Of the interval, above 0 and below 1.

    Returns:
        NaN where a table has a single row or column with counts.

    Raises:
        ValueError: If the table has another rank, or holds anything but counts.

    References:
        Bergsma: "A bias-correction for Cramér's V and Tschuprow's T", Journal of the Korean Statistical Society 42, 2013.
        Smithson: "Confidence Intervals", 2003, chapter 4.

    Examples:
        >>> from braintumorseg.cohort import cramers_v
        >>> print(cramers_v([[20, 5], [5, 20]]))
        0.59 (0.32 to 0.88)
    """
    check_range("confidence", confidence, 0, 1, low_open=True, high_open=True)
    counts = as_counts(table)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    rows, columns = counts.shape
    if min(rows, columns) < 2:
        return Effect(math.nan, math.nan, math.nan)
    total = int(counts.sum())
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    statistic = float(((counts - expected) ** 2 / expected).sum())
    freedom = (rows - 1) * (columns - 1)
    corrected = max(0.0, statistic / total - freedom / (total - 1))
    sides = [side - (side - 1) ** 2 / (total - 1) for side in (rows, columns)]
    value = min(math.sqrt(corrected / (min(sides) - 1)), 1.0)
    tail = (1 - confidence) / 2
    # A table that is more even than independence makes it says no more for independence than an average one.
    ends = _noncentrality(statistic, freedom, 1 - tail), _noncentrality(max(statistic, freedom), freedom, tail)
    low, high = (min(math.sqrt(end / (total * (min(rows, columns) - 1))), 1.0) for end in ends)
    return Effect(value, low, high)


def cluster_auc(scores: ArrayLike, members: ArrayLike, *, confidence: float = CONFIDENCE) -> Effect:
    """Return how well a score tells the members of a cluster from the rest: the area under the ROC curve.

    It is the probability that a member has the higher score, ties counted half. The interval is DeLong's, on the scale of
    logits, where it stays between 0 and 1.

    Args:
        scores: ``(patients,)``, finite; higher for members.
        members: ``(patients,)``, whether each belongs to the cluster.
        confidence: Of the interval, above 0 and below 1.

    Returns:
        The area; an interval of NaN where it has no spread: with one member, one other, or perfect separation.

    Raises:
        ValueError: If the two differ in shape, a score is not finite, or there are no members or no others.

    References:
        DeLong, DeLong, Clarke-Pearson: "Comparing the areas under two or more correlated receiver operating characteristic
        curves", Biometrics 44, 1988.

    Examples:
        >>> from braintumorseg.cohort import cluster_auc
        >>> print(cluster_auc([0.9, 0.8, 0.4, 0.7, 0.3, 0.2], [True, True, True, False, False, False]))
        0.89 (0.26 to 0.99)
    """
    check_range("confidence", confidence, 0, 1, low_open=True, high_open=True)
    values, inside = np.asarray(scores, dtype=np.float64), np.asarray(members)
    if values.ndim != 1 or inside.shape != values.shape or not np.isfinite(values).all():
        msg = wrong("scores", "finite numbers, one a patient, as many as members", f"shape {values.shape}")
        raise ValueError(msg)
    inside = inside.astype(np.bool_)
    ones, others = int(inside.sum()), int((~inside).sum())
    if not ones or not others:
        msg = wrong("members", "some of the patients, and not all", f"{ones} of {len(inside)}")
        raise ValueError(msg)
    ranks = rankdata(values)
    below = (ranks[inside] - rankdata(values[inside])) / others  # for each member: the share of the others below it
    above = 1 - (ranks[~inside] - rankdata(values[~inside])) / ones
    area = float(below.mean())
    if min(ones, others) < 2 or not 0 < area < 1:
        return Effect(area, math.nan, math.nan)
    error = math.sqrt(below.var(ddof=1) / ones + above.var(ddof=1) / others)
    reach = ndtri((1 + confidence) / 2) * error / (area * (1 - area))
    logit = math.log(area / (1 - area))
    low, high = (1 / (1 + math.exp(-(logit + side * reach))) for side in (-1, 1))
    return Effect(area, low, high)


def permutation_p(values: NDArray[np.float64], groups: NDArray[np.int64], *, permutations: int, seed: int) -> float:
    """Return the p-value of Kruskal and Wallis's rank test of several groups, by ``scipy.stats.permutation_test``.

    It needs no bins, and so checks what depends on them. It is never 0, as the observed order is one of the permutations. It
    is exact where there are at most as many orders of the patients as ``permutations``: up to 7 patients for 10,000.
    """
    members = (groups[:, None] == np.unique(groups)).astype(np.float64)
    ranks = rankdata(values) - (len(values) + 1) / 2

    def spread(each: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.asarray(((each @ members) ** 2 / members.sum(axis=0)).sum(axis=axis))

    # "pairings" of one sample permutes the ranks over the groups; "independent" refuses groups of a single patient.
    found = permutation_test(
        (ranks,),
        spread,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=permutations,
        batch=_BATCH,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _noncentrality(statistic: float, freedom: int, level: float) -> float:
    """Return the noncentrality under which the statistic is the quantile of a level; 0 where even that is too much."""
    if chdtr(freedom, statistic) <= level:
        return 0.0
    reaches: Callable[[float], float] = lambda centre: float(chndtr(statistic, freedom, centre)) - level  # noqa: E731
    return float(brentq(reaches, 1e-9, 2 * statistic + 200))
