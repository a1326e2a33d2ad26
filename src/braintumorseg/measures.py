"""What is published of a segmentation: overlap with the truth, in plain NumPy, one study at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._checks import wrong


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
        >>> from braintumorseg import dice
        >>> dice(np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0]))
        0.5
    """
    truth, prediction = _as_masks(truth, prediction)
    total = np.count_nonzero(truth) + np.count_nonzero(prediction)
    return 2 * np.count_nonzero(truth & prediction) / total if total else float(empty)


def _as_masks(truth: NDArray[Any], prediction: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape:
        msg = wrong("prediction", f"of the truth's shape {truth.shape}", f"shape {prediction.shape}")
        raise ValueError(msg)
    return _as_mask("truth", truth), _as_mask("prediction", prediction)


def _as_mask(name: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        msg = wrong(name, "boolean, or 0 and 1 (write mask > 0 for masks of 0 and 255)", f"values up to {array.max()}")
        raise ValueError(msg)
    return array.astype(np.bool_, copy=False)
