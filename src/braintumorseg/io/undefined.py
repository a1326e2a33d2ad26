"""NaN and infinite values: air where they lie around the head, an error inside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg._core.lower_end import find_lower_end
from braintumorseg._core.optional import lazy

ndimage = lazy("scipy.ndimage")  # most studies have no undefined value

_TOP = 0.99
_SMOOTHING = 5  # pixels: dark gaps of the skull and the scalp lead nowhere
_DARK = 0.1  # darker than this share of the range above the lower end is no head


def fill_undefined(
    array: NDArray[np.float32], path: Path
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None, tuple[str, ...]]:
    """Fill NaN and infinite values around the head with the sequence's lowest ordinary value.

    They lie around the head if they reach the edge of their slice, or lie in what is as dark as air and reaches it, after
    smoothing: registrations leave the outside undefined, and logarithms and quotients the air.

    Args:
        array: Array ``(slices, height, width)`` of one sequence.
        path: What it was read from.

    Returns:
        The array, finite; a boolean array of its shape, false where it was filled, or ``None`` if nowhere; and a note of it.

    Raises:
        DataError: If some lie inside the head, or no value is finite.
    """
    finite = np.isfinite(array)
    if finite.all():
        return array, None, ()
    count = int(finite.size - np.count_nonzero(finite))
    if count == finite.size:
        msg = f"{path}: must be finite; got {count} NaN or infinite values and no other"
        raise DataError(msg)
    lower = find_lower_end(array, finite)
    values = np.sort(array[finite])
    dark = lower + _DARK * (values[int(_TOP * (values.size - 1))] - lower)
    smooth = ndimage.uniform_filter(np.where(finite, array, lower), (1, _SMOOTHING, _SMOOTHING), mode="nearest")
    inside = np.argwhere(~finite & ~_outside(~finite, array <= dark, smooth <= dark))
    if inside.size:
        where = ", ".join(
            f"{name} {place + 1}" for name, place in zip(("slice", "row", "column"), inside[0], strict=True)
        )
        msg = (
            f"{path}: must be finite; got {len(inside)} NaN or infinite values inside the head, the first in {where}; "
            "around the head they would be taken as air"
        )
        raise DataError(msg)
    note = (
        f"{count / finite.size:.1%} of the voxels, around the head, are NaN or infinite: they are taken as air "
        f"({float(lower):.4g}, the lowest ordinary value)"
    )
    return np.where(finite, array, lower), finite, (note,)


def _outside(undefined: NDArray[np.bool_], dark: NDArray[np.bool_], smooth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the undefined voxels that hang together with the edge of their slice, or with what is dark and does.

    Args:
        undefined: Boolean array ``(slices, height, width)``.
        dark: Where it is as dark as air.
        smooth: Where it is so after smoothing.
    """
    found = np.zeros_like(undefined)
    for holes, air, middle, result in zip(undefined, dark, smooth, found, strict=True):
        edge = np.zeros_like(holes)
        edge[[0, -1]] = edge[:, [0, -1]] = True
        # Smoothing takes its own reach off the air beside the head.
        wide = ndimage.binary_dilation(_joined(middle, edge), np.ones((_SMOOTHING, _SMOOTHING), bool))
        result[:] = _joined(holes, edge | (wide & (air | holes)))
    return found


def _joined(plane: NDArray[np.bool_], start: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the components of a plane that hold a place of the start."""
    labels, _ = ndimage.label(plane)
    return np.asarray(plane & np.isin(labels, labels[start & plane]))
