"""Numbers as files for readers have them: no more digits than were measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braintumorseg._core.files import replacing

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 6
"""Significant digits in tables: more than any share, distance or probability of this package supports."""


def write_table(
    frame: pd.DataFrame,
    path: Path,
    *,
    overwrite: bool,
    index: bool = False,
    decimals: Mapping[str, int] | None = None,
) -> Path:
    """Write a table as CSV, whole or not at all.

    Numbers have six significant digits; whole ones have all of theirs. Values that are read back to the last digit belong in
    a JSON file.

    Args:
        frame: The table; it stays as it is.
        path: Where to write.
        overwrite: Whether a file there may be replaced.
        index: Whether the index is written as a column.
        decimals: Digits after the point, by column, in place of six significant ones.

    Returns:
        The path.

    Raises:
        DataError: If the file exists and may not be replaced, or can't be written.
    """
    places = decimals or {}
    rounded = frame.copy()
    for number, column in enumerate(frame.columns):
        if frame.dtypes.iloc[number].kind == "f":
            place = places.get(column)
            rounded.isetitem(number, [_round(value, place) for value in frame.iloc[:, number]])
    with replacing(path, overwrite=overwrite) as beside:
        rounded.to_csv(beside, index=index)
    return path


def round_record(record: Any, decimals: Mapping[str, int], key: str = "") -> Any:
    """Return plain data with its floats rounded.

    Args:
        record: Dictionaries, lists and tuples of plain values.
        decimals: Digits after the point, by the key under which a number or a list of them stands. Other numbers stay.
        key: The key of ``record`` itself.
    """
    if isinstance(record, dict):
        return {name: round_record(value, decimals, name) for name, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [round_record(value, decimals, key) for value in record]
    return round(record, decimals[key]) if isinstance(record, float) and key in decimals else record


def _round(value: float, decimals: int | None) -> float:
    if not math.isfinite(value) or float(value).is_integer():
        return float(value)
    return round(float(value), decimals) if decimals is not None else float(f"{value:.{DIGITS}g}")
