"""The page of a batch: one row a study, to be sorted, each with a thumbnail and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote

from braintumorseg._core.draw import find_window, thumbnail
from braintumorseg._core.files import check_free
from braintumorseg._core.page import write_page
from braintumorseg.findings.measuring import measure_findings
from braintumorseg.findings.records import Findings
from braintumorseg.report.images import find_start
from braintumorseg.report.panels import describe_size
from braintumorseg.study import Segmentation, Study


@dataclass(frozen=True)
class IndexEntry:
    """One row of a batch: small, so that no study need stay in memory.

    Attributes:
        findings: What was found.
        report: Where its report is, relative to the index; ``None`` where there is none.
        thumbnail: The slice with the largest area, with the outline on it, as a data URI.
    """

    findings: Findings
    report: str | None
    thumbnail: str

    @classmethod
    def of(
        cls,
        study: Study,
        segmentation: Segmentation,
        *,
        report: str | None = None,
        findings: Findings | None = None,
    ) -> IndexEntry:
        """Make the row of a study.

        Args:
            study: The study.
            segmentation: What was found in it, on the same grid.
            report: Where its report is, relative to the index.
            findings: What ``measure_findings`` says of the two; measured if not given.
        """
        image = study.sequence("flair" if "flair" in study.sequences else study.sequences[0])
        start = find_start(segmentation.mask)
        _, row, column = study.spacing or (1.0, 1.0, 1.0)
        picture = thumbnail(image[start], segmentation.mask[start], find_window(image), row / column)
        return cls(findings or measure_findings(study, segmentation), report, picture)


def write_index(
    entries: Sequence[IndexEntry], path: str | PathLike[str], *, title: str = "Tumours found", overwrite: bool = False
) -> Path:
    """Write the page of a batch, which needs no other file but the reports that it leads to, and no network.

    Args:
        entries: One a study; the page first shows those of the lowest quality.
        path: Where to write, such as ``"index.html"``.
        title: What to call the batch.
        overwrite: Whether a file there may be replaced.

    Returns:
        The path.

    Raises:
        DataError: If the file exists and may not be replaced, or can't be written.

    Examples:
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.report import IndexEntry, write_index
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> write_index([IndexEntry.of(study, Segmentation(study.mask))], "index.html").name
        'index.html'
    """
    path = Path(path)
    check_free(path, overwrite=overwrite)
    shown = sorted(entries, key=lambda each: (each.findings.quality.score, each.findings.name))
    return write_page(
        path,
        "report/index.html",
        overwrite=overwrite,
        title=title,
        checks=sum(each.findings.quality.level == "check" for each in shown),
        columns=_COLUMNS,
        rows=[_row(each) for each in shown],
    )


# Title, and whether numbers are sorted.
_COLUMNS = (
    ("Study", False),
    ("Size", True),
    ("Slices", True),
    ("Pieces", True),
    ("Longest diameter", True),
    ("Side", False),
    ("Quality", True),
    ("Flags", True),
)


def _row(entry: IndexEntry) -> dict[str, Any]:
    """Return what a row shows; each cell has its title, its content, and the value by which it is sorted."""
    found, quality = entry.findings, entry.findings.quality
    whole = found.tumour
    size = 0.0 if whole is None else whole.voxels if whole.volume_ml is None else whole.volume_ml
    longest = None if whole is None else whole.diameters
    cells = (
        (describe_size(whole), size),
        (whole.slices if whole else 0, whole.slices if whole else 0),
        (len(found.lesions), len(found.lesions)),
        ("-" if longest is None else f"{longest.longest:.1f} {longest.unit}", longest.longest if longest else ""),
        (found.hemisphere or "-", found.hemisphere or ""),
        (f"{quality.score:.3f}", quality.score),
        ([flag.text for flag in quality.flags], len(quality.flags)),
    )
    return {
        "name": found.name,
        "report": None if entry.report is None else quote(entry.report),
        "thumbnail": entry.thumbnail,
        "level": quality.level,
        "cells": [(title, *cell) for (title, _), cell in zip(_COLUMNS[1:], cells, strict=True)],
    }
