"""The page of one study: its slices to move through, what was found on them, in figures and in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from braintumorseg._core.checks import wrong
from braintumorseg._core.files import check_free, replacing
from braintumorseg.findings.findings import Findings, measure_findings
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.measures import dice
from braintumorseg.report.images import encode_map, encode_slices, find_start, ramp, trace
from braintumorseg.report.panels import draw_found, draw_made
from braintumorseg.report.template import GENERATOR, RESEARCH, as_json, describe_versions, load, render
from braintumorseg.study import Geometry, Segmentation, Study

_LABELS = {"t1": "T1 before contrast", "flair": "FLAIR", "t1ce": "T1 after contrast"}
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
    maps of probability and uncertainty, the measures, the quality with its reasons, the model with its card, and the versions
    of the software. Slices are shown with losses, in a window of each sequence's own, at most 512 pixels wide and high: the
    page is for looking, not for measuring. The study's name is on it, and nothing else of what the files say of a patient.

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
    page = _page(study, segmentation, findings or measure_findings(study, segmentation), segmenter)
    with replacing(path, overwrite=overwrite) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def _page(study: Study, segmentation: Segmentation, findings: Findings, segmenter: Segmenter | None) -> str:
    slices, rows, columns = study.shape
    _, row_mm, column_mm = study.spacing or (1.0, 1.0, 1.0)
    height, width = rows * row_mm, columns * column_mm
    start = find_start(segmentation.mask)
    pictures = dict(zip(study.sequences, encode_slices(study.volume), strict=True))
    sequence = "flair" if "flair" in study.sequences else study.sequences[0]
    areas = np.count_nonzero(segmentation.mask, axis=(1, 2))
    in_mm = study.spacing is not None
    texts = [f"{area * row_mm * column_mm:.0f} mm²" if in_mm else f"{area} voxels" for area in areas]
    maps = _maps(segmentation)
    score = None if study.mask is None else dice(study.mask, segmentation.mask)
    data = {
        "start": start,
        "images": pictures,
        "areas": areas.tolist(),
        "areaTexts": texts,
        "found": trace(segmentation.mask),
        "truth": [""] * slices if study.mask is None else trace(study.mask),
        "maps": maps,
        "diameters": _diameters(findings),
    }
    return render(
        "study.html",
        {
            "generator": escape(GENERATOR),
            "name": escape(findings.name),
            "style": load("style.css") + load("study.css"),
            "script": load("study.js"),
            "research": escape(RESEARCH),
            "width": f"{min(_TALLEST, _TALLEST * width / height):.0f}",
            "aspect": f"{width:.6g} / {height:.6g}",
            "alt": escape(f"{_LABELS[sequence]}, slice {start + 1} of {slices}, tumour area {texts[start]}"),
            "first": pictures[sequence][start],
            "rows": str(rows),
            "columns": str(columns),
            "slices": str(slices),
            "start": str(start + 1),
            "sides": _sides(study.geometry),
            "choices": "\n".join(_choice(name, name == sequence) for name in study.sequences),
            "toggles": "\n".join(_toggles(study, findings, list(maps))),
            "keys": _keys(study, findings, list(maps)),
            "found": draw_found(segmentation, findings, score),
            "made": draw_made(study, segmentation, segmenter),
            "versions": escape(describe_versions()),
            "data": as_json(data),
        },
    )


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


def _sides(geometry: Geometry | None) -> str:
    """Say which side of the image is the patient's right, where the columns run so and the file says it."""
    if geometry is None:
        return ""
    step = geometry.affine[:3, 2]
    if np.abs(step).argmax() != 0:
        return ""
    left, right = ("L", "R") if step[0] > 0 else ("R", "L")
    spoken = {"L": "patient's left", "R": "patient's right"}
    return "".join(
        f'<span class="side {place}" title="{spoken[side]}">{side}</span>'
        for place, side in (("a", left), ("b", right))
    )


def _choice(name: str, chosen: bool) -> str:
    checked = " checked" if chosen else ""
    label = _LABELS[name]
    return (
        f'<label class="choice"><input type="radio" name="sequence" value="{name}" data-label="{label}"{checked}>'
        f"{label}</label>"
    )


def _toggles(study: Study, findings: Findings, maps: Sequence[str]) -> list[str]:
    boxes = [_toggle("mask", "Mask outline", "found", checked=True)]
    if study.mask is not None:
        boxes.append(_toggle("truth", "Reader's outline", "truth", checked=True))
    if findings.tumour is not None:
        boxes.append(_toggle("diameters", "Diameters", "across", checked=False))
    boxes += [_toggle(name, _MAPS[name][0].capitalize(), None, checked=False) for name in maps]
    return boxes


def _keys(study: Study, findings: Findings, maps: Sequence[str]) -> str:
    """Say which keys do what while the image has the focus."""
    letters = {"M": "the outline"}
    letters |= {} if study.mask is None else {"T": "the reader's"}
    letters |= {} if findings.tumour is None else {"D": "the diameters"}
    letters |= {name[0].upper(): f"the {_MAPS[name][0]}" for name in maps}
    numbers = " ".join(f"<kbd>{place}</kbd>" for place, _ in enumerate(study.sequences, 1))
    shown = ", ".join(f"<kbd>{key}</kbd> for {escape(text)}" for key, text in letters.items())
    return (
        "Drag across the image, or focus it and press <kbd>←</kbd> <kbd>→</kbd> <kbd>Home</kbd> <kbd>End</kbd> for slices, "
        f"{numbers} for sequences, {shown}."
    )


def _toggle(name: str, label: str, key: str | None, *, checked: bool) -> str:
    kind = f'<span class="key {key}" aria-hidden="true"></span>' if key else ""
    attributes = (" checked" if checked else "") + ("" if key else " data-map")
    return f'<label class="choice"><input type="checkbox" id="show-{name}"{attributes}>{kind}{escape(label)}</label>'
