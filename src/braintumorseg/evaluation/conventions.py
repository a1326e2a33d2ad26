"""Dice by six conventions: the same masks, six scores.

With the voxels of one slice that are true ``t``, predicted ``p`` and both ``b``, a slice's Dice is ``2 b / (t + p)``. A slice
is *empty* where ``t = p = 0``. A patient's Dice is ``2 sum(b) / (sum(t) + sum(p))`` over all slices, 1 if all are empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braintumorseg.evaluation.intervals import Statistic, bootstrap_interval

Counts = NDArray[np.float64]
HEADLINE = "patient_mean"


def count_conventions(slices: pd.DataFrame, *, resamples: int, seed: int) -> pd.DataFrame:
    """Score the same slices by every convention.

    Args:
        slices: One row a slice: the patient's ``name``, and the numbers of voxels ``true``, ``predicted`` and ``shared``.
        resamples: Draws of patients for the intervals.
        seed: Of the draws.

    Returns:
        One row a convention: ``dice``, ``low`` and ``high`` (95 % bootstrap interval), ``counted`` (the definition) and
        ``headline``. NaN where a convention is left with no slice.
    """
    patients = [
        group[["true", "predicted", "shared"]].to_numpy(np.float64).T for _, group in slices.groupby("name", sort=True)
    ]
    rows = {}
    for key, (counted, per_patient, statistic) in _CONVENTIONS.items():
        values = np.array([per_patient(*counts) for counts in patients])
        low, high = bootstrap_interval(values, statistic, resamples=resamples, seed=seed)
        rows[key] = {
            "dice": float(statistic(values[None], axis=1)[0]),
            "low": low,
            "high": high,
            "counted": counted,
            "headline": key == HEADLINE,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("convention")


# What a patient adds to a convention: (sum of what is averaged, number of things averaged).


def _patient(true: Counts, predicted: Counts, shared: Counts) -> tuple[float, float]:
    whole = (true + predicted).sum()
    return (2 * shared.sum() / whole if whole else 1.0, 1)


def _pooled(true: Counts, predicted: Counts, shared: Counts) -> tuple[float, float]:
    return (2 * shared.sum(), (true + predicted).sum())


def _touched_slices(true: Counts, predicted: Counts, shared: Counts) -> tuple[float, float]:
    kept = true + predicted > 0
    return (float((2 * shared[kept] / (true + predicted)[kept]).sum()), int(kept.sum()))


def _tumour_slices(true: Counts, predicted: Counts, shared: Counts) -> tuple[float, float]:
    kept = true > 0
    return _touched_slices(true[kept], predicted[kept], shared[kept])


def _all_slices(true: Counts, predicted: Counts, shared: Counts) -> tuple[float, float]:
    total, touched = _touched_slices(true, predicted, shared)
    return (total + len(true) - touched, len(true))


def _mean(pairs: Counts, *, axis: int) -> Any:
    total, number = np.moveaxis(pairs.sum(axis=axis), -1, 0)
    return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)


def _mean_or_one(pairs: Counts, *, axis: int) -> Any:
    return np.nan_to_num(_mean(pairs, axis=axis), nan=1.0)


def _median(pairs: Counts, *, axis: int) -> Any:
    return np.median(pairs[..., 0], axis=axis)


_PerPatient = Callable[[Counts, Counts, Counts], tuple[float, float]]
_CONVENTIONS: dict[str, tuple[str, _PerPatient, Statistic]] = {
    "patient_mean": ("mean over patients, whole volumes, every slice in", _patient, _mean),
    "patient_median": ("median over patients, whole volumes, every slice in", _patient, _median),
    "pooled_pixels": ("pixels of all patients pooled into one Dice", _pooled, _mean_or_one),
    "tumour_slices": ("mean over the slices with tumour in the truth, others left out", _tumour_slices, _mean),
    "skip_empty_slices": ("mean over slices, those empty in both masks left out", _touched_slices, _mean),
    "empty_slice_is_one": ("mean over all slices, those empty in both masks counted as 1", _all_slices, _mean),
}
