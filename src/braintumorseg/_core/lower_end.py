"""The lower end of a sequence's ordinary values, which padding, dead rows and ringing lie below."""

from __future__ import annotations

from typing import NamedTuple

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
_PADDING_GAP = 0.1  # padding that surrounds the air lies so far below: less is the quantisation of dark air
# Where there is little air, only values that lie below by this many times the range are no signal.
_ABSURD = 4.0
# At most this share of the voxels are outliers; where air is of one value, this share of what is not air. More of them are
# padding, if they have one value.
_FEW = 0.02
_FEW_OF_SIGNAL = 0.005
_FILLING = 0.05  # air is of one value, if that value is the commonest at the edge and fills this share
# Air lies at the edge of what is not padding: in three quarters of the places it is darker than this share of the range, and
# at least a tenth of all voxels is brighter.
_RIM_SHARE = 0.15
_RIM_QUANTILE = 0.75
_BRIGHT = 0.9
# What is not padding reaches two opposite edges of the images, to this many pixels: a brain on a background does not.
_REACH = 2


class _Levels(NamedTuple):
    """Quantiles of a volume's values: in the air's darker and brighter part, in the head, and near the top."""

    low: float
    air: float
    bright: float
    high: float

    @classmethod
    def of(cls, ordered: NDArray[np.float32]) -> _Levels:
        return cls(*(float(ordered[int(share * (ordered.size - 1))]) for share in (*_AIR, _BRIGHT, _TOP)))

    @property
    def spread(self) -> float:
        return self.air - self.low

    @property
    def span(self) -> float:
        return self.high - self.low

    @property
    def are_of_air(self) -> bool:
        return self.spread <= _PLATEAU_SHARE * self.span


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
    sample = _sample(values)
    for _ in range(_ROUNDS):
        sample = sample[np.searchsorted(sample, lower, side="right") :]
        raised = _raise(image, known, lower, sample) if sample.size else None
        if raised is None:
            break
        lower = raised
    return lower


def has_air(image: NDArray[np.float32], known: NDArray[np.bool_]) -> bool:
    """Tell whether what is known of a sequence holds a head with air around it, rather than signal alone.

    Args:
        image: Array ``(slices, height, width)``.
        known: Boolean array of its shape, true in one voxel at least.
    """
    levels = _Levels.of(_sample(image[known]))
    return levels.are_of_air and _air_is_outermost(image, known, levels)


def filling_value(image: NDArray[np.float32], kept: NDArray[np.bool_]) -> np.float32 | None:
    """Return the value that fills the edge of what is kept, and a twentieth of all of it; ``None`` if there is none."""
    if kept.all():
        frame = np.concatenate([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], axis=None)
    else:
        frame = image[rim(kept)]
    values, counts = np.unique(frame, return_counts=True)
    common = values[counts.argmax()]
    share = float(np.count_nonzero(image == common)) / np.count_nonzero(kept)
    return np.float32(common) if share >= _FILLING else None


def rim(kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels at the edge of what is kept: those at the edge of an image, or beside a pixel that is not kept."""
    inside = np.zeros_like(kept)
    inside[:, 1:-1, 1:-1] = kept[:, :-2, 1:-1] & kept[:, 2:, 1:-1] & kept[:, 1:-1, :-2] & kept[:, 1:-1, 2:]
    return kept & ~inside


def _sample(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sort(values[:: max(1, values.size // _SAMPLE)])


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
    levels = _Levels.of(above)
    gap = levels.low - float(lower)
    noise = max(_LEAST_GAP * levels.span, _SPREADS * levels.spread)
    if gap <= noise:
        return None
    known = np.ones(image.shape, bool) if known is None else known
    padding = known & (image == lower)
    surrounds = int(np.count_nonzero(padding)) > _FEW * int(np.count_nonzero(known))
    if surrounds and gap <= _PADDING_GAP * levels.span:
        return None
    absurd = gap > _ABSURD * levels.span
    candidates = []  # what is clearly below, and where the ordinary values begin then
    if levels.are_of_air:
        candidates.append((levels.low - noise, levels.low - _KEPT_SPREADS * levels.spread))
    if absurd:
        candidates.append((levels.low - _ABSURD * levels.span,) * 2)
    for clearly, start in candidates:
        if not _are_outliers(image, known & ~padding & (image < np.float32(clearly)), known, far=clearly == start):
            continue
        kept = known & (image >= np.float32(start))
        if kept.any() and (
            not surrounds or (_air_is_outermost(image, kept, levels) and (absurd or _reaches_edges(kept)))
        ):
            return np.float32(image[kept].min())
    return None


def _are_outliers(image: NDArray[np.float32], below: NDArray[np.bool_], known: NDArray[np.bool_], *, far: bool) -> bool:
    """Tell whether so few voxels lie clearly below the air, apart from padding of one value, that they are no signal."""
    count = int(np.count_nonzero(below))
    size = int(np.count_nonzero(known))
    if count > _FEW * size:
        return False
    air = None if far or not count else filling_value(image, known & ~below)
    return air is None or count <= _FEW_OF_SIGNAL * (size - int(np.count_nonzero(image == air)))


def _air_is_outermost(image: NDArray[np.float32], kept: NDArray[np.bool_], levels: _Levels) -> bool:
    """Tell whether what is kept is a head and its air, rather than a brain without."""
    plateau = levels.low + _RIM_SHARE * levels.span
    edge = np.sort(image[rim(kept)])
    return levels.bright > plateau and float(edge[int(_RIM_QUANTILE * (edge.size - 1))]) <= plateau


def _reaches_edges(kept: NDArray[np.bool_]) -> bool:
    """Tell whether what is kept reaches from one edge of the images to the opposite one."""
    for axes in ((0, 2), (0, 1)):
        profile = np.asarray(kept.any(axis=axes))
        if profile[: _REACH + 1].any() and profile[-_REACH - 1 :].any():
            return True
    return False
