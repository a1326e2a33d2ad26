"""How sure a figure is: bootstrap confidence intervals over patients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from braintumorseg._core.checks import check_integer, check_range, wrong

RESAMPLES = 10_000
CONFIDENCE = 0.95
_CHUNK = 1_000  # resamples at a time, to bound the memory


Statistic = Callable[..., Any]
"""A function such as ``np.mean`` that reduces one axis of an array, named by ``axis=``."""


def bootstrap_interval(
    values: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Return a bootstrap confidence interval of a statistic, by the percentile method.

    Patients are drawn with replacement, as many as there are; the interval lies between the percentiles of the statistic
    over all draws. It depends on the seed, not on the order of the patients.

    Args:
        values: One row a patient, ``(patients,)`` or ``(patients, k)``; finite.
        statistic: Called as ``statistic(array, axis=1)`` with ``(draws, patients)`` or ``(draws, patients, k)``; returns
            ``(draws,)``.
        confidence: The share of the draws that the interval holds, above 0 and below 1.
        resamples: The number of draws.
        seed: Of the draws.

    Returns:
        The lower and the upper end. NaN for a single patient, who says nothing of the spread, and where the statistic is
        undefined in a draw.

    Raises:
        ValueError: If there are no values, one is NaN or infinite, or an option is out of its range.

    References:
        Efron and Tibshirani: "An Introduction to the Bootstrap", 1993, section 13.3.

    Examples:
        >>> from braintumorseg.evaluation.intervals import bootstrap_interval
        >>> low, high = bootstrap_interval([0.90, 0.85, 0.60, 0.92, 0.88])
        >>> print(f"{low:.2f} to {high:.2f}")
        0.71 to 0.90
    """
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim not in (1, 2) or not rows.size or not np.isfinite(rows).all():
        msg = wrong(
            "values",
            "finite numbers, one row a patient",
            f"{np.count_nonzero(np.isfinite(rows))} such in an array of shape {rows.shape}",
        )
        raise ValueError(msg)
    check_range("confidence", confidence, 0, 1, low_open=True, high_open=True)
    check_integer("resamples", resamples, 1)
    if len(rows) == 1:
        return (np.nan, np.nan)
    rows = rows[np.lexsort(np.atleast_2d(rows.T)[::-1])]  # so that the order of the patients does not matter
    random = np.random.default_rng(seed)
    draws = np.concatenate(
        [
            statistic(rows[random.integers(len(rows), size=(min(_CHUNK, resamples - start), len(rows)))], axis=1)
            for start in range(0, resamples, _CHUNK)
        ]
    )
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return (float(low), float(high))
