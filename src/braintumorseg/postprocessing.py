"""From probabilities to a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braintumorseg._checks import check_integer, check_range, wrong
from braintumorseg._optional import lazy

_ndimage = lazy("scipy.ndimage")  # it takes longer to import than a study to read


def to_mask(probabilities: NDArray[np.float32], threshold: float = 0.5, min_voxels: int = 0) -> NDArray[np.bool_]:
    """Threshold probabilities, and drop what is too small to be believed.

    Args:
        probabilities: Array ``(slices, height, width)``, 0 to 1, on the study's own grid.
        threshold: A voxel is tumour where its probability is at least this; above 0 and at most 1.
        min_voxels: Components of fewer voxels are dropped; voxels that touch by a face, an edge or a corner are one
            component (26 neighbours). 0 and 1 keep everything.

    Returns:
        Boolean array ``(slices, height, width)``.

    Raises:
        ValueError: If an argument is not as stated.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg import to_mask
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
        components, _ = _ndimage.label(mask, np.ones((3, 3, 3)))
        sizes = np.bincount(components.ravel())
        sizes[0] = 0
        mask = (sizes >= min_voxels)[components]
    return mask
