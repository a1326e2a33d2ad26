"""How many voxels two masks share: Dice, IoU, precision, recall.

All are 0 to 1. Two empty masks give ``empty`` (1 by default); where only one is empty, the measure is 0, also where the
quotient would be 0 / 0 (the precision of an empty prediction, the recall of an empty truth).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg.measures._masks import as_masks


def dice(truth: NDArray[Any], prediction: NDArray[Any], *, empty: float = 1.0) -> float:
    """Return the Dice coefficient of two masks, 2 |A and B| / (|A| + |B|).

    Over a whole volume, this is the convention that the project's headline figures use, one value a patient.

    Args:
        truth: Boolean array (or 0 and 1) of any shape, such as ``(slices, height, width)``.
        prediction: Boolean array of the same shape.
        empty: What it is if both are empty. If only one is, it is 0.

    Returns:
        0 to 1; symmetric in its first two arguments.

    Raises:
        ValueError: If the shapes differ, or a mask holds other values than 0 and 1.

    References:
        Dice: "Measures of the amount of ecologic association between species", Ecology 26, 1945.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import dice
        >>> dice(np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0]))
        0.5
    """
    both, in_truth, in_prediction = _count(truth, prediction)
    return _quotient(2 * both, in_truth + in_prediction, empty)


def iou(truth: NDArray[Any], prediction: NDArray[Any], *, empty: float = 1.0) -> float:
    """Return the intersection over union (Jaccard index) of two masks, |A and B| / |A or B|.

    Args:
        truth: Boolean array (or 0 and 1) of any shape, such as ``(slices, height, width)``.
        prediction: Boolean array of the same shape.
        empty: What it is if both are empty. If only one is, it is 0.

    Returns:
        0 to 1; symmetric in its first two arguments; ``dice / (2 - dice)``.

    Raises:
        ValueError: If the shapes differ, or a mask holds other values than 0 and 1.

    References:
        Jaccard: "The distribution of the flora in the alpine zone", New Phytologist 11, 1912.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import iou
        >>> iou(np.array([1, 1, 0, 0]), np.array([1, 1, 1, 1]))
        0.5
    """
    both, in_truth, in_prediction = _count(truth, prediction)
    return _quotient(both, in_truth + in_prediction - both, empty)


def precision(truth: NDArray[Any], prediction: NDArray[Any], *, empty: float = 1.0) -> float:
    """Return the share of the predicted voxels that are true (positive predictive value).

    Args:
        truth: Boolean array (or 0 and 1) of any shape, such as ``(slices, height, width)``.
        prediction: Boolean array of the same shape.
        empty: What it is if both are empty. An empty prediction of a truth that is not empty has precision 0.

    Returns:
        0 to 1.

    Raises:
        ValueError: If the shapes differ, or a mask holds other values than 0 and 1.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import precision
        >>> precision(np.array([1, 0, 0, 0]), np.array([1, 1, 0, 0]))
        0.5
    """
    both, in_truth, in_prediction = _count(truth, prediction)
    return _quotient(both, in_prediction, empty if in_truth == 0 else 0.0)


def recall(truth: NDArray[Any], prediction: NDArray[Any], *, empty: float = 1.0) -> float:
    """Return the share of the true voxels that are predicted (sensitivity).

    Args:
        truth: Boolean array (or 0 and 1) of any shape, such as ``(slices, height, width)``.
        prediction: Boolean array of the same shape.
        empty: What it is if both are empty. An empty truth with a prediction that is not empty has recall 0.

    Returns:
        0 to 1.

    Raises:
        ValueError: If the shapes differ, or a mask holds other values than 0 and 1.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import recall
        >>> recall(np.array([1, 1, 0, 0]), np.array([0, 1, 1, 1]))
        0.5
    """
    both, in_truth, in_prediction = _count(truth, prediction)
    return _quotient(both, in_truth, empty if in_prediction == 0 else 0.0)


def _count(truth: NDArray[Any], prediction: NDArray[Any]) -> tuple[int, int, int]:
    """Count the voxels of both masks, of the truth, and of the prediction."""
    truth, prediction = as_masks(truth, prediction)
    return (
        int(np.count_nonzero(truth & prediction)),
        int(np.count_nonzero(truth)),
        int(np.count_nonzero(prediction)),
    )


def _quotient(part: int, whole: int, undefined: float) -> float:
    return part / whole if whole else float(undefined)
