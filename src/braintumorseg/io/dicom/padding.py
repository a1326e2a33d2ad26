"""Pixels that a DICOM header calls padding: no image was taken there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.lower_end import find_lower_end, has_air
from braintumorseg.io.dicom.pixels import padding_range

_AIR, _TOP = 0.05, 0.99  # quantiles of the pixels that are no padding
_LEAST_GAP = 0.05  # what lies above air by less than this share of the range is air


class Padding:
    """Which pixels of a series its headers call padding.

    Scanners and converters state 0 as padding in images whose air is 0. So padding that is as dark as the images' own air
    stays what it is. Other padding has a value of its own, below the air or within and above the signal, and is taken out.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Start with none, in a series of this shape: ``(slices, rows, columns)``."""
        self._shape = shape
        self._marked: NDArray[np.bool_] | None = None
        self._stated: set[tuple[int, int]] = set()

    def mark(self, place: int, stored: NDArray[Any], header: Any) -> None:
        """Mark the padding of one slice, by its stored values, before they are rescaled."""
        stated = padding_range(header)
        if stated is None:
            return
        if self._marked is None:
            self._marked = np.zeros(self._shape, bool)
        self._marked[place] = (stored >= stated[0]) & (stored <= stated[1])
        self._stated.add(stated)

    def take_out(self, array: NDArray[np.float32], present: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[str]]:
        """Tell which voxels of the rescaled series are no image, and say so in a note.

        Args:
            array: The series, ``(slices, rows, columns)``.
            present: Boolean array of its shape, false in slices that are missing.
        """
        nothing = np.zeros(self._shape, bool)
        if self._marked is None or not self._marked.any():
            return nothing, []
        imaged = present & ~self._marked
        if not imaged.any():  # a constant image, and told as one
            return nothing, []
        padded = self._marked & present & ~_like_air(array, imaged)
        if not padded.any():
            return nothing, []
        values = ", ".join(str(low) if low == top else f"{low} to {top}" for low, top in sorted(self._stated)[:3])
        share = np.count_nonzero(padded) / np.count_nonzero(present)
        return padded, [f"{share:.1%} of the pixels are padding (PixelPaddingValue {values}): they are taken as air"]


def _like_air(array: NDArray[np.float32], imaged: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which values may be the images' own air.

    Where the images show air, it is what lies near that. Where they show signal alone, as a brain without its skull, padding
    below the signal is the air, unless it is negative as no signal of theirs is.
    """
    ordered = np.sort(array[imaged])
    air, high = (ordered[int(share * (ordered.size - 1))] for share in (_AIR, _TOP))
    least = _LEAST_GAP * (high - air)
    own = has_air(array, imaged)
    lowest = air - least if own else min(np.float32(0), find_lower_end(array, imaged))
    return np.asarray((array >= lowest) & (array <= air + least))
