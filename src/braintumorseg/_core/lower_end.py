"""The lower end of a sequence's ordinary values, which padding, dead rows and ringing lie below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 1 << 17  # values that quantiles are taken of; the lowest value alone is looked for in all
_ROUNDS = 4  # padding of several values, and outliers besides

# Air fills between a twentieth and a fifth of a volume at least, within a small share of the range of its values.
_AIR = 0.05, 0.2
_TOP = 0.99
_PLATEAU_SHARE = 0.1
# What lies below air by less than this share of the range, or by less than this many times the air's own spread, is noise.
_LEAST_GAP = 0.05
_SPREADS = 6.0
_KEPT_SPREADS = 2.0
# Where there is little air, only values that lie below by this many times the range are no signal.
_ABSURD = 4.0
# At most this share of the voxels are outliers. More of them are padding, if they have one value.
_FEW = 0.02
# Padding lies beside air, which is darker than this share of the range in three quarters of the places. At least a tenth of
# the rest is brighter, and the rest reaches this share of the images' edge: a brain on a background of one value does not.
_RIM_SHARE = 0.15
_RIM_QUANTILE = 0.75
_BRIGHT_QUANTILE = 0.9
_REACHES_EDGE = 0.05


def find_lower_end(image: NDArray[np.float32], known: NDArray[np.bool_] | None = None) -> np.float32:
    """Return the lowest ordinary value of a sequence: its lowest one, unless that is padding or an outlier.

    A value is no ordinary one where air lies clearly above it, and few voxels or one padding value lie that low. Clearly is
    6 times as far as the air itself spreads, and a twentieth of the range of values. Where too little air is found, it is 4
    times the range.

    Args:
        image: Array ``(slices, height, width)`` of one sequence, any intensity scale.
        known: Boolean array of its shape, true in one voxel at least: which voxels count, and are finite; ``None`` for all.
    """
    values = image.reshape(-1) if known is None else image[known]
    lower = np.float32(values.min())
    sample = np.sort(values[:: max(1, values.size // _SAMPLE)])
    for _ in range(_ROUNDS):
        sample = sample[np.searchsorted(sample, lower, side="right") :]
        raised = _raise(image, known, lower, sample)
        if raised is None:
            break
        lower = raised
    return lower


def rim(kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels at the edge of what is kept: those at the edge of an image, or beside a pixel that is not kept."""
    inside = np.zeros_like(kept)
    inside[:, 1:-1, 1:-1] = kept[:, :-2, 1:-1] & kept[:, 2:, 1:-1] & kept[:, 1:-1, :-2] & kept[:, 1:-1, 2:]
    return kept & ~inside


def _raise(
    image: NDArray[np.float32], known: NDArray[np.bool_] | None, lower: np.float32, above: NDArray[np.float32]
) -> np.float32 | None:
    """Return the lowest value of what is left without outliers; none if there are none.

    Args:
        image: The sequence.
        known: Which voxels of it count.
        lower: Its lowest value that was not found to be an outlier.
        above: A sorted sample of the values above that.
    """
    if above.size == 0:
        return None
    low, air, high = (float(above[int(share * (above.size - 1))]) for share in (*_AIR, _TOP))
    gap, spread, span = low - float(lower), air - low, high - low
    if gap <= max(_LEAST_GAP * span, _SPREADS * spread):
        return None
    if spread <= _PLATEAU_SHARE * span:
        raised = _without(image, known, lower, low - _KEPT_SPREADS * spread, low, above)
        if raised is not None:
            return raised
    if gap > _ABSURD * span:
        return _without(image, known, lower, low - _ABSURD * span, low, above)
    return None


def _without(
    image: NDArray[np.float32],
    known: NDArray[np.bool_] | None,
    lower: np.float32,
    level: float,
    low: float,
    above: NDArray[np.float32],
) -> np.float32 | None:
    """Return the lowest value from a level on, if what lies below it are few outliers or padding of one value."""
    kept = image >= np.float32(level)
    few = _FEW * image.size
    below = image.size - int(np.count_nonzero(kept))
    if known is not None:
        kept &= known
        few = _FEW * int(np.count_nonzero(known))
        below = int(np.count_nonzero(known)) - int(np.count_nonzero(kept))
    padding = int(np.count_nonzero((image == lower) if known is None else (image == lower) & known))
    if not 0 <= below - padding <= few or not kept.any():
        return None
    if padding > few and not _is_padding(image, kept, float(lower), low, above):
        return None
    return np.float32(image[kept].min())


def _is_padding(
    image: NDArray[np.float32], kept: NDArray[np.bool_], lower: float, low: float, above: NDArray[np.float32]
) -> bool:
    """Tell whether what is not kept surrounds a head and its air, rather than being the air itself."""
    bright, high = (float(above[int(share * (above.size - 1))]) for share in (_BRIGHT_QUANTILE, _TOP))
    plateau = low + _RIM_SHARE * (high - low)
    edge = np.sort(image[rim(kept)])
    if bright <= plateau or float(edge[int(_RIM_QUANTILE * (edge.size - 1))]) > plateau:
        return False
    frame = np.concatenate([kept[:, 0], kept[:, -1], kept[:, :, 0], kept[:, :, -1]], axis=None)
    return bool(frame.mean() >= _REACHES_EDGE) or low - lower > _ABSURD * (high - low)
