"""The table beside a label map in NIfTI, which says what its values mean: ``<name>_labels.tsv``, as BIDS has it.

BIDS: "Derivatives: imaging", common image-derived labels; the columns ``index``, ``name`` and ``color``.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from braintumorseg._core.checks import DataError
from braintumorseg.io.names import stem
from braintumorseg.study import Classes, TumorClass, as_classes

_COLUMNS = ("index", "name", "color")
_LARGEST = 1 << 16  # bytes; 255 classes take a quarter of it


def table_beside(path: Path) -> Path:
    """Return where the table of a label map lies."""
    return path.with_name(f"{stem(path)}_labels.tsv")


def compose_table(classes: Classes) -> str:
    """Return the table's text."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((each.value, each.name, each.color) for each in classes)
    return text.getvalue()


def read_table(path: Path) -> Classes:
    """Read the table of a label map.

    Raises:
        DataError: If it can't be read, or is no such table.
    """
    try:
        if path.stat().st_size > _LARGEST:
            msg = f"{path}: expected a table of labels of at most {_LARGEST} bytes"
            raise DataError(msg)
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), delimiter="\t"))
        return as_classes(
            [TumorClass(row["name"], int(row["index"]), (row.get("color") or TumorClass.color).lower()) for row in rows]
        )
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror or error})"
        raise DataError(msg) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # of other columns, or of values that none has
        msg = f"{path}: is no table of labels with the columns {', '.join(_COLUMNS)} ({error})"
        raise DataError(msg) from error


def file_part(name: str) -> str:
    """Return the name of a class as a part of file names."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "class"
