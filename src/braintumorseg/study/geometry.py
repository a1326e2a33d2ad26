"""Where the voxels of a volume lie, in the file that it came from and in the world."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong

Spacing = tuple[float, float, float]

_PERPENDICULAR = 1e-4  # cosine of the angle between axes; rounded headers reach 1e-6, and it makes 1e-8 of a volume


@dataclass(frozen=True, eq=False)
class DicomSource:
    """The DICOM images that a volume came from, so that a DICOM segmentation can refer to them.

    Attributes:
        instances: The images' data sets without pixels, as DICOM files hold them.
        frames: For each index along the third axis of the file's array: which instance it is, and which frame of it, both
            from 0; ``None`` for a slice that is missing.
    """

    instances: tuple[bytes, ...] = field(repr=False)
    frames: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, eq=False)
class Geometry:
    """How the axes of a volume lie in the file that it came from, and in the world.

    Attributes:
        file_affine: Array ``(4, 4)``, float64: voxel index ``(i, j, k)`` of the file's array to world millimetres, RAS+.
        file_shape: Shape of the file's array, ``(i, j, k)``.
        axes: For slice, row and column: the file's axis that it is.
        flips: For slice, row and column: whether it runs against the file's axis.
        header: The NIfTI file's own header bytes, so that a mask can be written with it; ``None`` for a fresh one.
        dicom: The DICOM images that the volume came from; ``None`` where it came from others.
    """

    file_affine: NDArray[np.float64]
    file_shape: tuple[int, int, int]
    axes: tuple[int, int, int] = (2, 1, 0)
    flips: tuple[bool, bool, bool] = (False, False, False)
    header: bytes | None = field(default=None, repr=False)
    dicom: DicomSource | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        affine = np.array(self.file_affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            msg = wrong("file_affine", "a finite, invertible matrix of shape (4, 4)", str(affine.tolist()))
            raise ValueError(msg)
        affine.setflags(write=False)
        object.__setattr__(self, "file_affine", affine)
        if sorted(self.axes) != [0, 1, 2]:
            msg = wrong("axes", "a permutation of (0, 1, 2)", self.axes)
            raise ValueError(msg)

    @property
    def affine(self) -> NDArray[np.float64]:
        """Array ``(4, 4)``: index ``(slice, row, column)`` of the volume to world millimetres, RAS+."""
        turn = np.zeros((4, 4))
        turn[3, 3] = 1
        for here, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            turn[axis, here] = -1 if flip else 1
            turn[axis, 3] = self.file_shape[axis] - 1 if flip else 0
        return np.asarray(self.file_affine @ turn)

    @property
    def spacing(self) -> Spacing:
        """Voxel size in mm along (slice, row, column)."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(lengths[0]), float(lengths[1]), float(lengths[2]))

    @property
    def is_sheared(self) -> bool:
        """Whether the axes are not perpendicular in the world, so that a voxel is smaller than the product of its lengths."""
        directions = self.directions
        return bool(np.abs(directions.T @ directions - np.eye(3)).max() > _PERPENDICULAR)

    @property
    def directions(self) -> NDArray[np.float64]:
        """Array ``(3, 3)``: steps along (slice, row, column) in the world, as columns of length 1."""
        steps = self.affine[:3, :3]
        return np.asarray(steps / np.linalg.norm(steps, axis=0))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volume, ``(slices, height, width)``."""
        first, second, third = (self.file_shape[axis] for axis in self.axes)
        return (first, second, third)

    def to_volume(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn an array ``(i, j, k[, ...])`` of the file into ``(slice, row, column[, ...])``; a view."""
        turned = np.moveaxis(array, self.axes, (0, 1, 2))
        return turned[tuple(slice(None, None, -1 if flip else None) for flip in self.flips)]

    def to_file(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn an array ``(slice, row, column[, ...])`` into the file's ``(i, j, k[, ...])``; a view."""
        flipped = array[tuple(slice(None, None, -1 if flip else None) for flip in self.flips)]
        return np.moveaxis(flipped, (0, 1, 2), self.axes)
