"""Corrections of p-values for how many hypotheses were tested."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

from braintumorseg._core.checks import check_integer, wrong


def bonferroni(p_values: ArrayLike, hypotheses: int | None = None) -> NDArray[np.float64]:
    """Return p-values multiplied by the number of hypotheses: the chance of a single false finding among them all.

    Args:
        p_values: ``(tests,)``, 0 to 1; NaN where a test could not be made, which is no hypothesis and stays NaN.
        hypotheses: How many were tested; the tests that could be made if not given.

    Returns:
        ``(tests,)``, at most 1.

    Raises:
        ValueError: If a p-value is not between 0 and 1, or there were fewer hypotheses than p-values.

    Examples:
        >>> from braintumorseg.cohort import bonferroni
        >>> bonferroni([0.01, 0.04, 0.5]).tolist()
        [0.03, 0.12, 1.0]
    """
    values, made = _checked(p_values)
    if hypotheses is not None:
        check_integer("hypotheses", hypotheses, int(made.sum()))
    return np.minimum(values * (made.sum() if hypotheses is None else hypotheses), 1.0)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted so that, of those up to a level, that share is false findings on average.

    Args:
        p_values: ``(tests,)``, 0 to 1; NaN where a test could not be made, which is no hypothesis and stays NaN.

    Returns:
        ``(tests,)``, at most 1.

    Raises:
        ValueError: If a p-value is not between 0 and 1.

    References:
        Benjamini and Hochberg: "Controlling the false discovery rate", Journal of the Royal Statistical Society B 57, 1995.

    Examples:
        >>> from braintumorseg.cohort import benjamini_hochberg
        >>> benjamini_hochberg([0.01, 0.04, 0.5]).round(3).tolist()
        [0.03, 0.06, 0.5]
    """
    values, made = _checked(p_values)
    values = values.copy()
    if made.any():
        values[made] = false_discovery_control(values[made], method="bh")
    return values


def _checked(p_values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values = np.asarray(p_values, dtype=np.float64)
    made = ~np.isnan(values)
    if values.ndim != 1 or not ((values[made] >= 0) & (values[made] <= 1)).all():
        msg = wrong("p_values", "numbers from 0 to 1 in one dimension, or NaN", f"{values.tolist()}")
        raise ValueError(msg)
    return values, made
