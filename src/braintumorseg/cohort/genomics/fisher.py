"""Fisher's exact test of tables of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import MonteCarloMethod
from scipy.stats import fisher_exact as scipy_fisher_exact

from braintumorseg._core.checks import check_integer, wrong

LIMIT = 20_000_000
"""How many partial tables are held at once at most; beyond that, tables are drawn."""

_DIGITS = 9  # of the logarithm of a probability: what agrees in these is one value


@dataclass(frozen=True)
class Fisher:
    """Result of a test.

    Attributes:
        p_value: Probability, if rows and columns are independent, of a table of these margins at most as probable as this.
        method: ``"exact"``, or ``"Monte Carlo"`` where there are too many tables to count.
        draws: How many tables were drawn; 0 for an exact result.
    """

    p_value: float
    method: Literal["exact", "Monte Carlo"]
    draws: int = 0


@dataclass(frozen=True, eq=False)
class _Partial:
    """Some columns of all possible tables, sorted by margin, then weight.

    Attributes:
        used: Int array ``(count,)``: what the columns use of the rows' sums, as one number.
        weight: ``(count,)``: logarithm of the part of the probability that they give.
        copies: ``(count,)``: how many ways to fill the columns have this margin and weight.
    """

    used: NDArray[np.int64]
    weight: NDArray[np.float64]
    copies: NDArray[np.float64]


# Our own, as scipy.stats.fisher_exact is exact for tables of 2 x 2 alone, and draws larger ones at random.
def fisher_test(table: ArrayLike, *, draws: int = 100_000, seed: int = 0) -> Fisher:
    """Test whether rows and columns of a table of counts are independent.

    The two-sided test of Fisher, as R's ``fisher.test`` has it: the probabilities of all tables of the same margins that are
    at most as probable as this one are added up. SciPy has it exactly for 2 x 2 tables alone. Here the columns are cut in two
    halves; all ways to fill each are listed, ways of equal margin and weight once, and the sum over pairs is taken from sorted
    weights. Where the lists grow beyond memory, tables are drawn at random (``scipy.stats.fisher_exact``).

    Args:
        table: Counts, ``(rows, columns)``.
        draws: How many tables are drawn where they can't be counted.
        seed: Of the draws.

    Returns:
        The p-value, and how it was found; 1 where a table has a single row or column with counts.

    Raises:
        ValueError: If the table has another rank, or holds anything but counts.

    References:
        Freeman and Halton: "Note on an exact treatment of contingency, goodness of fit and other problems of significance",
        Biometrika 38, 1951.

    Examples:
        >>> from braintumorseg.cohort import fisher_test
        >>> job_satisfaction = [[1, 2, 1, 0], [3, 3, 6, 1], [10, 10, 14, 9], [6, 7, 12, 11]]
        >>> print(f"{fisher_test(job_satisfaction).p_value:.4f}")  # R: 0.7827
        0.7827
    """
    counts = as_counts(table)
    check_integer("draws", draws, 1)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if min(counts.shape) < 2:
        return Fisher(1.0, "exact")
    if counts.shape[0] > counts.shape[1]:
        counts = counts.T
    halves = _halves(counts)
    parts = [_fill(counts, half) for half in halves]
    if any(part is None for part in parts):
        method = MonteCarloMethod(n_resamples=draws, rng=np.random.default_rng(seed))
        return Fisher(float(scipy_fisher_exact(counts, method=method).pvalue), "Monte Carlo", draws)
    left, right = (part for part in parts if part is not None)
    return Fisher(_add_up(counts, left, right), "exact")


def as_counts(table: ArrayLike) -> NDArray[np.int64]:
    """Return a table as integers.

    Raises:
        ValueError: If it has another rank than 2, holds anything but counts, or holds none.
    """
    counts = np.asarray(table)
    whole = counts.dtype.kind in "biuf" and bool(np.all(counts >= 0) and np.all(np.mod(counts, 1) == 0))
    if counts.ndim != 2 or not whole or not counts.sum():
        msg = wrong("table", "counts (rows, columns), at least one above 0", f"{counts.tolist()}")
        raise ValueError(msg)
    return counts.astype(np.int64)


def _halves(counts: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Divide the columns in two, so that both have about as many ways to be filled."""
    halves: tuple[list[int], list[int]] = ([], [])
    ways = [0.0, 0.0]
    for column in np.argsort(-counts.sum(axis=0), kind="stable"):
        less = int(ways[1] < ways[0])
        halves[less].append(int(column))
        ways[less] += math.log(math.comb(int(counts[:, column].sum()) + len(counts) - 1, len(counts) - 1))
    return halves


