"""Skull stripping: the brain of a head, found by watershed from slice to slice.

A method for slices of a few millimetres that are seen from above, as FLAIR is taken of tumours. The brain is bright, the
skull around it dark, the scalp bright again: flooded from the middle of the brain and from the rim of the head, the two
basins meet in the skull (after Hahn and Peitgen: "The skull stripping problem in MRI solved by a single 3D watershed
transform", MICCAI 2000). Each slice starts from the brain of its neighbour, beginning in the middle of the head.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from braintumorseg._checks import check_in
from braintumorseg.preprocessing import find_foreground
from braintumorseg.study import Study

Mask = NDArray[np.bool_]

# Lengths are shares of the radius of a disc as large as the largest slice of the head.
_CORE = 0.35  # brain for sure: so far inside the middle slice
_RIM = 0.03  # scalp for sure: so near to the air
_NARROW = 0.08  # what is narrower is no brain, but a leak into orbit or scalp
_SHRINK = 0.12  # the neighbour's brain, so much smaller, is brain for sure
_GROW = 0.06  # and so much larger holds all of it
_DARK = 0.45  # of the brain's brightness: skull, liquor and air are darker


def find_brain(study: Study) -> Mask:
    """Find the brain, on the FLAIR alone.

    Args:
        study: A study with a FLAIR, slices from bottom to top or from top to bottom.

    Returns:
        Boolean array ``(slices, height, width)``; all false where no head is found.

    Raises:
        ValueError: If the study lacks the FLAIR.
    """
    image = study.sequence("flair")
    head = np.stack([ndimage.binary_fill_holes(_largest(each)) for each in find_foreground(image)])
    brain = np.zeros_like(head)
    if not head.any():
        return brain
    radius = float(np.sqrt(head.sum(axis=(1, 2)).max() / np.pi))
    smooth = ndimage.gaussian_filter(image, (0, 1.2, 1.2))
    middle = round(0.55 * (len(image) - 1))
    core = _erode(head[middle], _CORE * radius)
    if not core.any():
        return brain
    brain[middle] = _find_slice(smooth[middle], head[middle], core, np.ones_like(core), radius)
    for slices in (range(middle + 1, len(image)), range(middle - 1, -1, -1)):
        last = brain[middle]
        for index in slices:
            sure, possible = _erode(last, _SHRINK * radius), _dilate(last, _GROW * radius)
            last = brain[index] = _find_slice(smooth[index], head[index], sure, possible, radius)
    return brain


def strip_skull(study: Study, *, background: str = "zero") -> Study:
    """Return the study with nothing but the brain, its mask as it is.

    Args:
        study: A study with a FLAIR.
        background: What takes the place of everything else: ``"zero"``, or ``"minimum"`` for each sequence's lowest value.

    Raises:
        ValueError: If the study lacks the FLAIR, or ``background`` is not as stated.
    """
    check_in("background", background, ("zero", "minimum"))
    outside = np.float32(0) if background == "zero" else study.volume.min(axis=(0, 1, 2))
    return replace(study, volume=np.where(find_brain(study)[..., None], study.volume, outside))


def brain_alone(study: Study) -> Study:
    """Return the study without skull, its mask cut to the brain found: what is not in the picture can't be learnt."""
    brain = find_brain(study)
    volume = np.where(brain[..., None], study.volume, np.float32(0))
    return replace(study, volume=volume, mask=None if study.mask is None else study.mask & brain)


def _find_slice(image: NDArray[np.float32], head: Mask, sure: Mask, possible: Mask, radius: float) -> Mask:
    """Find the brain in one slice, from pixels that are surely brain and those that possibly are."""
    sure = sure & head
    if not sure.any():
        return np.zeros_like(head)
    level = float(np.median(image[sure]))
    bright = image > _DARK * level
    sure &= bright
    markers = np.zeros(image.shape, np.int32)
    markers[~_erode(head, _RIM * radius) | ~possible] = 2
    markers[sure] = 1
    brain = watershed(-np.minimum(image, level), markers) == 1
    brain &= _dilate(_largest(_erode(brain, _NARROW * radius)), _NARROW * radius + 0.5)
    brain &= _dilate(_erode(brain & bright, 1), 3)  # the dark rim that both basins share
    return np.asarray(ndimage.binary_fill_holes(brain))


def _erode(mask: Mask, radius: float) -> Mask:
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] > radius)


def _dilate(mask: Mask, radius: float) -> Mask:
    return np.asarray(ndimage.distance_transform_edt(~mask) <= radius) if mask.any() else mask


def _largest(mask: Mask) -> Mask:
    """Keep the largest component of a slice."""
    labels, count = ndimage.label(mask)
    return np.asarray(labels == 1 + np.bincount(labels.ravel())[1:].argmax()) if count > 1 else mask
