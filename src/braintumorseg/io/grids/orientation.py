"""How a file's axes are turned: slices from inferior to superior, as models know them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.optional import lazy
from braintumorseg.study import DicomSource, Geometry

nib = lazy("nibabel")

# Slices run inferior to superior (axis 2 of RAS+, along), rows anterior to posterior (axis 1, against), columns from
# the patient's right to left (axis 0, against): as the LGG dataset shows its slices.
_VOLUME_AXES = ((2, 1), (1, -1), (0, -1))


def is_usable(affine: NDArray[np.float64]) -> bool:
    """Tell whether an affine ``(4, 4)`` places voxels in the world: finite, and not flat."""
    axes_mm = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    return bool(abs(np.linalg.det(axes_mm)) > 1e-6 * np.prod(np.linalg.norm(axes_mm, axis=0)))


def turned(
    affine: NDArray[np.float64],
    shape: tuple[int, int, int],
    *,
    header: bytes | None = None,
    dicom: DicomSource | None = None,
) -> Geometry:
    """Return the geometry that turns a file's array ``(i, j, k)`` so that it is shown as models know it.

    Args:
        affine: Array ``(4, 4)``: voxel index of the file's array to world millimetres, RAS+.
        shape: The file's shape.
        header: See ``Geometry``.
        dicom: See ``Geometry``.
    """
    orientation = nib.io_orientation(affine)
    axes, flips = [], []
    for world, direction in _VOLUME_AXES:
        axis = int(np.flatnonzero(orientation[:, 0] == world)[0])
        axes.append(axis)
        flips.append(bool(orientation[axis, 1] != direction))
    return Geometry(
        affine, shape, (axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]), header=header, dicom=dicom
    )