def _fill(counts: NDArray[np.int64], columns: list[int]) -> _Partial | None:
    """List all ways to fill some columns within the rows' sums; ``None`` if there are more than ``LIMIT``."""
    rows = counts.sum(axis=1)
    digits = _digits(rows)
    filled = _Partial(np.zeros(1, np.int64), np.zeros(1), np.ones(1))
    for column in columns:
        ways = _compositions(int(counts[:, column].sum()), rows)
        if len(filled.used) * len(ways) > LIMIT:
            return None
        before = filled.used[:, None] // digits % (rows + 1)
        fits = np.ones((len(before), len(ways)), np.bool_)
        for row, most in enumerate(rows):
            fits &= before[:, row, None] + ways[:, row] <= most
        first, second = np.nonzero(fits)
        filled = _merged(
            filled.used[first] + (ways @ digits)[second],
            filled.weight[first] - gammaln(ways + 1).sum(axis=1)[second],
            filled.copies[first],
        )
    return filled


def _digits(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of a number whose digits are what is used of each row."""
    return np.concatenate([[1], np.cumprod(rows[:-1] + 1)]).astype(np.int64)


def _compositions(total: int, most: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all ways to share ``total`` between rows that take ``most`` each, ``(ways, rows)``."""
    cuts = np.array(list(combinations_with_replacement(range(total + 1), len(most) - 1)), dtype=np.int64)
    shares = np.diff(cuts, axis=1, prepend=0, append=total)
    return np.asarray(shares[(shares <= most).all(axis=1)])


def _merged(used: NDArray[np.int64], weight: NDArray[np.float64], copies: NDArray[np.float64]) -> _Partial:
    """Keep one of what agrees in margin and weight."""
    rounded = np.round(weight, _DIGITS)
    order = np.lexsort((rounded, used))
    used, weight, copies, rounded = used[order], weight[order], copies[order], rounded[order]
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(used) != 0) | (np.diff(rounded) != 0)]))
    return _Partial(used[starts], weight[starts], np.add.reduceat(copies, starts))


def _add_up(counts: NDArray[np.int64], left: _Partial, right: _Partial) -> float:
    """Return the share of all tables, by probability, that are at most as probable as this one."""
    rows = counts.sum(axis=1)
    observed = -gammaln(counts + 1.0).sum() + 10.0**-_DIGITS * counts.size  # equal ones count, whatever their rounding
    total = float(gammaln(counts.sum() + 1.0) - gammaln(rows + 1.0).sum() - gammaln(counts.sum(axis=0) + 1.0).sum())
    margins, starts = np.unique(right.used, return_index=True)
    ends = [*starts[1:], len(right.used)]
    groups = {int(margin): slice(start, end) for margin, start, end in zip(margins, starts, ends, strict=True)}
    all_used = int(rows @ _digits(rows))
    margins, starts = np.unique(left.used, return_index=True)
    share = 0.0
    for margin, start, end in zip(margins, starts, [*starts[1:], len(left.used)], strict=True):
        group = groups.get(all_used - int(margin))
        if group is None:
            continue
        others = right.weight[group]
        highest = others.max()
        sums = np.concatenate([[0.0], np.cumsum(np.exp(others - highest) * right.copies[group])])
        weights = left.weight[start:end]
        below = sums[np.searchsorted(others, observed - weights, side="right")]
        share += float((left.copies[start:end] * np.exp(weights + highest - total) * below).sum())
    return min(share, 1.0)
