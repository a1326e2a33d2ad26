"""Skull stripping: the brain of a head, found by its outline from slice to slice.

A method for slices of a few millimetres that are seen from above, as FLAIR is taken of tumours. The brain is bright, the
skull around it dark, the scalp bright again. Each slice is unrolled around the brain's centre, angles by radii, and the
outline is the cheapest path once around, a circular shortest path (Sun and Pallottino: "Circular shortest path in
images", Pattern Recognition 2003): where it darkens outwards, before a dark line has been crossed (as in Smith: "Fast
robust automated brain extraction", Human Brain Mapping 2002), near the outline of the neighbouring slice. The search
begins in the middle of the head. Where slices show scalp, the outline keeps below it; a study without skull darkens at
its rim alone, so the rim is the outline.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._core.checks import check_in
from braintumorseg._core.lower_end import find_lower_end
from braintumorseg.preprocessing.foreground import find_foreground
from braintumorseg.study import Study

Mask = NDArray[np.bool_]
Field = NDArray[np.float64]
_Border = Literal["constant", "nearest"]

# Lengths are shares of the radius of a disc as large as the largest slice of the head; brightness, of the brain's.
_ANGLES = np.linspace(0, 2 * np.pi, 128, endpoint=False)
_STEP = 0.0125
_RADII: Field = _STEP * np.arange(1, 141, dtype=np.float64)
_SMOOTH = 0.01  # standard deviation of the Gaussian filter
_SURE = 0.6, 0.7  # brain for sure: this share of the way to the skin, or to the neighbour's outline
_DARK = 0.5  # liquor, skull and air are darker
_CONTRAST = 0.75  # scalp is so much brighter than the skull
_SCALP = 0.05  # the least depth of the brain where there is scalp
_REACH = 0.15  # a bright place is scalp, so far beyond a dark line
_DARK_COST = 5.0  # per radius inside that is darker than that; brighter, it pays
_SCALP_COST = 0.7
_GROW_COST, _SHRINK_COST = 3.0, 1.1  # of an outline wider or narrower than the neighbour's
_SLOPE, _SLOPE_COST = 3, 0.05  # steps of the radius from one angle to the next: the most, and what their square costs
_DRIFT = 0.1  # the brain's brightness changes from slice to slice by this share at most
_SMALL = 0.01  # of the largest slice of the head: no brain is smaller


class _Outline(NamedTuple):
    """The brain's outline in one slice: centre in pixels, radius at each angle, and the brain's brightness inside."""

    centre: Field
    radii: Field
    level: float


def find_brain(study: Study) -> Mask:
    """Find the brain, on the FLAIR alone.

    Args:
        study: A study with a FLAIR, slices from bottom to top or from top to bottom. It may be without skull already:
            nearly all of it is then found again.

    Returns:
        Boolean array ``(slices, height, width)``; all false where no head is found.

    Raises:
        ValueError: If the study lacks the FLAIR.

    Examples:
        >>> from braintumorseg import make_study
        >>> study = make_study(seed=0, shape=(16, 64, 64))
        >>> brain = find_brain(study)
        >>> bool(brain[8, 32, 32]), bool(brain[8, 0, 0])
        (True, False)
    """
    image = study.sequence("flair")
    image = np.maximum(image, find_lower_end(image))  # padding and outliers would spread where it is smoothed
    head = np.stack([ndimage.binary_fill_holes(_largest(each)) for each in find_foreground(image)])
    brain = np.zeros_like(head)
    areas = head.sum(axis=(1, 2))
    if not head.any():
        return brain
    unit = float(np.sqrt(areas.max() / np.pi))
    smooth = ndimage.gaussian_filter(image, (0, _SMOOTH * unit, _SMOOTH * unit))
    filled = np.flatnonzero(areas > 0.05 * areas.max())
    middle = int(filled[round(0.55 * (filled.size - 1))])
    centre = np.array(ndimage.center_of_mass(head[middle]))
    upper = np.unique(np.round(np.linspace(middle, 0.25 * filled[0] + 0.75 * filled[-1], 5)).astype(int))
    peel = _SCALP if np.median([_scalp_contrast(smooth[each], head[each], unit) for each in upper]) > _CONTRAST else 0.0
    start = _find_outline(smooth[middle], head[middle], centre, unit, peel)
    if start is None:
        return brain
    brain[middle] = _fill(start, unit, head.shape[1:])
    for slices in (range(middle + 1, len(image)), range(middle - 1, -1, -1)):
        last = start
        for index in slices:
            outline = _find_outline(smooth[index], head[index], last.centre, unit, peel, last)
            if outline is None:
                break
            inside = _fill(outline, unit, head.shape[1:])
            if inside.sum() < _SMALL * areas.max():
                break
            brain[index] = inside
            last = _recentre(outline, np.array(ndimage.center_of_mass(inside)), unit)
    return brain


def strip_skull(study: Study, *, background: str = "zero") -> Study:
    """Return the study with nothing but the brain, its mask as it is.

    Args:
        study: A study with a FLAIR.
        background: What takes the place of everything else: ``"zero"``, or ``"minimum"`` for each sequence's lowest value
            that is neither padding nor an outlier.

    Raises:
        ValueError: If the study lacks the FLAIR, or ``background`` is not as stated.
    """
    check_in("background", background, ("zero", "minimum"))
    lowest = (find_lower_end(study.volume[..., channel]) for channel in range(len(study.sequences)))
    outside = np.float32(0) if background == "zero" else np.fromiter(lowest, np.float32)
    return replace(study, volume=np.where(find_brain(study)[..., None], study.volume, outside))


def brain_alone(study: Study) -> Study:
    """Return the study without skull, its mask cut to the brain found: what is not in the picture can't be learnt."""
    brain = find_brain(study)
    volume = np.where(brain[..., None], study.volume, np.float32(0))
    if study.labels is not None:
        return replace(study, volume=volume, mask=None, labels=np.where(brain, study.labels, np.uint8(0)))
    return replace(study, volume=volume, mask=None if study.mask is None else study.mask & brain)


