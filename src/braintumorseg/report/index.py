"""The page of a batch: one row a study, to be sorted, each with a thumbnail and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from urllib.parse import quote

from braintumorseg._core.files import check_free, replacing
from braintumorseg.findings.findings import Findings, measure_findings
from braintumorseg.report.images import find_start, find_window, thumbnail
from braintumorseg.report.panels import describe_size
from braintumorseg.report.template import GENERATOR, RESEARCH, describe_versions, load, render
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
    rows = sorted(entries, key=lambda each: (each.findings.quality.score, each.findings.name))
    checks = sum(each.findings.quality.level == "check" for each in rows)
    page = render(
        "index.html",
        {
            "generator": escape(GENERATOR),
            "title": escape(title),
            "style": load("style.css") + load("index.css"),
            "script": load("index.js"),
            "research": escape(RESEARCH),
            "count": f"{len(rows)} {'study' if len(rows) == 1 else 'studies'}, {checks} to look at twice",
            "head": "\n".join(_head(place, *column) for place, column in enumerate(_COLUMNS)),
            "rows": "\n".join(_row(each) for each in rows),
            "versions": escape(describe_versions()),
        },
    )
    with replacing(path, overwrite=overwrite) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


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


def _head(place: int, title: str, numbers: bool) -> str:
    # The order that the rows are written in: by quality, the lowest first.
    order = ' aria-sort="ascending"' if title == "Quality" else ""
    kind = "number" if numbers else "text"
    return (
        f'<th scope="col"{order}><button type="button" data-column="{place}" data-kind="{kind}">{title}</button></th>'
    )


def _row(entry: IndexEntry) -> str:
    found, quality = entry.findings, entry.findings.quality
    name = escape(found.name)
    link = name if entry.report is None else f'<a href="{escape(quote(entry.report))}">{name}</a>'
    whole = found.tumour
    size = 0.0 if whole is None else whole.voxels if whole.volume_ml is None else whole.volume_ml
    longest = None if whole is None else whole.diameters
    flags = "<br>".join(escape(flag.text) for flag in quality.flags) or "none"
    says = "good" if quality.level == "good" else "look twice"
    cells = [
        (describe_size(whole), size),
        (str(whole.slices if whole else 0), whole.slices if whole else 0),
        (str(len(found.lesions)), len(found.lesions)),
        ("-" if longest is None else f"{longest.longest:.1f} {longest.unit}", longest.longest if longest else ""),
        (found.hemisphere or "-", found.hemisphere or ""),
        (f'<span class="badge {quality.level}">{says}</span> {quality.score:.3f}', quality.score),
        (flags, len(quality.flags)),
    ]
    labels = [title for title, _ in _COLUMNS[1:]]
    rest = "".join(
        f'<td data-value="{value}" data-label="{label}">{text}</td>'
        for label, (text, value) in zip(labels, cells, strict=True)
    )
    picture = f'<img src="{entry.thumbnail}" alt="" loading="lazy">'
    return f'<tr><th scope="row" data-value="{name}"><div>{picture}<span>{link}</span></div></th>{rest}</tr>'
