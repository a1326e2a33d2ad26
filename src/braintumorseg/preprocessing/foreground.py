"""Where the head is in a volume, and how far its voxels lie from the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.lower_end import filling_value, find_lower_end

# A voxel belongs to the head where it lies above this share of the way from the air's median to the head's median:
# noise of the air lies well under it, dim brain beside bright scalp fat (about a fifth of it) above.
_FOREGROUND_SHARE = 0.2
# Air that is brighter than this share of the head is none: where air is exactly the background's value (skull-stripped
# volumes), what lies below a bright tumour is brain.
_AIR_SHARE = 0.15
# The mean over so many pixels square tells the head, which is smooth, from the air's noise, which is not.
_SMOOTHING = 5
# The corners of what differs from the background are air, and no head is darker than this many times their median: ghosts
# and noise that a change of gamma lifts. Corners above this share of the first threshold belong to a head that fills the image.
_CORNER = 8  # each an eighth of the height and the width
_OVER_AIR = 2.0
_CORNER_SHARE = 0.25
# At least this share of the voxels lies below the background's value where images were normalised after skull stripping.
_BOTH_SIDES_SHARE = 0.02
# There a share of the signal of at most so much is outliers, if it lies so many times the distance of two quantiles below.
# Where there are some, others lie nearer, and no signal so near.
_SIGNAL_OUTLIERS = 0.005
_SIGNAL = 0.05, 0.95
_SIGNAL_REACH = 2
_SIGNAL_REACH_OF_OUTLIERS = 1


def find_foreground(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find the voxels of the head: those that differ from the background.

    The background is the volume's lowest value or, where images were normalised after skull stripping and brain lies on
    both sides of it, the one value that fills the border. Padding and outliers below the air count as air. The threshold
    lies a share of the way from the median of the voxels below it to the median of those above it, found by iteration from
    above on slices that are smoothed, so that noise changes neither. Both medians leave out voxels at exactly the
    background, so that added air and empty slices do not move them. A voxel is foreground where it and its smoothed
    neighbourhood lie above the threshold.

    Args:
        image: Array ``(slices, height, width)`` of one sequence, any intensity scale.

    Returns:
        Boolean array of the same shape; all false for a constant image.
    """
    return head_at(Background.of(image).distance(image))