def _find_outline(
    image: NDArray[np.float32], head: Mask, centre: Field, unit: float, peel: float, last: _Outline | None = None
) -> _Outline | None:
    """Find the outline in one slice, at least ``peel`` below the skin; None where nothing is as bright as the brain."""
    polar = _unroll(image, centre, unit)
    skin = _find_skin(head, centre, unit)
    sure = _SURE[0] * skin if last is None else _SURE[1] * last.radii
    inner = sure[:, None] >= _RADII
    level = own = _most_frequent(polar[inner])
    if last is not None:
        level = float(np.clip(own, (1 - _DRIFT) * last.level, (1 + _DRIFT) * last.level))
    if own <= 0.3 * level:
        return None
    polar = np.minimum(polar / level, 1)
    # Beyond what is surely brain the path pays for dark places inside, and for what is bright after a dark line.
    mean = ndimage.uniform_filter1d(polar, 3, axis=1, mode="nearest")
    edge = np.roll(mean, 2, axis=1) - np.roll(mean, -1, axis=1)  # three steps up to here, less three steps from here
    edge[:, :3] = edge[:, -3:] = 0
    dark = _STEP * np.where(inner, 0, _DARK - polar).cumsum(axis=1)
    reach = round(_REACH / _STEP)
    past = (reach - 1) // 2  # makes the filters look inwards alone
    valley = polar - ndimage.minimum_filter1d(np.where(inner, 1, polar), reach, axis=1, origin=past)
    scalp = ndimage.maximum_filter1d(np.clip(valley, 0, None), reach, axis=1, origin=past)
    cost = _DARK_COST * dark + _SCALP_COST * scalp - edge + (0.5 * sure[:, None] > _RADII)
    if peel:
        cost += _find_skin(head, centre, unit, "nearest")[:, None] - peel < _RADII
    if last is not None:
        wider = _RADII - last.radii[:, None]
        cost += np.where(wider > 0, _GROW_COST, -_SHRINK_COST) * wider
    return _Outline(centre, _RADII[_cheapest_path(cost)], level)


