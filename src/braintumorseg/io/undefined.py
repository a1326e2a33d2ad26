"""NaN and infinite values: air where they lie around the head, an error inside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._core.checks import DataError
from braintumorseg._core.lower_end import find_lower_end

_TOP = 0.99
_DARK = 0.1  # darker than this share of the range above the lower end is no head


def fill_undefined(
    array: NDArray[np.float32], path: Path
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None, tuple[str, ...]]:
    """Fill NaN and infinite values around the head with the sequence's lowest ordinary value.

    They lie around the head where a way leads from them to the edge of their slice, through others like them and through
    what is as dark as air: registrations leave the outside undefined, and logarithms and quotients the air.

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
    inside = np.argwhere(~finite & ~_outside(~finite | (array <= dark)))
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


def _outside(through: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return from where a way leads to the edge of the slice, ``(slices, height, width)``, through what is true."""
    found = np.zeros_like(through)
    for plane, result in zip(through, found, strict=True):
        labels, _ = ndimage.label(plane)
        frame = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        result[:] = plane & np.isin(labels, frame)
    return found
