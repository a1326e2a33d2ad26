"""From probabilities to a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_integer, check_range, wrong
from braintumorseg._core.optional import lazy

_ndimage = lazy("scipy.ndimage")  # it takes longer to import than a study to read

_IN_SLICE = np.zeros((3, 3, 3), bool)  # what touches a voxel by an edge, in its slice
_IN_SLICE[1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]


def to_mask(probabilities: NDArray[np.float32], threshold: float = 0.5, min_voxels: int = 0) -> NDArray[np.bool_]:
    """Threshold probabilities, and drop pieces and fill holes that are too small to be believed.

    Args:
        probabilities: Array ``(slices, height, width)``, 0 to 1, on the study's own grid.
        threshold: A voxel is tumour where its probability is at least this; above 0 and at most 1.
        min_voxels: Components of fewer voxels are dropped; voxels that touch by a face, an edge or a corner are one
            component (26 neighbours). Then holes of fewer voxels are filled: what one slice of the mask encloses, as readers
            outline tumours slice by slice. 0 and 1 change nothing.

    Returns:
        Boolean array ``(slices, height, width)``.

    Raises:
        ValueError: If an argument is not as stated.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.inference import to_mask
        >>> probabilities = np.zeros((3, 8, 8), np.float32)
        >>> probabilities[1, 2:5, 2:5] = 0.9
        >>> probabilities[1, 7, 7] = 0.9
        >>> int(to_mask(probabilities, min_voxels=2).sum())
        9
    """
    if np.ndim(probabilities) != 3:
        msg = wrong("probabilities", "an array (slices, height, width)", f"shape {np.shape(probabilities)}")
        raise ValueError(msg)
    check_range("threshold", threshold, 0, 1, low_open=True)
    check_integer("min_voxels", min_voxels, 0)
    mask: NDArray[np.bool_] = probabilities >= threshold
    if min_voxels > 1 and mask.any():
        mask = _fill_holes(drop_components(mask, min_voxels), min_voxels)
    return mask


def drop_components(mask: NDArray[np.bool_], min_voxels: int) -> NDArray[np.bool_]:
    """Return a mask without its components of fewer voxels (26 neighbours); the same one where nothing is that small."""
    if min_voxels <= 1 or not mask.any():
        return mask
    components, _ = _ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    kept: NDArray[np.bool_] = (sizes >= min_voxels)[components]
    return kept


def _fill_holes(mask: NDArray[np.bool_], min_voxels: int) -> NDArray[np.bool_]:
    """Fill holes in place, and return the mask."""
    for box in _ndimage.find_objects(mask.view(np.uint8)):  # one, around everything; none for an empty mask
        around = np.pad(~mask[box], ((0, 0), (1, 1), (1, 1)), constant_values=True)
        regions, _ = _ndimage.label(around, _IN_SLICE)
        filled = np.bincount(regions.ravel()) < min_voxels
        filled[0] = False
        filled[regions[:, 0, 0]] = False  # what surrounds the tumour in each slice
        mask[box] |= filled[regions][:, 1:-1, 1:-1]
    return mask
