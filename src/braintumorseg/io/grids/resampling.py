"""One sequence brought onto another's grid, through the world."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.optional import lazy
from braintumorseg.study import Geometry

_ndimage = lazy("scipy.ndimage")

# A voxel's centre may lie half a voxel outside of the outermost centres: the source's own voxels reach so far.
_RIM = 0.5
# How far two grids may lie apart and be one, in voxels: what float32 headers round.
_SAME = 1e-3


def resample(
    array: NDArray[np.float32], source: Geometry, target: Geometry
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bring an array from one grid onto another.

    Linear interpolation, which neither overshoots at the skull nor invents values. Where the target's voxels are larger than
    the source's, each is the mean of several samples along its own axes, as a thick slice is the mean over its thickness; a
    single sample would skip most of the source, and a blur of the source along its own axes would not follow oblique slices.

    Args:
        array: Array ``(slices, height, width)`` on the source's grid.
        source: Where it lies.
        target: Where it is wanted.

    Returns:
        The array on the target's grid, and which of the target's voxels the source covers, ``(slices, height, width)``. Voxels
        outside of the source have the value that its border has, which is air.
    """
    if array.shape == target.shape and is_one_grid(source, target):
        return array, np.ones(target.shape, bool)
    to_source = np.linalg.inv(source.affine) @ target.affine
    matrix, offset = to_source[:3, :3], to_source[:3, 3]
    counts = [max(1, round(float(np.abs(column).max()))) for column in matrix.T]
    places = list(product(*(((np.arange(count) + 0.5) / count - 0.5).tolist() for count in counts)))
    total = np.zeros(target.shape, np.float32)
    for place in places:
        total += _ndimage.affine_transform(
            array, matrix, offset + matrix @ place, target.shape, output=np.float32, order=1, mode="nearest"
        )
    total /= len(places)
    covered = _covered(matrix, offset, array.shape, target.shape)
    total[~covered] = _border(array)
    return total, covered


def is_one_grid(source: Geometry, target: Geometry) -> bool:
    """Tell whether no voxel of one grid lies noticeably off its place in the other."""
    drift = np.linalg.inv(source.affine) @ target.affine - np.eye(4)
    furthest = np.abs(drift[:3, :3]) @ np.array(target.shape) + np.abs(drift[:3, 3])
    return bool(furthest.max() < _SAME)


def _covered(
    matrix: NDArray[np.float64], offset: NDArray[np.float64], source: tuple[int, ...], target: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Return which voxels of the target lie in the source: ``(slices, height, width)``, boolean."""
    slices, rows, columns = np.ogrid[: target[0], : target[1], : target[2]]
    inside = np.ones(target, bool)
    for weights, start, length in zip(matrix, offset, source, strict=True):
        place = weights[0] * slices + (weights[1] * rows + weights[2] * columns + start)
        inside &= (place >= -_RIM - _SAME) & (place <= length - 1 + _RIM + _SAME)
    return inside


def _border(array: NDArray[np.float32]) -> np.float32:
    frame = np.concatenate([array[:, 0], array[:, -1], array[:, :, 0], array[:, :, -1]], axis=None)
    return np.float32(np.median(frame))
