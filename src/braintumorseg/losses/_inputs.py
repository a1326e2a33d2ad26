"""Preparation of the arguments of every loss: check, cast to float32, spread label maps, turn logits into probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from braintumorseg._core.checks import check_in, check_range, wrong
from braintumorseg._core.in_graph import refuse

_TOLERANCE = 1e-3  # what resizing and half precision may add to a share
_HOST = 1  # DLPack's number for the memory of the host
_ALLOWED = {
    "y_true": "y_true must be between 0 and 1 (write mask > 0 for masks of 0 and 255, or ignore= for a label to leave out)",
    "y_pred": "y_pred must be between 0 and 1 (set from_logits=True for logits)",
}


def check_overlap(
    *,
    from_logits: bool,
    smooth_nr: float,
    smooth_dr: float,
    per: str,
    class_weights: Sequence[float] | None,
    ignore: float | None,
    empty: float | None,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
) -> None:
    """Raise ``ValueError`` for an argument that an overlap loss does not take."""
    check_range("alpha", alpha, 0)
    check_range("beta", beta, 0)
    check_range("gamma", gamma, 0, low_open=True)
    check_range("smooth_dr", smooth_dr, 0, low_open=True)
    check_range("smooth_nr", smooth_nr, 0, smooth_dr)  # above smooth_dr, a good prediction would cost less than 0
    check_in("per", per, ("image", "batch"))
    if empty is not None:
        check_range("empty", empty, 0, low_open=True)
    _check_common(from_logits, class_weights, ignore)


def check_focal(
    *, alpha: float, gamma: float, from_logits: bool, class_weights: Sequence[float] | None, ignore: float | None
) -> None:
    """Raise ``ValueError`` for an argument that ``binary_focal`` does not take."""
    check_range("alpha", alpha, 0, 1)
    check_range("gamma", gamma, 0)
    _check_common(from_logits, class_weights, ignore)


def _check_common(from_logits: bool, class_weights: Sequence[float] | None, ignore: float | None) -> None:
    check_in("from_logits", from_logits, (False, True))
    if ignore is not None:
        check_range("ignore", ignore)
    if class_weights is not None:
        for weight in class_weights:
            check_range("class_weights", weight, 0)
        if not sum(class_weights) > 0:
            msg = wrong("class_weights", "above 0 for some class", tuple(class_weights))
            raise ValueError(msg)


def prepare(
    y_true: Any, y_pred: Any, from_logits: bool, ignore: float | None, *, independent: bool = False
) -> tuple[Any, Any, Any]:
    """Return truth, probabilities and weights of pixels, float32, within 0 to 1 after all checks.

    Bad values are an error where the backend can raise one, and NaN elsewhere: in functions compiled by TensorFlow's XLA.
    """
    seen = check_values(y_true, y_pred, from_logits=from_logits, ignore=ignore)
    y_true, y_pred = (ops.cast(ops.convert_to_tensor(array), "float32") for array in (y_true, y_pred))
    if len(y_true.shape) == len(y_pred.shape) - 1 and _fit(y_true.shape, y_pred.shape[:-1]):
        y_true = ops.expand_dims(y_true, -1)
    labels = _are_labels(y_true.shape, y_pred.shape)
    if not labels:
        _check_shapes(y_true.shape, y_pred.shape)
    weight = ops.ones_like(y_true)
    if ignore is not None:
        weight = ops.cast(y_true != ignore, "float32")
        y_true = ops.where(y_true == ignore, 0.0, y_true)
    if labels:
        classes = y_pred.shape[-1]
        if "y_true" not in seen:
            _refuse_no_labels(y_true, classes)
        y_true = _one_hot(y_true, classes)
        weight = weight * ops.ones_like(y_true)
    if from_logits:
        y_pred = ops.sigmoid(y_pred) if independent or y_pred.shape[-1] == 1 else ops.softmax(y_pred, axis=-1)
    if "y_true" not in seen and not labels:
        _refuse_outside(y_true, "y_true")
    if "y_pred" not in seen and not from_logits:
        _refuse_outside(y_pred, "y_pred")
    return _shares(y_true), _shares(y_pred), weight


def _are_labels(y_true: Sequence[int | None], y_pred: Sequence[int | None]) -> bool:
    """Tell by the shapes whether the truth holds one label a pixel, for predictions of several classes."""
    several = y_pred[-1:] not in ((), (1,), (None,))
    return several and len(y_true) == len(y_pred) and y_true[-1] == 1 and _fit(y_true[:-1], y_pred[:-1])


def _fit(first: Sequence[int | None], second: Sequence[int | None]) -> bool:
    return len(first) == len(second) and all(
        None in pair or len(set(pair)) == 1 for pair in zip(first, second, strict=True)
    )


def _labels_allowed(classes: int) -> str:
    return (
        f"y_true must hold labels from 0 to {classes - 1} for {classes} channels, 0 the background under a softmax "
        "(ignore= leaves a label out)"
    )


def _refuse_no_labels(labels: Any, classes: int) -> None:
    bad = ops.logical_or(ops.min(labels) < 0, ops.max(labels) > classes - 1)
    bad = ops.logical_or(bad, ops.any(labels != ops.round(labels)))  # NaN too
    refuse(bad, _labels_allowed(classes), ops.min(labels), ops.max(labels))


def _one_hot(labels: Any, classes: int) -> Any:
    """Spread labels ``(..., 1)`` to maps ``(..., classes)``; NaN where a label is none of theirs."""
    places = ops.reshape(ops.arange(classes, dtype="float32"), (1,) * (len(labels.shape) - 1) + (classes,))
    maps = ops.cast(ops.equal(labels, places), "float32")
    sound = ops.logical_and(labels >= 0, labels <= classes - 1)
    sound = ops.logical_and(sound, labels == ops.round(labels))
    return ops.where(sound, maps, float("nan"))


def _refuse_outside(values: Any, name: str) -> None:
    """Refuse values outside 0 to 1, and NaN in the truth; a prediction of NaN is a training that diverged, and stays one."""
    if 0 in values.shape:
        return
    low, high = ops.min(values), ops.max(values)
    bad = ops.logical_or(low < -_TOLERANCE, high > 1 + _TOLERANCE)
    if name == "y_true":
        bad = ops.logical_or(bad, ops.any(ops.isnan(values)))
    refuse(bad, _ALLOWED[name], low, high)


def _shares(values: Any) -> Any:
    """Move what lies just outside 0 to 1 onto its ends; return NaN if any value lies further out.

    ``ops.clip`` would halve the slope at 0 and 1 on JAX.
    """
    sound = ops.all(ops.abs(values - 0.5) <= 0.5 + _TOLERANCE)
    values = ops.where(values < 0, 0.0, ops.where(values > 1, 1.0, values))
    return ops.where(sound, values, float("nan"))


def mean_over_classes(values: Any, class_weights: Sequence[float] | None) -> Any:
    """Average ``(..., classes)`` over the classes."""
    if class_weights is None:
        return ops.mean(values, axis=-1)
    if len(class_weights) != values.shape[-1]:
        msg = wrong("class_weights", f"{values.shape[-1]} numbers, one a class", tuple(class_weights))
        raise ValueError(msg)
    weights = ops.convert_to_tensor(np.asarray(class_weights, np.float32) / sum(class_weights), "float32")
    return ops.sum(values * weights, axis=-1)


def check_values(y_true: Any, y_pred: Any, *, from_logits: bool, ignore: float | None) -> set[str]:
    """Refuse values outside 0 to 1, where they can be seen without waiting for a device; return names of what was seen."""
    arrays = {"y_true": y_true} if from_logits else {"y_true": y_true, "y_pred": y_pred}
    names = set()
    for name, array in arrays.items():
        seen = _in_host_memory(array)
        if seen is None:
            continue
        names.add(name)
        shapes = tuple(np.shape(y_true)), tuple(np.shape(y_pred))
        if name == "y_true" and len(shapes[0]) == len(shapes[1]) - 1 and _fit(shapes[0], shapes[1][:-1]):
            shapes = (*shapes[0], 1), shapes[1]
        if name == "y_true" and ignore is not None:
            seen = seen[seen != ignore]
        if name == "y_true" and _are_labels(*shapes):
            classes = shapes[1][-1]
            if seen.size and not (seen.min() >= 0 and seen.max() <= classes - 1 and (seen == np.rint(seen)).all()):
                msg = f"{_labels_allowed(classes)}; got values from {float(seen.min()):.4g} to {float(seen.max()):.4g}"
                raise ValueError(msg)
            continue
        if seen.size and not (seen.min() >= -_TOLERANCE and seen.max() <= 1 + _TOLERANCE):
            msg = f"{_ALLOWED[name]}; got values from {float(seen.min()):.4g} to {float(seen.max()):.4g}"
            raise ValueError(msg)
    return names


def _in_host_memory(array: Any) -> np.ndarray | None:
    """Return NumPy's view of an array; None if it lies on another device, or is only being traced."""
    if isinstance(array, np.ndarray | list | tuple):
        return np.asarray(array)
    try:
        device, _ = array.__dlpack_device__()
    except (AttributeError, ValueError):
        return None
    return ops.convert_to_numpy(array) if device == _HOST else None


def _check_shapes(y_true: tuple[int | None, ...], y_pred: tuple[int | None, ...]) -> None:
    if not _fit(y_true, y_pred):
        advice = "or of labels, without the axis of classes or with one of length 1"
        if len(y_true) == len(y_pred) > 2 and (*y_true[2:], y_true[1]) == tuple(y_pred[1:]):
            advice = "classes come last, whatever Keras's image_data_format is: np.moveaxis(mask, 1, -1)"
        msg = wrong("y_true", f"of y_pred's shape {tuple(y_pred)} ({advice})", f"shape {tuple(y_true)}")
        raise ValueError(msg)
    if len(y_pred) < 3:
        msg = wrong("y_pred", "of shape (batch, *space, classes)", f"shape {tuple(y_pred)}")
        raise ValueError(msg)
