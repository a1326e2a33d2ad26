"""A table that lists the files of each study: CSV, or TSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.layouts.found import Found, is_read, left_out, name_sequence
from braintumorseg.study import KNOWN

_OWN = ("patient", "study", "mask")
_EXPECTED = "columns patient, mask, and one for each sequence (flair, t1, t1ce)"


def is_listed(root: Path) -> bool:
    """Tell by the name whether this may be a table of studies."""
    return root.suffix.lower() in (".csv", ".tsv") and not root.is_dir()


def find(path: Path) -> Found:
    """Return the studies that a table lists, one per row; paths are relative to it.

    Columns: ``patient``; ``study``, where a patient has several; one for each sequence, by its name; ``mask``. All others are
    the clinical table. A column of another name is a sequence where all its values are NIfTI files.

    Raises:
        DataError: If it can't be read, lacks a column or a cell, lists a file that is not there, or a study twice.
    """
    table = read_table(path)
    columns = {str(column).strip().lower(): column for column in table.columns}
    files = {name_sequence(str(column)): column for column in table.columns if _holds_files(str(column), table[column])}
    if "patient" not in columns or not any(map(is_read, files)):
        msg = f"{path}: has the columns {', '.join(map(str, table.columns))}; expected {_EXPECTED}"
        raise DataError(msg)
    sequences = {name: column for name, column in files.items() if is_read(name)}
    if len(files) < sum(_holds_files(str(column), table[column]) for column in table.columns):
        msg = f"{path}: has two columns of one sequence; expected one for each of {', '.join(files)}"
        raise DataError(msg)
    cases: dict[str, Case] = {}
    for number, row in enumerate(table.to_dict("records"), 2):
        where = f"{path}: line {number}"
        patient = _cell(row, columns.get("patient"))
        if patient is None:
            msg = f"{where} names no patient; expected a name in the column patient"
            raise DataError(msg)
        name = _cell(row, columns.get("study")) or patient
        if name in cases:
            msg = f"{where}: the study {name} comes twice; tell a patient's studies apart in a column study"
            raise DataError(msg)
        listed = {sequence: _file(where, path, _cell(row, column)) for sequence, column in sequences.items()}
        held = {sequence: file for sequence, file in listed.items() if file is not None}
        if not held:
            msg = f"{where}: {name} has no file; expected one in a column out of {', '.join(sequences)}"
            raise DataError(msg)
        mask = _file(where, path, _cell(row, columns.get("mask")))
        cases[name] = Case(name, patient, sequences=held, mask=mask)
    if not cases:
        msg = f"{path}: lists no study; expected one per row"
        raise DataError(msg)
    own = [columns[name] for name in _OWN if name in columns]
    clinical = table.drop(columns=[*own, *files.values()]).set_axis(pd.Index(list(cases), name="name"))
    ordered = tuple(cases[name] for name in sorted(cases))
    return Found(
        "CSV list", ordered, f"a file in the column mask of {path.name}", clinical, notes=left_out(_left(files))
    )


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or TSV file; names of patients stay texts.

    Raises:
        DataError: If it can't be read.
    """
    texts = dict.fromkeys(("patient", "study", "participant_id", "session_id"), str)
    try:
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        return pd.read_csv(path, sep=separator, dtype=texts, na_values=["n/a"], encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        msg = f"{path}: can't be read ({reason}); expected a table"
        raise DataError(msg) from error


def _left(files: dict[str, Any]) -> list[str]:
    return [name for name in files if not is_read(name)]


def _holds_files(column: str, values: pd.Series[Any]) -> bool:
    """Tell whether a column names the files of a sequence."""
    if column.strip().lower() in _OWN:
        return False
    if name_sequence(column) in KNOWN:
        return True
    named = values.dropna()
    return len(named) > 0 and all(nifti.is_nifti(Path(str(value))) for value in named)


def _cell(row: dict[Any, Any], column: Any) -> str | None:
    value = None if column is None else row[column]
    text = "" if value is None or pd.isna(value) else str(value).strip()
    return text or None


def _file(where: str, path: Path, text: str | None) -> Path | None:
    """Return a listed file, which is there."""
    if text is None:
        return None
    file = path.parent / text
    if not file.exists():
        msg = f"{where}: {file} does not exist; expected a path relative to the table"
        raise DataError(msg)
    return file
