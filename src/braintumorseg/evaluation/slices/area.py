"""How sure an area under the ROC curve over slices is: patients are drawn, as slices of one patient resemble each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braintumorseg.evaluation.intervals import bootstrap_interval

_RESAMPLES = 2_000


def area_interval(table: pd.DataFrame, *, confidence: float, seed: int) -> tuple[float, float]:
    """Return a bootstrap interval of the area under the ROC curve.

    Args:
        table: One row per slice: ``name`` of the patient, ``score``, ``truth``.
        confidence: Share of the draws that the interval holds, above 0 and below 1.
        seed: Of the draws.

    Returns:
        The lower and the upper end. Draws whose slices are all of one kind are left out; NaN where no other is left, and
        for a single patient.

    Raises:
        ValueError: If ``confidence`` is out of its range.
    """
    patient, names = pd.factorize(table["name"], sort=True)
    scores, truth = table["score"].to_numpy(np.float64), table["truth"].to_numpy(np.bool_)
    total = len(names)
    positives, negatives = (np.bincount(patient[kind], minlength=total) for kind in (truth, ~truth))
    # Pairs of a positive slice of one patient (rows) and a negative one of another (columns) in the right order. Each draw
    # only weighs them: sorting the slices of every draw anew would take seconds.
    right = np.stack(
        [
            np.bincount(patient[truth], _count_below(scores[truth], scores[~truth & (patient == other)]), total)
            for other in range(total)
        ],
        axis=1,
    )

    def area(drawn: NDArray[np.float64], *, axis: int) -> Any:
        times = np.apply_along_axis(np.bincount, axis, drawn.astype(np.intp), minlength=total)
        pairs = (times @ positives) * (times @ negatives)
        return np.divide(
            ((times @ right) * times).sum(axis=axis), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0
        )

    return bootstrap_interval(
        np.arange(total), area, confidence=confidence, resamples=_RESAMPLES, seed=seed, nan_policy="omit"
    )


def _count_below(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count for each score the others below it, ties half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / 2
