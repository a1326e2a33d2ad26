"""How large a tumour is, and by how much a prediction misses its size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.steps import SpacingLike, as_steps, size_of
from braintumorseg.measures._masks import as_mask, as_masks


def volume_ml(mask: NDArray[Any], spacing: SpacingLike) -> float:
    """Return the volume of a mask in millilitres.

    Args:
        mask: Boolean array (or 0 and 1), ``(slices, height, width)``.
        spacing: Voxel size in mm along (slice, row, column), or the steps ``(3, 3)`` of a sheared grid: see ``Study.steps``.

    Raises:
        ValueError: If the mask holds other values than 0 and 1, or the spacing does not fit it.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import volume_ml
        >>> volume_ml(np.ones((10, 10, 10)), (5, 1, 1))
        5.0
    """
    mask = as_mask("mask", mask)
    return int(np.count_nonzero(mask)) * size_of(as_steps(spacing, mask.ndim)) / 1000


def volume_difference(truth: NDArray[Any], prediction: NDArray[Any], spacing: SpacingLike | None = None) -> float:
    """Return by how much the prediction is larger than the truth; below 0 where it is smaller.

    Args:
        truth: Boolean array (or 0 and 1), ``(slices, height, width)``.
        prediction: Boolean array of the same shape.
        spacing: Voxel size in mm along (slice, row, column), the steps of a sheared grid (``Study.steps``), or ``None``.

    Returns:
        Millilitres; a number of voxels where ``spacing`` is ``None``.

    Raises:
        ValueError: If the shapes differ, a mask holds other values than 0 and 1, or the spacing does not fit them.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import volume_difference
        >>> volume_difference(np.ones((1, 4, 4)), np.zeros((1, 4, 4)))
        -16.0
    """
    truth, prediction = as_masks(truth, prediction)
    voxels = int(np.count_nonzero(prediction)) - int(np.count_nonzero(truth))
    return float(voxels) if spacing is None else voxels * size_of(as_steps(spacing, truth.ndim)) / 1000


def relative_volume_difference(truth: NDArray[Any], prediction: NDArray[Any]) -> float:
    """Return the volume difference as a share of the true volume, (|prediction| - |truth|) / |truth|.

    Args:
        truth: Boolean array (or 0 and 1) of any shape, such as ``(slices, height, width)``.
        prediction: Boolean array of the same shape.

    Returns:
        -1 (nothing predicted) upwards; 0 if both are empty; infinite if only the truth is.

    Raises:
        ValueError: If the shapes differ, or a mask holds other values than 0 and 1.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import relative_volume_difference
        >>> relative_volume_difference(np.array([1, 1, 0, 0]), np.array([1, 1, 1, 0]))
        0.5
    """
    truth, prediction = as_masks(truth, prediction)
    difference = int(np.count_nonzero(prediction)) - int(np.count_nonzero(truth))
    true = int(np.count_nonzero(truth))
    if true == 0:
        return math.inf if difference else 0.0
    return difference / true
