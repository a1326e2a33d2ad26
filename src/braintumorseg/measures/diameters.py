"""How far a tumour reaches in the plane of its slices: the longest diameter, and the longest across it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import pdist, squareform

from braintumorseg._core.checks import wrong
from braintumorseg._core.optional import lazy
from braintumorseg._core.steps import SpacingLike, as_steps, in_plane, place
from braintumorseg.measures._masks import as_mask

_contours = lazy("skimage.measure")

Point = tuple[float, float]

_PLACES = 512  # along the longest diameter, at which its perpendicular is sought
_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Diameters:
    """The two diameters that RECIST and RANO ask for, both in one slice.

    Attributes:
        longest: The longest diameter in the plane of a slice.
        perpendicular: The longest one at a right angle to it, in the same slice.
        unit: ``"mm"``, or ``"voxels"`` where the spacing is unknown.
        slice: Index of the slice, from 0.
        longest_ends: Row and column of both ends of the longest, in voxels; a voxel's centre is at whole numbers.
        perpendicular_ends: The same of the perpendicular one.
    """

    longest: float
    perpendicular: float
    unit: Literal["mm", "voxels"]
    slice: int
    longest_ends: tuple[Point, Point]
    perpendicular_ends: tuple[Point, Point]


def in_plane_diameters(mask: NDArray[Any], spacing: SpacingLike | None = None) -> Diameters | None:
    """Measure the longest diameter in the plane of the slices, and the longest one at a right angle to it.

    Every connected region of every slice (pixels that share a face, an edge or a corner) has a longest diameter; the longest
    of all counts, as in RECIST 1.1 (Eisenhauer et al., European Journal of Cancer 45, 2009) and RANO (Wen et al., Journal of
    Clinical Oncology 28, 2010). Ends lie on the outline through the middle of the faces of border voxels, so that a disc of
    radius r measures 2 r and one voxel measures 1. A diameter may leave a bent region between its ends, as one drawn with
    callipers does.

    Args:
        mask: Boolean array (or 0 and 1), ``(slices, height, width)``.
        spacing: Voxel size in mm along (slice, row, column), or the steps of a sheared grid (``Study.steps``); with ``None``
            lengths are in voxels.

    Returns:
        Both diameters; ``None`` where the mask is empty.

    Raises:
        ValueError: If the mask has another rank or other values, or the spacing does not fit it.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import in_plane_diameters
        >>> mask = np.zeros((3, 16, 32))
        >>> mask[1, 6:9, 4:24] = 1
        >>> diameters = in_plane_diameters(mask, spacing=(5, 2, 1))
        >>> round(diameters.longest, 1), round(diameters.perpendicular, 1), diameters.slice
        (20.4, 6.1, 1)
    """
    mask = as_mask("mask", mask)
    if mask.ndim != 3:
        msg = wrong("mask", "an array (slices, height, width)", f"shape {mask.shape}")
        raise ValueError(msg)
    steps = in_plane(as_steps(spacing, 3))
    best = 0.0
    found: tuple[int, NDArray[np.float64], NDArray[np.float64], tuple[int, int]] | None = None
    for index in map(int, np.flatnonzero(mask.any(axis=(1, 2)))):
        labels, _ = ndimage.label(mask[index], _NEIGHBOURS)
        for label, box in enumerate(ndimage.find_objects(labels), 1):
            if _diagonal(labels[box].shape, steps) <= best:  # no region is longer than its box
                continue
            outline = place(_outline(labels[box] == label), steps)
            distances = squareform(pdist(outline))
            if distances.max() > best:
                best = float(distances.max())
                ends = np.array(np.unravel_index(distances.argmax(), distances.shape))
                found = index, outline, outline[ends], (box[0].start, box[1].start)
    if found is None:
        return None
    index, outline, ends_of_longest, corner = found
    across = _longest_across(outline, ends_of_longest)
    first, second = (
        (place(ends, np.asarray(np.linalg.inv(steps), np.float64)) + corner).tolist()
        for ends in (ends_of_longest, across)
    )
    return Diameters(
        longest=best,
        perpendicular=float(np.linalg.norm(across[1] - across[0])),
        unit="voxels" if spacing is None else "mm",
        slice=index,
        longest_ends=((first[0][0], first[0][1]), (first[1][0], first[1][1])),
        perpendicular_ends=((second[0][0], second[0][1]), (second[1][0], second[1][1])),
    )


def _diagonal(shape: tuple[int, ...], steps: NDArray[np.float64]) -> float:
    """Return the longer diagonal of a box of pixels."""
    corners = place(np.array([[shape[0], shape[1]], [shape[0], -shape[1]]]), steps)
    return float(np.hypot(*corners.T).max())


def _outline(region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the outer outline of one region, ``(points, 2)``, closed: the first point is the last."""
    padded = np.pad(ndimage.binary_fill_holes(region), 1).astype(np.float32)
    (outline,) = _contours.find_contours(padded, 0.5, fully_connected="high")
    return np.asarray(outline - 1)


def _longest_across(outline: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ends of the longest line across an outline at a right angle to the line between ``ends``."""
    start, along = ends[0], ends[1] - ends[0]
    length = float(np.linalg.norm(along))
    along = along / length
    across = np.array([-along[1], along[0]])
    u, v = (outline - start) @ along, (outline - start) @ across
    # Where the outline crosses each place along the diameter: its edges are straight.
    places = (np.arange(_PLACES) + 0.5) / _PLACES * length
    low, high = np.minimum(u[:-1], u[1:]), np.maximum(u[:-1], u[1:])
    crossing = (places[:, None] >= low) & (places[:, None] < high)
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = v[:-1] + (places[:, None] - u[:-1]) / (u[1:] - u[:-1]) * (v[1:] - v[:-1])
    top = np.where(crossing, heights, -np.inf).max(axis=1)
    bottom = np.where(crossing, heights, np.inf).min(axis=1)
    widest = int(np.argmax(top - bottom))
    return np.stack([start + places[widest] * along + height * across for height in (bottom[widest], top[widest])])
