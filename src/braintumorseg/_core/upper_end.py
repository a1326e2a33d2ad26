"""Values far above all signal, which padding and integers that wrapped around leave in the air."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.lower_end import find_lower_end
from braintumorseg._core.optional import lazy

ndimage = lazy("scipy.ndimage")  # few studies have such values

_SAMPLE = 1 << 17
# They lie within this share of the range below its top, and all that is ordinary within this share above its bottom.
_NEAR_TOP = 0.05
_ORDINARY = 0.25
_TOP = 0.999  # brighter ordinary voxels are hot pixels, or not all that wrapped around
# Fewer are outliers, which need no care: what is far brighter than the head is clipped.
_FEWEST = 0.002
# They lie in the air, if what is beside them mostly is darker than this share of the ordinary range.
_DARK = 0.15


def air_above(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a sequence where padding above all signal is air: the lowest ordinary value.

    Such are padding of 32767, values of -1 that an unsigned integer holds as 65535, and zeros around a sequence whose signal is
    negative. They lie at the top of the range, far from all else, and in the air or in slices of their own.

    Args:
        image: Array ``(slices, height, width)``.

    Returns:
        The same array if there are none.
    """
    lowest, highest = float(image.min()), float(image.max())
    span = highest - lowest
    ordered = np.sort(image.reshape(-1)[:: max(1, image.size // _SAMPLE)])
    above = ordered.size - int(np.searchsorted(ordered, np.float32(highest - _NEAR_TOP * span)))
    rest = ordered[: ordered.size - above]
    if above < _FEWEST * ordered.size or rest.size < ordered.size / 4:
        return image
    low, high = float(find_lower_end(image)), float(rest[int(_TOP * (rest.size - 1))])
    if high <= low or high - low > _ORDINARY * (highest - low):
        return image
    found = image >= np.float32(highest - _NEAR_TOP * span)
    beside = ndimage.binary_dilation(found, np.ones((1, 3, 3), bool)) & ~found
    if beside.any() and float(np.median(image[beside])) > low + _DARK * (high - low):
        return image
    return np.where(found, np.float32(low), image)
