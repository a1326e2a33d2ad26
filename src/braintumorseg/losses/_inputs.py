"""What every loss does to its inputs: check, cast to float32, turn logits into probabilities, leave labels out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from braintumorseg._checks import wrong

_TOLERANCE = 1e-3  # what resizing and half precision may add to a share


def prepare(
    y_true: Any, y_pred: Any, from_logits: bool, ignore: float | None, *, independent: bool = False
) -> tuple[Any, Any, Any]:
    """Return truth, probabilities and weights of pixels, float32, after all checks; bad values become NaN."""
    check_values(y_true, y_pred, from_logits=from_logits, ignore=ignore)
    y_true, y_pred = (ops.cast(ops.convert_to_tensor(array), "float32") for array in (y_true, y_pred))
    _check_shapes(y_true.shape, y_pred.shape)
    weight = ops.ones_like(y_true)
    if ignore is not None:
        weight = ops.cast(y_true != ignore, "float32")
        y_true = ops.where(y_true == ignore, 0.0, y_true)
    if from_logits:
        y_pred = ops.sigmoid(y_pred) if independent or y_pred.shape[-1] == 1 else ops.softmax(y_pred, axis=-1)
    return _or_nan(y_true), _or_nan(y_pred), weight


def _or_nan(shares: Any) -> Any:
    """Return the shares, all NaN if any lies outside 0 to 1, since a compiled function can't raise an error."""
    worst = ops.max(ops.abs(shares - 0.5))
    poison = ops.where(worst <= 0.5 + _TOLERANCE, 0.0, float("nan"))
    return shares + ops.cast(poison, "float32")


def mean_over_classes(values: Any, class_weights: Sequence[float] | None) -> Any:
    """Average ``(..., classes)`` over the classes."""
    if class_weights is None:
        return ops.mean(values, axis=-1)
    weights = np.asarray(class_weights, np.float32)
    if weights.shape != (values.shape[-1],) or not (weights >= 0).all() or weights.sum() <= 0:
        msg = wrong("class_weights", f"{values.shape[-1]} numbers of at least 0, not all 0", tuple(class_weights))
        raise ValueError(msg)
    return ops.sum(values * (weights / weights.sum()), axis=-1)


def check_values(y_true: Any, y_pred: Any, *, from_logits: bool, ignore: float | None) -> None:
    """Refuse NumPy arrays outside 0 to 1; tensors are not looked at, as that would wait for their device."""
    arrays = [("y_true", y_true, "write mask > 0 for masks of 0 and 255, or ignore= for a label to leave out")]
    if not from_logits:
        arrays.append(("y_pred", y_pred, "set from_logits=True for logits"))
    for name, array, advice in arrays:
        if not isinstance(array, np.ndarray) or array.size == 0:
            continue
        seen = array[array != ignore] if name == "y_true" and ignore is not None else array
        if seen.size and not (seen.min() >= -_TOLERANCE and seen.max() <= 1 + _TOLERANCE):
            msg = wrong(name, f"between 0 and 1 ({advice})", f"values from {seen.min():.4g} to {seen.max():.4g}")
            raise ValueError(msg)


def _check_shapes(y_true: tuple[int | None, ...], y_pred: tuple[int | None, ...]) -> None:
    fits = len(y_true) == len(y_pred) and all(
        None in pair or len(set(pair)) == 1 for pair in zip(y_true, y_pred, strict=True)
    )
    if not fits:
        advice = "write mask[..., None] to add the axis of classes, one-hot for several"
        msg = wrong("y_true", f"of y_pred's shape {tuple(y_pred)} ({advice})", f"shape {tuple(y_true)}")
        raise ValueError(msg)
    if len(y_pred) < 3:
        msg = wrong("y_pred", "of shape (batch, *space, classes)", f"shape {tuple(y_pred)}")
        raise ValueError(msg)
