"""Figures. Colours are safe for colour-blind readers (Okabe and Ito)."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from braintumorseg._core.checks import check_integer, wrong
from braintumorseg._core.files import replacing
from braintumorseg.study import Segmentation, Study

FOUND_COLOUR = "#E69F00"
TRUTH_COLOUR = "#56B4E9"
_RESEARCH_ONLY = "for research, not for diagnosis"


def overlay(study: Study, segmentation: Segmentation, *, max_slices: int = 12) -> Figure:
    """Draw the tumour's outline on the FLAIR, slice by slice.

    The slices that the mask or the truth touches are shown, thinned out evenly to ``max_slices``; where nothing was found
    and nothing is known, evenly spaced slices of the whole volume.

    Args:
        study: The study, on the grid ``(slices, height, width)``; its mask, if it has one, is drawn as the truth.
        segmentation: What was found in it, on the same grid.
        max_slices: How many slices to show at most.

    Returns:
        A matplotlib figure, independent of pyplot: ``figure.savefig("overlay.png")``.

    Raises:
        ValueError: If the two are not on the same grid.

    Examples:
        >>> from braintumorseg import Segmentation, make_study, overlay
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> figure = overlay(study, Segmentation(study.mask))
    """
    check_integer("max_slices", max_slices, 1)
    if study.shape != segmentation.shape:
        msg = wrong("segmentation", f"on the study's grid {study.shape}", f"one of shape {segmentation.shape}")
        raise ValueError(msg)
    chosen = _choose_slices(segmentation.mask if study.mask is None else segmentation.mask | study.mask, max_slices)
    image = study.sequence("flair" if "flair" in study.sequences else study.sequences[0])
    low, high = np.percentile(image, (1, 99.7))

    columns = min(4, len(chosen))
    rows = -(-len(chosen) // columns)
    _, row_mm, column_mm = study.spacing or (1.0, 1.0, 1.0)
    height, width = study.shape[1] * row_mm, study.shape[2] * column_mm
    side = 2.4
    figure = Figure(
        figsize=(columns * side, rows * side * height / width + 0.7), facecolor="black", layout="constrained"
    )
    for axes, index in zip(figure.subplots(rows, columns, squeeze=False).flat, chosen, strict=False):
        axes.imshow(image[index], cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=row_mm / column_mm)
        if study.mask is not None:
            draw_outline(axes, study.mask[index], TRUTH_COLOUR)
        draw_outline(axes, segmentation.mask[index], FOUND_COLOUR)
        axes.set_title(f"slice {index + 1}", color="white", fontsize=8, pad=2)
    for axes in figure.axes:
        axes.set_axis_off()
    lines = [Line2D([], [], color=FOUND_COLOUR, label="found")]
    if study.mask is not None:
        lines.append(Line2D([], [], color=TRUTH_COLOUR, label="truth"))
    figure.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False, labelcolor="white", fontsize=8)
    figure.suptitle(f"{study.name}: tumour on FLAIR ({_RESEARCH_ONLY})", color="white", fontsize=10)
    return figure


def save_overlay(
    study: Study, segmentation: Segmentation, path: str | PathLike[str], *, overwrite: bool = False
) -> Path:
    """Draw ``overlay`` and write it as a picture.

    Args:
        study: The study.
        segmentation: What was found in it.
        path: Where to write; the suffix says the format, such as ``.png``.
        overwrite: Whether a file there may be replaced.

    Returns:
        Where it was written.

    Raises:
        DataError: If the file exists and may not be replaced, or can't be written.
    """
    path = Path(path)
    figure = overlay(study, segmentation)
    with replacing(path, overwrite=overwrite) as beside:
        figure.savefig(beside, dpi=120)
    return path


def _choose_slices(mask: NDArray[np.bool_], count: int) -> list[int]:
    touched = np.flatnonzero(mask.any(axis=(1, 2)))
    if touched.size == 0:
        touched = np.arange(mask.shape[0])
    return [
        int(touched[place])
        for place in np.unique(np.linspace(0, touched.size - 1, min(count, touched.size)).round().astype(int))
    ]


def draw_outline(axes: Any, mask: NDArray[np.bool_], colour: str) -> None:
    """Draw the outline of one slice's mask; nothing where it is empty."""
    if mask.any():
        # A rim of air lets the outline close where the tumour touches the border.
        padded = np.pad(mask, 1).astype(np.float32)
        rows, columns = (np.arange(-1, length + 1) for length in mask.shape)
        axes.contour(columns, rows, padded, levels=[0.5], colors=colour, linewidths=1)
