"""The page of one study: its slices to move through, what was found on them, in figures and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from braintumorseg._core.checks import wrong
from braintumorseg._core.draw import trace
from braintumorseg._core.files import check_free
from braintumorseg._core.page import write_page
from braintumorseg._core.steps import as_steps, in_plane, size_of
from braintumorseg.findings.measuring import measure_findings
from braintumorseg.findings.records import Findings
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.measures import dice
from braintumorseg.report.images import encode_map, encode_slices, find_start, ramp
from braintumorseg.report.panels import (
    describe_lesions,
    describe_measures,
    describe_model,
    describe_quality,
    describe_study,
)
from braintumorseg.study import Classes, Geometry, Segmentation, Study

_LABELS = {"t1": "T1 before contrast", "flair": "FLAIR", "t1ce": "T1 after contrast", "t2": "T2"}
_MAPS = {"probabilities": ("probability", "plasma"), "uncertainty": ("uncertainty", "viridis")}
_TALLEST = 560  # px, of the images on a large screen


def write_report(
    study: Study,
    segmentation: Segmentation,
    path: str | PathLike[str],
    *,
    segmenter: Segmenter | None = None,
    findings: Findings | None = None,
    overwrite: bool = False,
) -> Path:
    """Write one page that shows what was found in a study, and needs no other file and no network.

    It has the slices of every sequence, the outline of the mask (and of the study's own mask, if it has one, as the reader's),
    each of several classes in its colour, maps of probability and uncertainty, the measures, the quality with its reasons, the
    model with its card, and the versions of the software. Slices are shown with losses, in a window of each sequence's own, at
    most 512 pixels wide and high: the page is for looking, not for measuring. The study's name is on it, and nothing else of
    what the files say of a patient.

    Args:
        study: The study.
        segmentation: What was found in it, on the same grid.
        path: Where to write, such as ``"report.html"``.
        segmenter: What found it; its name, settings and card are then on the page.
        findings: What ``measure_findings`` says of the two; measured if not given.
        overwrite: Whether a file there may be replaced.

    Returns:
        The path.

    Raises:
        DataError: If the file exists and may not be replaced, or can't be written.
        ValueError: If study and segmentation are not on the same grid.

    Examples:
        >>> from braintumorseg import Segmentation, make_study, write_report
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> write_report(study, Segmentation(study.mask, geometry=study.geometry), "report.html").name
        'report.html'
    """
    path = Path(path)
    check_free(path, overwrite=overwrite)
    if study.shape != segmentation.shape:
        msg = wrong("segmentation", f"on the study's grid {study.shape}", f"one of shape {segmentation.shape}")
        raise ValueError(msg)
    findings = findings or measure_findings(study, segmentation)
    values = _describe(study, segmentation, findings, segmenter) | _show(study, segmentation, findings)
    return write_page(path, "report/study.html", overwrite=overwrite, **values)


def _describe(
    study: Study, segmentation: Segmentation, findings: Findings, segmenter: Segmenter | None
) -> dict[str, Any]:
    """Return what the page says in words."""
    score = None if study.mask is None else dice(study.mask, segmentation.mask)
    card = None if segmenter is None else segmenter.card
    return {
        "name": findings.name,
        "measures": describe_measures(findings, score),
        "quality": findings.quality,
        "quality_facts": describe_quality(findings.quality),
        "variants": {name: f"{value:.3f}" for name, value in (segmentation.agreement or {}).items()},
        "lesions": describe_lesions(findings),
        # A doubt is a flag of the quality already, in the panel beside the notes.
        "notes": [note for note in findings.notes if note not in segmentation.doubts.values()],
        "study": describe_study(study),
        "model": None if segmenter is None else describe_model(segmenter, segmentation),
        "measured": [] if card is None else [str(score) for score in card.scores],
    }


def _show(study: Study, segmentation: Segmentation, findings: Findings) -> dict[str, Any]:
    """Return what the page shows: the images, and the controls that choose among them."""
    slices, rows, columns = study.shape
    _, row_mm, column_mm = study.spacing or (1.0, 1.0, 1.0)
    height, width = rows * row_mm, columns * column_mm
    start = find_start(segmentation.mask)
    pictures = dict(zip(study.sequences, encode_slices(study.volume), strict=True))
    sequence = "flair" if "flair" in study.sequences else study.sequences[0]
    areas = np.count_nonzero(segmentation.mask, axis=(1, 2))
    in_mm = study.spacing is not None
    pixel = size_of(in_plane(as_steps(study.steps, 3)))
    texts = [f"{area * pixel:.0f} mm²" if in_mm else f"{area} voxels" for area in areas]
    maps = _maps(segmentation)
    return {
        "viewer": {
            "width": f"{min(_TALLEST, _TALLEST * width / height):.0f}",
            "aspect": f"{width:.6g} / {height:.6g}",
            "alt": f"{_LABELS.get(sequence, sequence)}, slice {start + 1} of {slices}, tumour area {texts[start]}",
            "first": pictures[sequence][start],
            "rows": rows,
            "columns": columns,
            "slices": slices,
            "start": start + 1,
        },
        "sides": _sides(study.geometry),
        "sequence": sequence,
        "sequences": {name: _LABELS.get(name, name) for name in study.sequences},
        "toggles": _toggles(study, findings, maps),
        "classes": [{"name": each.name, "color": each.color} for each in _shown_classes(segmentation)],
        # The script counts slices from 0, as arrays do; readers meet them from 1.
        "data": {
            "start": start,
            "images": pictures,
            "areas": areas.tolist(),
            "areaTexts": texts,
            "found": trace(segmentation.mask),
            "truth": [""] * slices if study.mask is None else trace(study.mask),
            "classes": [
                {"color": each.color, "paths": trace(segmentation.labels == each.value)}
                for each in _shown_classes(segmentation)
            ],
            "maps": maps,
            "diameters": _diameters(findings),
        },
    }


def _shown_classes(segmentation: Segmentation) -> Classes:
    """Return the classes that are drawn each by itself; none if there is one class, which the outline of the mask shows."""
    return segmentation.classes if len(segmentation.classes) > 1 else ()


def _maps(segmentation: Segmentation) -> dict[str, Any]:
    """Return the maps that there are, by the name of what they show."""
    found = {}
    for name, (label, colours) in _MAPS.items():
        shares = getattr(segmentation, name)
        if shares is not None:
            found[name] = {"label": label, "ramp": ramp(colours), "images": encode_map(shares, colours)}
    return found


def _diameters(findings: Findings) -> dict[str, Any] | None:
    if findings.tumour is None:
        return None
    found = findings.tumour.diameters
    lines = [
        [round(value, 2) for end in ends for value in end] for ends in (found.longest_ends, found.perpendicular_ends)
    ]
    return {"slice": found.slice, "lines": lines}


def _sides(geometry: Geometry | None) -> list[tuple[str, str]]:
    """Say which side of the patient each side of the image is, where the columns run so and the file says it.

    The image's left is called ``"a"``, its right ``"b"``.
    """
    if geometry is None:
        return []
    step = geometry.affine[:3, 2]
    if np.abs(step).argmax() != 0:
        return []
    return [("a", "left"), ("b", "right")] if step[0] > 0 else [("a", "right"), ("b", "left")]


@dataclass(frozen=True)
class _Toggle:
    """A box that shows or hides something; ``mark`` is its line on the image, ``None`` for a map."""

    name: str
    label: str
    key: str
    spoken: str
    mark: str | None = None
    checked: bool = False


def _toggles(study: Study, findings: Findings, maps: Iterable[str]) -> list[_Toggle]:
    boxes = [_Toggle("mask", "Mask outline", "M", "the outline", "found", checked=True)]
    if study.mask is not None:
        boxes.append(_Toggle("truth", "Reader's outline", "T", "the reader's", "truth", checked=True))
    if findings.tumour is not None:
        boxes.append(_Toggle("diameters", "Diameters", "D", "the diameters", "across"))
    for name in maps:
        label, _ = _MAPS[name]
        boxes.append(_Toggle(name, label.capitalize(), name[0].upper(), f"the {label}"))
    return boxes
