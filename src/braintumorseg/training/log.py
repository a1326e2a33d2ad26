"""The log of a run: one row per round, as ``log.csv`` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

LOG_FILE = "log.csv"
COLUMNS = ("step", "loss", "learning_rate", "val_patient_dice", "val_patient_dice_median")
"""Columns of every log; each other column is the Dice of the validation patient of that name."""


def log_table(log: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the log as a table: one row per round, ``COLUMNS`` and one column per validation patient."""
    flat = [
        {**{key: value for key, value in line.items() if key != "patients"}, **line.get("patients", {})} for line in log
    ]
    patients = sorted({name for line in log for name in line.get("patients", {})})
    return pd.DataFrame(flat, columns=[*COLUMNS, *patients])


def patient_columns(table: pd.DataFrame) -> list[str]:
    """Name the columns of a log that hold the Dice of a validation patient, wherever they stand."""
    return [str(name) for name in table.columns if name not in COLUMNS]
