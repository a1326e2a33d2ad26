"""Slabs: thin slices averaged to the thickness of the slices that a model was trained on, and back.

A model of slices 5 mm thick sees less noise, and blurred edges across the slices. A scan of 1 mm shows it neither, so the
model misses tumour there. Means over 5 mm look as its own slices do, and there are fewer of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.lower_end import find_lower_end
from braintumorseg.preprocessing.foreground import find_background
from braintumorseg.preprocessing.interpolation import blocks
from braintumorseg.study import Study

# From one slab to the next, as a share of their thickness: half, so that what one slab cuts in two is whole in another.
_STEP_SHARE = 0.5


@dataclass(frozen=True)
class Slabs:
    """Where the slabs of a study lie along its slice axis.

    The slabs overlap: the distance of their centres is half their thickness, or the distance of the slices where that is
    more. The first and the last slab lie equally far from the ends of the stack.

    Attributes:
        slices: Number of slices of the study.
        spacing: Distance of neighbouring slices in mm; below ``thickness``.
        thickness: Thickness of a slab in mm.
    """

    slices: int
    spacing: float
    thickness: float

    @classmethod
    def of(cls, study: Study, thickness: float) -> Slabs | None:
        """Return the slabs of a study; ``None`` if its slices are as thick as that, or its spacing is unknown."""
        if study.spacing is None or study.spacing[0] >= thickness or study.shape[0] == 1:
            return None
        return cls(study.shape[0], study.spacing[0], thickness)

    @property
    def step(self) -> float:
        """Distance of neighbouring slabs in mm."""
        return max(_STEP_SHARE * self.thickness, self.spacing)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centre of each slab, in slices: 0 is the centre of the first slice."""
        length = self.slices * self.spacing
        # Rounding must not add a slab: 12.0000001 steps are 12.
        count = 1 + max(0, int(np.ceil((length - self.thickness) / self.step - 1e-6)))
        places = (np.arange(count, dtype=np.float64) - (count - 1) / 2) * self.step
        return np.asarray(places / self.spacing + (self.slices - 1) / 2, np.float64)

    @cached_property
    def _means(self) -> NDArray[np.float32]:
        """Matrix ``(slabs, slices)``: the share that each slice has in each slab."""
        half = self.thickness / self.spacing / 2
        offset = np.arange(self.slices) - self.centres[:, None]
        weights = np.clip(np.minimum(offset + 0.5, half) - np.maximum(offset - 0.5, -half), 0, None)
        weights[weights < 1e-6] = 0
        weights /= weights.sum(axis=1, keepdims=True)
        return np.asarray(weights, np.float32)

    @cached_property
    def _interpolation(self) -> NDArray[np.float32]:
        """Matrix ``(slices, slabs)`` of linear interpolation between the centres; the outermost slabs go on to the ends."""
        centres = self.centres
        each = np.eye(len(centres))
        return np.stack([np.interp(np.arange(self.slices), centres, row) for row in each], axis=1).astype(np.float32)

    def average(self, stack: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean over each slab: from an array ``(slices, ...)`` to ``(slabs, ...)``."""
        return _product(self._means, stack)

    def spread(self, stack: NDArray[np.float32]) -> NDArray[np.float32]:
        """Interpolate between slabs: from an array ``(slabs, ...)`` to ``(slices, ...)``."""
        return _product(self._interpolation, stack)

    def apply(self, study: Study) -> Study:
        """Return the study as slabs, without its mask and its place in the world.

        A voxel that a sequence does not cover has no part in a mean; a slab is covered where half of it is.
        """
        # Air that is one value must stay exactly that value, which sums of rounded products would not.
        air = np.array([find_background(study.sequence(name)) for name in study.sequences], np.float32)
        # Padding and outliers would spread over their slabs.
        lower = np.array([find_lower_end(study.sequence(name)) for name in study.sequences], np.float32)
        signal = np.maximum(study.volume, lower) - air
        covered = None
        if study.covered is None:
            volume = self.average(signal)
        else:
            share = self.average(study.covered.astype(np.float32))
            volume = self.average(np.where(study.covered, signal, np.float32(0)))
            np.divide(volume, share, out=volume, where=share > 0)
            covered = share >= 0.5
        volume += air
        spacing = None if study.spacing is None else (self.step, *study.spacing[1:])
        return replace(
            study,
            volume=volume,
            mask=None,
            labels=None,
            spacing=spacing,
            geometry=None,
            slice_names=None,
            covered=covered,
        )


def _product(matrix: NDArray[np.float32], stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix times an array along its first axis."""
    flat = np.ascontiguousarray(stack, np.float32).reshape(len(stack), -1)
    result = np.empty((len(matrix), flat.shape[1]), np.float32)
    for block, part, reach in blocks(matrix):
        np.matmul(part, flat[reach], out=result[block])
    return result.reshape(len(matrix), *stack.shape[1:])
