"""How sure a figure is: bootstrap confidence intervals over patients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from braintumorseg._core.checks import check_in, check_integer, check_range, wrong

RESAMPLES = 10_000
CONFIDENCE = 0.95
_BATCH = 1_000  # resamples at a time, to bound the memory


Statistic = Callable[..., Any]
"""A function such as ``np.mean`` that reduces one axis of an array, named by ``axis=``."""

NanPolicy = Literal["propagate", "omit"]


def bootstrap_interval(
    values: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    nan_policy: NanPolicy = "propagate",
) -> tuple[float, float]:
    """Return a bootstrap confidence interval of a statistic, by the percentile method of ``scipy.stats.bootstrap``.

    Patients are drawn with replacement, as many as there are. The interval lies between the percentiles of the statistic
    over all draws. It depends on the seed, not on the order of the patients.

    Args:
        values: One row a patient, ``(patients,)`` or ``(patients, k)``; finite.
        statistic: Called as ``statistic(array, axis=1)`` with ``(draws, patients)`` or ``(draws, patients, k)``; returns
            ``(draws,)``.
        confidence: The share of the draws that the interval holds, above 0 and below 1.
        resamples: The number of draws, at least 2.
        seed: Of the draws.
        nan_policy: Where the statistic of a draw is NaN, ``"propagate"`` makes the interval NaN and ``"omit"`` leaves the
            draw out.

    Returns:
        The lower and the upper end. NaN for a single patient, who says nothing of the spread, and where no draw is left.

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
    check_integer("resamples", resamples, 2)
    check_in("nan_policy", nan_policy, ("propagate", "omit"))
    if len(rows) == 1:
        return (np.nan, np.nan)
    rows = rows[np.lexsort(np.atleast_2d(rows.T)[::-1])]  # so that the order of the patients does not matter

    def of_places(places: NDArray[np.intp], axis: int) -> Any:  # places are drawn, so that a patient's row stays whole
        return statistic(rows[places], axis=1)

    with warnings.catch_warnings():
        # Of an undefined statistic SciPy says that the "BCa" interval can't be calculated; the NaN says enough.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        drawn = stats.bootstrap(
            (np.arange(len(rows)),),
            of_places,
            n_resamples=resamples,
            batch=_BATCH,
            vectorized=True,
            confidence_level=confidence,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    low, high = drawn.confidence_interval
    kept = drawn.bootstrap_distribution[~np.isnan(drawn.bootstrap_distribution)]
    if nan_policy == "omit" and 0 < len(kept) < resamples:
        low, high = np.quantile(kept, [(1 - confidence) / 2, (1 + confidence) / 2])
    return (float(low), float(high))
