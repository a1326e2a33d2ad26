"""Slices that say where they lie, as one regular stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from braintumorseg.io.dicom.series import Frame, Series
from braintumorseg.io.grids.orientation import is_usable

_SAME_MM = 0.01  # slices that lie closer are at one place
_SAME = 1e-3  # directions and pixel spacings that differ less are equal
_REGULAR = 0.15  # share of a slice's distance that a slice may lie off its place


@dataclass(frozen=True, eq=False)
class Stack:
    """A regular stack of slices.

    Attributes:
        frames: The slices in the order of their places; ``None`` where one is missing.
        affine: Array ``(4, 4)``: (column, row, slice) to world millimetres, RAS+.
        missing: Which slices are missing, in words; empty if none is.
    """

    frames: tuple[Frame | None, ...]
    affine: NDArray[np.float64]
    missing: str = ""


def stack(series: Series) -> Stack:
    """Sort the slices of a series by their positions.

    Raises:
        ValueError: If they are not parallel slices of one size at regular distances; the message goes on after the series.
    """
    frames = series.frames
    if not frames:
        raise ValueError(series.problem)
    first = frames[0]
    for frame in frames:
        if (frame.rows, frame.columns) != (first.rows, first.columns):
            msg = f"mixes images of {first.rows} x {first.columns} and {frame.rows} x {frame.columns} pixels"
            raise ValueError(msg)
        if not np.allclose(
            frame.row + frame.column + frame.spacing, first.row + first.column + first.spacing, atol=_SAME
        ):
            msg = "mixes images of different orientations or pixel sizes"
            raise ValueError(msg)
    row, column = np.array(first.row), np.array(first.column)
    normal = np.cross(row, column)
    ordered = sorted(frames, key=lambda frame: float(normal @ frame.position))
    depths = np.array([float(normal @ frame.position) for frame in ordered])
    gaps = np.diff(depths)
    if (gaps < _SAME_MM).any():
        count = int((gaps < _SAME_MM).sum())
        msg = f"has {count} {'image' if count == 1 else 'images'} at the place of another; expected one a slice"
        raise ValueError(msg)
    steps = np.rint(gaps / np.median(gaps)).astype(int) if len(gaps) else np.zeros(0, int)
    numbers = np.concatenate([[0], np.cumsum(steps)])
    total = int(numbers[-1]) + 1
    if (steps < 1).any() or total > 2 * len(ordered):
        msg = f"has slices at irregular distances, {gaps.min():.3g} to {gaps.max():.3g} mm; expected one distance"
        raise ValueError(msg)
    start = np.array(ordered[0].position)
    step = normal * first.thickness if total == 1 else (np.array(ordered[-1].position) - start) / (total - 1)
    for frame, number in zip(ordered, numbers, strict=True):
        off = float(np.linalg.norm(start + number * step - frame.position))
        if off > _REGULAR * np.linalg.norm(step):
            msg = f"has a slice {off:.3g} mm off its place; expected slices at one distance, {np.linalg.norm(step):.3g} mm"
            raise ValueError(msg)
    affine = np.eye(4)
    affine[:3, 0] = row * first.spacing[1]
    affine[:3, 1] = column * first.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = start
    affine[:2] *= -1  # DICOM's left and posterior to right and anterior
    if not is_usable(affine):
        msg = "does not place its pixels in the world: directions or spacings are 0, or lie in one plane"
        raise ValueError(msg)
    filled: list[Frame | None] = [None] * total
    for frame, number in zip(ordered, numbers, strict=True):
        filled[number] = frame
    return Stack(tuple(filled), affine, _missing(filled))


def _missing(frames: Sequence[Frame | None]) -> str:
    lacking = list(islice((str(number) for number, frame in enumerate(frames, 1) if frame is None), 6))
    if not lacking:
        return ""
    shown = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
    return f"slices {shown} of {len(frames)} are missing"
