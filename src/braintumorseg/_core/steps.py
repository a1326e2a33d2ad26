"""The size of a voxel, and the steps from one to the next, also where axes are not perpendicular.

A spacing is one length per axis, or a matrix whose columns are the axes' steps in mm. The matrix is for sheared grids, such
as the stack of a tilted scan: there the product of the lengths is larger than the voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong

SpacingLike = Sequence[float] | NDArray[np.float64]
Steps = NDArray[np.float64]

_FLAT = 1e-6  # share of the product of the lengths below which a voxel has no volume


def as_steps(spacing: SpacingLike | None, rank: int) -> Steps:
    """Return the steps along ``rank`` axes as the columns of a matrix ``(rank, rank)``; of length 1 for ``None``.

    Raises:
        ValueError: If it is neither one finite length above 0 for each axis, nor a matrix of that many independent steps.
    """
    if spacing is None:
        return np.eye(rank)
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.shape == (rank,) and (np.isfinite(steps) & (steps > 0)).all():
        return np.diag(steps)
    if steps.shape == (rank, rank) and np.isfinite(steps).all():
        lengths = np.linalg.norm(steps, axis=0)
        if abs(np.linalg.det(steps)) > _FLAT * lengths.prod():
            return steps
    allowed = f"{rank} lengths in mm above 0, one for each axis of the masks; {rank} independent steps, or None"
    msg = wrong("spacing", allowed, spacing)
    raise ValueError(msg)


def is_straight(steps: Steps) -> bool:
    """Tell whether each step is along its own axis, as it is where lengths were given."""
    return not np.any(steps - np.diag(np.diagonal(steps)))


def lengths_of(steps: Steps) -> NDArray[np.float64]:
    """Return the length of each step, ``(rank,)``."""
    return np.abs(np.diagonal(steps)) if is_straight(steps) else np.linalg.norm(steps, axis=0)


def size_of(steps: Steps) -> float:
    """Return the volume of a voxel, or the area of a pixel: the determinant."""
    # A product of lengths is exact to the last bit; a determinant is not.
    return float(np.prod(lengths_of(steps))) if is_straight(steps) else float(abs(np.linalg.det(steps)))


def in_plane(steps: Steps) -> Steps:
    """Return the steps along row and column, of those along (slice, row, column), in the plane's own coordinates ``(2, 2)``."""
    if is_straight(steps):
        return np.diag(lengths_of(steps)[1:])
    row, column = steps[:, 1], steps[:, 2]
    height = float(np.linalg.norm(row))
    along = float(row @ column) / height
    across = float(np.sqrt(max(float(column @ column) - along**2, 0.0)))
    return np.array([[height, along], [0.0, across]])


def place(indices: NDArray[Any], steps: Steps) -> NDArray[np.float64]:
    """Return where indices ``(points, rank)`` lie, in mm from index 0."""
    if is_straight(steps):
        return np.asarray(indices * np.abs(np.diagonal(steps)), np.float64)
    return np.asarray(indices @ steps.T, np.float64)
