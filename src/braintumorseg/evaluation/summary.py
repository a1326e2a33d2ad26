"""The summary of one measure over patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from braintumorseg.evaluation.intervals import bootstrap_interval


@dataclass(frozen=True)
class Summary:
    """One measure over patients: each has one value, over the whole volume, every slice in.

    Attributes:
        measure: The column, such as ``"dice"``.
        patients: Number of patients.
        mean: Mean over patients.
        median: Median over patients.
        lower_quartile: 25th percentile over patients, interpolated linearly.
        upper_quartile: 75th percentile.
        low: Lower end of the 95 % bootstrap interval of the mean (percentile method); NaN for a single patient.
        high: Upper end.
        resamples: Draws of patients behind the interval.
        seed: Seed of the draws.
    """

    measure: str
    patients: int
    mean: float
    median: float
    lower_quartile: float
    upper_quartile: float
    low: float
    high: float
    resamples: int
    seed: int

    def __str__(self) -> str:
        return (
            f"{self.measure}, per patient over whole volumes, every slice in, {count_patients(self.patients)}: "
            f"mean {self.mean:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}, percentile bootstrap of "
            f"{self.resamples} resamples of patients), median {self.median:.3f}, "
            f"quartiles {self.lower_quartile:.3f} and {self.upper_quartile:.3f}"
        )


def summarise(measure: str, values: pd.Series[Any], resamples: int, seed: int) -> Summary:
    """Summarise the values of a measure, one per patient."""
    lower, median, upper = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    low, high = bootstrap_interval(values, resamples=resamples, seed=seed)
    return Summary(measure, len(values), float(values.mean()), median, lower, upper, low, high, resamples, seed)


def count_patients(patients: int) -> str:
    """Return a number of patients for readers."""
    return f"{patients} {'patient' if patients == 1 else 'patients'}"
