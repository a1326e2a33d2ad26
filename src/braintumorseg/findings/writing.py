"""Findings as files, for tables and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from braintumorseg._core.checks import wrong
from braintumorseg._core.files import check_free, replacing
from braintumorseg._core.tables import round_record, write_table
from braintumorseg.findings.records import Findings

# Digits after the point. A voxel is seldom below 0.5 mm or 0.001 mL; the score is compared to two or three digits.
_DECIMALS = {
    "volume_ml": 3,
    "largest_area_mm2": 1,
    **dict.fromkeys(("spacing", "left_share", "quality", "score", "agreement", "certainty"), 4),
    **dict.fromkeys(("centroid", "centroid_mm", "centroid_x_mm", "centroid_y_mm", "centroid_z_mm", "box_mm"), 2),
    **dict.fromkeys(("longest", "perpendicular", "longest_ends", "perpendicular_ends", "distance"), 2),
    **dict.fromkeys(("longest_diameter", "perpendicular_diameter"), 2),
}


def write_findings(
    findings: Findings | Sequence[Findings], path: str | PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write findings for programs and for tables.

    A ``.csv`` file has one row per study, as :meth:`Findings.to_row` gives it: its columns ``..._number`` count slices, rows
    and columns from 1, as the pages do. A ``.json`` file holds everything, as :meth:`Findings.to_dict` gives it: its indices
    count from 0, as arrays do, and it says so under ``first_index``.

    Numbers are rounded: lengths and places to 0.01 mm (or voxels), areas to 0.1 mm², volumes to 0.001 mL, shares and scores
    to four decimals.

    Args:
        findings: Those of one study, or of many.
        path: Where to write, ``.json`` or ``.csv``; many studies are a list in JSON.
        overwrite: Whether a file there may be replaced.

    Returns:
        The path.

    Raises:
        DataError: If the file exists and may not be replaced, or can't be written.
        ValueError: If the path ends otherwise.

    Examples:
        >>> from braintumorseg import Segmentation, make_study, measure_findings
        >>> from braintumorseg.findings import write_findings
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> findings = measure_findings(study, Segmentation(study.mask, geometry=study.geometry))
        >>> write_findings(findings, "measures.json").name
        'measures.json'
    """
    path = Path(path)
    if path.suffix not in (".json", ".csv"):
        msg = wrong("path", "a name that ends in .json or .csv", str(path))
        raise ValueError(msg)
    check_free(path, overwrite=overwrite)
    many = [findings] if isinstance(findings, Findings) else list(findings)
    if path.suffix == ".csv":
        table = pd.DataFrame([each.to_row() for each in many])
        whole = [
            name for name in map(str, table) if name.endswith("_number")
        ]  # whole numbers, also where one is missing
        decimals = _DECIMALS | {
            name: _DECIMALS["volume_ml"] for name in map(str, table) if name.startswith("volume_ml of ")
        }
        return write_table(table.astype(dict.fromkeys(whole, "Int64")), path, overwrite=overwrite, decimals=decimals)
    records = [{"first_index": 0, **round_record(each.to_dict(), _DECIMALS)} for each in many]
    with replacing(path, overwrite=overwrite) as beside:
        record = records[0] if isinstance(findings, Findings) else records
        beside.write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
    return path