def _find_skin(head: Mask, centre: Field, unit: float, mode: _Border = "constant") -> Field:
    return np.asarray(_STEP * (_unroll(head.astype(np.float32), centre, unit, mode) > 0.5).sum(axis=1))


def _scalp_contrast(image: NDArray[np.float32], head: Mask, unit: float) -> float:
    """Return how much brighter it gets again, beyond the darkest place near the skin; the median of all angles."""
    if not head.any():
        return 0.0
    centre = np.array(ndimage.center_of_mass(head))
    polar, skin = _unroll(image, centre, unit), _find_skin(head, centre, unit)[:, None]
    inner = _SURE[0] * skin >= _RADII
    level = _most_frequent(polar[inner])
    if level <= 0:
        return 0.0
    outer = np.where(skin >= _RADII, np.minimum(polar / level, 1.5), 0)
    beyond = np.maximum.accumulate(outer[:, ::-1], axis=1)[:, ::-1]
    return float(np.median(np.where(inner, 0, beyond - outer).max(axis=1)))


def _cheapest_path(cost: Field) -> NDArray[np.intp]:
    """Return the column at each row of the cheapest path that closes, found by going round twice."""
    turn, width = cost.shape
    steps = np.arange(-_SLOPE, _SLOPE + 1)
    costs = _SLOPE_COST * steps[:, None] ** 2
    beyond = np.full(width + 2 * _SLOPE, np.inf)
    total = beyond[_SLOPE:-_SLOPE]
    windows = np.lib.stride_tricks.sliding_window_view(beyond, width)  # one a step, of what total holds
    total[:] = 0
    came = np.zeros((2 * turn, width), np.intp)
    for row in range(2 * turn):
        ways = windows + costs
        came[row] = np.arange(width) + steps[ways.argmin(axis=0)]
        np.add(ways.min(axis=0), cost[row % turn], out=total)
    path = [int(total.argmin())]
    for row in range(2 * turn - 1, turn // 2, -1):
        path.append(came[row][path[-1]])
    return np.roll(np.array(path[::-1])[:turn], turn // 2)


def _unroll(image: NDArray[np.float32], centre: Field, unit: float, mode: _Border = "constant") -> NDArray[np.float32]:
    """Sample the slice on rays from the centre: ``(angles, radii)``."""
    directions = np.stack([np.sin(_ANGLES), np.cos(_ANGLES)])[:, :, None]
    return np.asarray(
        ndimage.map_coordinates(image, centre[:, None, None] + unit * _RADII * directions, order=1, mode=mode)
    )


def _fill(outline: _Outline, unit: float, shape: tuple[int, ...]) -> Mask:
    rows, columns = (each - place for each, place in zip(np.indices(shape), outline.centre, strict=True))
    limit = np.interp(np.arctan2(rows, columns), _ANGLES, outline.radii, period=2 * np.pi)
    return np.asarray(np.hypot(rows, columns) <= unit * limit)


def _recentre(outline: _Outline, centre: Field, unit: float) -> _Outline:
    """Return the outline as seen from another centre inside."""
    offset = (outline.centre - centre) / unit
    rows, columns = outline.radii * np.sin(_ANGLES) + offset[0], outline.radii * np.cos(_ANGLES) + offset[1]
    radii = np.interp(_ANGLES, np.arctan2(rows, columns), np.hypot(rows, columns), period=2 * np.pi)
    return _Outline(centre, radii, outline.level)


def _most_frequent(values: NDArray[np.float32]) -> float:
    """Return the most frequent brightness, neither liquor nor a bright tumour; 0 where all is dark."""
    top = float(np.percentile(values, 98)) if values.size else 0.0
    if top <= 0:
        return 0.0
    counts, edges = np.histogram(values, 64, (0, top))
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), 2)
    smooth[edges[1:] < 0.4 * np.median(values)] = 0
    return float(edges[smooth.argmax()] + top / 128)


def _largest(mask: Mask) -> Mask:
    """Keep the largest component of a slice."""
    labels, count = ndimage.label(mask)
    return np.asarray(labels == 1 + np.bincount(labels.ravel())[1:].argmax()) if count > 1 else mask