def head_at(distance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find the voxels of the head from how far each one lies from the background."""
    differs = distance > 0
    if not differs.any():
        return differs
    # A few very bright voxels may neither set the scale nor spread.
    brightest = quantile(distance[differs], 0.99)
    smooth = _smooth(np.minimum(distance, brightest))
    threshold = 0.5 * float(smooth.max())
    corners = _corner_level(smooth, differs)
    least = _OVER_AIR * corners if corners < _CORNER_SHARE * threshold else 0.0
    varied = np.sort(smooth[differs])
    for _ in range(50):
        split = int(np.searchsorted(varied, threshold, side="right"))
        if split in (0, varied.size):
            break
        head = float(varied[(split + varied.size) // 2])
        air = min(float(varied[split // 2]), _AIR_SHARE * head)
        lower = max(air + _FOREGROUND_SHARE * (head - air), least)
        if lower >= threshold * (1 - 1e-4):
            break
        threshold = lower
    foreground: NDArray[np.bool_] = (distance > threshold) & (smooth > threshold)
    return foreground


def _smooth(stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over the square around each pixel of each slice; outside of the image there is 0."""
    _, height, width = stack.shape
    reach = _SMOOTHING // 2
    padded = np.pad(stack, ((0, 0), (reach, reach), (reach, reach)))
    total = padded[:, :height].copy()
    for offset in range(1, _SMOOTHING):
        total += padded[:, offset : offset + height]
    mean = total[:, :, :width].copy()
    for offset in range(1, _SMOOTHING):
        mean += total[:, :, offset : offset + width]
    mean /= _SMOOTHING**2
    return mean


def _corner_level(smooth: NDArray[np.float32], varied: NDArray[np.bool_]) -> float:
    """Return the median of a volume in the four corners, all slices, of the box that holds what varies."""
    spans = [np.flatnonzero(varied.any(axis=axes))[[0, -1]] + (0, 1) for axes in ((0, 2), (0, 1))]
    ends = [
        (slice(start, start + side), slice(stop - side, stop))
        for start, stop in spans
        for side in [-(-(stop - start) // _CORNER)]
    ]
    return float(np.median([smooth[:, rows, columns] for rows in ends[0] for columns in ends[1]]))


@dataclass(frozen=True)
class Background:
    """What tells how far a voxel of one sequence lies from the background: 0 in clean air, growing with the signal.

    Attributes:
        value: The background's value.
        lowest: The lowest value of the signal where there is brain on both sides of the background's value, else ``None``.
        lower: The lower end of the ordinary values. What lies below it is padding or an outlier, and counts as air.
    """

    value: np.float32
    lowest: np.float32 | None
    lower: np.float32

    @classmethod
    def of(cls, image: NDArray[np.float32]) -> Background:
        """Measure a sequence, ``(slices, height, width)``."""
        lower = find_lower_end(image)
        value = _background(image, lower)
        # The margin can only lower the share, so that it need not be measured where nothing or little lies below.
        if _share((image < value) & (image >= lower)) <= _BOTH_SIDES_SHARE:
            return cls(value, None, lower)
        ordinary = image[image >= lower]
        margin = np.float32(0.1) * quantile(np.abs(ordinary - value), 0.999)
        if _share(ordinary < value - margin) <= _BOTH_SIDES_SHARE:
            return cls(value, None, lower)
        signal = np.sort(ordinary[ordinary != value])
        low, high = (signal[int(share * (signal.size - 1))] for share in _SIGNAL)
        start = int(np.searchsorted(signal, low - _SIGNAL_REACH * (high - low)))
        if start:
            start = int(np.searchsorted(signal, low - _SIGNAL_REACH_OF_OUTLIERS * (high - low)))
        lowest = signal[start if start <= _SIGNAL_OUTLIERS * signal.size else 0]
        return cls(value, lowest, lowest)

    def distance(self, voxels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how far voxels of the sequence lie from the background, as a new array of their shape."""
        if self.lowest is not None:
            # Brain on both sides of the background's value: air is exactly that value, and signal starts at the lowest.
            return np.where((voxels == self.value) | (voxels < self.lowest), np.float32(0), voxels - self.lowest)
        distance: NDArray[np.float32] = voxels - self.value
        np.abs(distance, out=distance)
        distance[voxels < self.lower] = 0
        return distance


def quantile(values: NDArray[np.float32], share: float) -> np.float32:
    """Return what ``np.quantile`` does, from a full sort: NumPy sorts float32 several times as quickly as it partitions it."""
    ordered = np.sort(values, axis=None)
    place = share * (ordered.size - 1)
    below = int(place)
    above = min(below + 1, ordered.size - 1)
    return np.float32(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def _share(voxels: NDArray[np.bool_]) -> float:
    """Return which share of them is true; several times as quick as their mean."""
    return float(np.count_nonzero(voxels)) / voxels.size


def find_background(image: NDArray[np.float32]) -> np.float32:
    """Return the value that the background of a sequence has: its lowest ordinary one, or the one that fills the border.

    Args:
        image: Array ``(slices, height, width)`` of one sequence, any intensity scale.
    """
    return _background(image, find_lower_end(image))


def _background(image: NDArray[np.float32], lower: np.float32) -> np.float32:
    # Magnitude images have the background at their lower end; a tight crop may have no background on its border at all.
    filling = filling_value(image, image >= lower)
    return lower if filling is None else filling


def hull(foreground: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill each slice: true where there is foreground to the left, right, above and below (dark ventricles, sinuses)."""
    inside = np.ones_like(foreground)
    for axis in (1, 2):
        length = foreground.shape[axis]
        places = np.arange(length, dtype=np.int32).reshape((-1, 1) if axis == 1 else -1)
        # The first and the last true place of each line; no place lies between them where there is none.
        first = foreground.argmax(axis).astype(np.int32)
        last = (length - 1 - np.flip(foreground, axis).argmax(axis)).astype(np.int32)
        last[~foreground.any(axis)] = -1
        inside &= places >= np.expand_dims(first, axis)
        inside &= places <= np.expand_dims(last, axis)
    return inside
