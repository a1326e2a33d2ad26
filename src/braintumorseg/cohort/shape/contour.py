"""The margin of a tumour in one slice: its contour, and what is measured on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from braintumorseg._core.steps import Steps, place, size_of

Points = NDArray[np.float64]


def outer_contour(mask: NDArray[np.bool_], steps: Steps) -> tuple[Points, Points]:
    """Return the outer contour of a slice's largest component, and the component's centroid.

    The contour runs half-way between the centres of voxels inside and outside, and is given by points at even distances, about
    as many as it has pixels of length.

    Args:
        mask: Boolean array ``(height, width)`` with at least one voxel; voxels that touch by a corner belong together.
        steps: Array ``(2, 2)``, steps along (row, column) as columns, in the plane's own coordinates.

    Returns:
        Float64 arrays ``(points, 2)``, in order around the component, and ``(2,)``; in the unit of the steps.
    """
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    largest = labels == np.bincount(labels[mask]).argmax()
    centroid = place(np.argwhere(largest).mean(axis=0), steps)
    lines = find_contours(np.pad(largest, 1).astype(np.float64), 0.5, fully_connected="high")
    # Holes have contours of their own, and shorter ones.
    line = place(max(lines, key=_length) - 1, steps)
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()])
    count = max(round(along[-1] / float(np.sqrt(size_of(steps)))), 8)
    even = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(even, along, line[:, axis]) for axis in (0, 1)], axis=1), centroid


def margin_fluctuation(radii: Points, smoothing: float) -> float:
    """Return the standard deviation of radii minus their running mean over a share of the contour; radii have mean 1."""
    # An odd number of points, so that the running mean has no shift.
    window = 2 * round((smoothing * len(radii) - 1) / 2) + 1
    return float(np.std(radii - ndimage.uniform_filter1d(radii, max(window, 1), mode="wrap")))


def angular_standard_deviation(radii: Points, angles: Points, bins: int, starts: int = 12) -> float:
    """Return the mean, over equal sectors, of the standard deviation of the radii in a sector; radii have mean 1.

    Where sectors start is arbitrary, and the result would turn with the tumour: it is the mean over evenly spread starts.
    """
    turns = angles / (2 * np.pi)
    values = []
    for start in range(starts):
        sector = np.floor((turns * bins + start / starts) % bins).astype(int)
        counts = np.bincount(sector, minlength=bins)
        means = np.bincount(sector, radii, bins) / np.maximum(counts, 1)
        squares = np.bincount(sector, (radii - means[sector]) ** 2, bins) / np.maximum(counts, 1)
        values.append(np.sqrt(squares[counts > 0]).mean())
    return float(np.mean(values))


def polar(contour: Points, centroid: Points) -> tuple[Points, Points]:
    """Return radii from the centroid, scaled to mean 1, and angles."""
    rows, columns = (contour - centroid).T
    radii = np.hypot(rows, columns)
    return radii / radii.mean(), np.arctan2(rows, columns)


def _length(line: Points) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
