"""What the measures ask of masks: binary ones, of one shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong

Mask = NDArray[np.bool_]


def as_mask(name: str, array: NDArray[Any]) -> Mask:
    """Return ``array`` as booleans.

    Raises:
        ValueError: If it holds other values than 0 and 1, such as a mask of 0 and 255, or probabilities.
    """
    array = np.asarray(array)
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        msg = wrong(name, "boolean, or 0 and 1 (write mask > 0 for masks of 0 and 255)", f"values up to {array.max()}")
        raise ValueError(msg)
    return array.astype(np.bool_, copy=False)


def as_masks(truth: NDArray[Any], prediction: NDArray[Any]) -> tuple[Mask, Mask]:
    """Return both as booleans.

    Raises:
        ValueError: If their shapes differ, or one holds other values than 0 and 1.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape:
        msg = wrong("prediction", f"of the truth's shape {truth.shape}", f"shape {prediction.shape}")
        raise ValueError(msg)
    return as_mask("truth", truth), as_mask("prediction", prediction)
