"""Figures of one study. Colours are safe for colour-blind readers (Okabe and Ito)."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from braintumorseg._core.checks import check_integer, wrong
from braintumorseg._core.draw import FOUND_COLOUR, TRUTH_COLOUR, Panel, find_window, montage, save_figure
from braintumorseg.study import Segmentation, Study

_RESEARCH_ONLY = "for research, not for diagnosis"


def overlay(study: Study, segmentation: Segmentation, *, max_slices: int = 12) -> Figure:
    """Draw the tumour's outline on the FLAIR, slice by slice.

    The slices that the mask or the truth touches are shown, thinned out evenly to ``max_slices``; where nothing was found
    and nothing is known, evenly spaced slices of the whole volume.

    Args:
        study: The study, on the grid ``(slices, height, width)``; its mask, if it has one, is drawn as the truth.
        segmentation: What was found in it, on the same grid; several classes are outlined each in its own colour.
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
    sequence = "flair" if "flair" in study.sequences else study.sequences[0]
    image = study.sequence(sequence)
    window = find_window(image)
    _, row_mm, column_mm = study.spacing or (1.0, 1.0, 1.0)
    truth = {} if study.mask is None else {"truth": (study.mask, TRUTH_COLOUR)}
    found = {"found": (segmentation.mask, FOUND_COLOUR)}
    if len(segmentation.classes) > 1:
        found = {each.name: (segmentation.labels == each.value, each.color) for each in segmentation.classes}
    outlines = {**truth, **found}
    panels = [
        Panel(
            image[index],
            window,
            [(mask[index], colour) for mask, colour in outlines.values()],
            title=f"slice {index + 1}",
            aspect=row_mm / column_mm,
        )
        for index in chosen
    ]
    key = {name: colour for name, (_, colour) in {**found, **truth}.items()}
    shown = "FLAIR" if sequence == "flair" else sequence
    return montage(panels, key=key, title=f"{study.name}: tumour on {shown} ({_RESEARCH_ONLY})")


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
    save_figure(overlay(study, segmentation), path, overwrite=overwrite)
    return path


def _choose_slices(mask: NDArray[np.bool_], count: int) -> list[int]:
    touched = np.flatnonzero(mask.any(axis=(1, 2)))
    if touched.size == 0:
        touched = np.arange(mask.shape[0])
    return [
        int(touched[place])
        for place in np.unique(np.linspace(0, touched.size - 1, min(count, touched.size)).round().astype(int))
    ]
