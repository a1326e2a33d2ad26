"""The losses as pure functions: ``(y_true, y_pred) -> (batch,)``, with ``keras.ops`` alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Unpack

from keras import ops

from braintumorseg._core.checks import check_range
from braintumorseg.losses._inputs import check_focal, check_overlap, mean_over_classes, prepare

Per = Literal["image", "batch"]


class OverlapOptions(TypedDict, total=False):
    """What all overlap losses take; ``tversky`` says what each means and its default."""

    from_logits: bool
    smooth_nr: float
    smooth_dr: float
    per: Per
    class_weights: Sequence[float] | None
    ignore: float | None
    empty: float | None


_STEP = 1e-6  # keeps the slope of a root finite at 0
_CLIP = 1e-7  # keeps the logarithm of a probability finite


def tversky(
    y_true: Any,
    y_pred: Any,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    from_logits: bool = False,
    smooth_nr: float = 0.0,
    smooth_dr: float = 1e-6,
    per: Per = "image",
    class_weights: Sequence[float] | None = None,
    ignore: float | None = None,
    empty: float | None = 100.0,
) -> Any:
    """Return one minus the Tversky index, TP / (TP + alpha FP + beta FN).

    A class without any true pixel has no overlap to measure, and two thirds of real slices are of that kind. ``empty``
    says what they cost, with F the sum of the probabilities, in pixels:

    | truth | prediction | ``empty=100`` (default) | ``empty=None`` |
    |---|---|---|---|
    | empty | empty | 0 | 0 |
    | empty | F pixels | F / (F + 100): 0.5 at 100 pixels, towards 1 | 0 |
    | some | empty | 1 | 1 |
    | some | the same | 0 | 0 |

    Args:
        y_true: Array ``(batch, *space, classes)`` of 0 and 1, one-hot or nested, or of the share of a pixel that the mask
            covers; with shares, the least loss is above 0. Or labels ``(batch, *space)`` or ``(batch, *space, 1)``, each the
            number of a channel of ``y_pred`` from 0, which is the background under a softmax.
        y_pred: Array ``(batch, *space, classes)``: probabilities, or logits if ``from_logits``.
        alpha: Weight of false positives, at least 0.
        beta: Weight of false negatives, at least 0; above ``alpha``, it favours recall.
        from_logits: Whether ``y_pred`` are logits. A sigmoid is applied to one class, a softmax over several.
        smooth_nr: Added to the numerator; at most ``smooth_dr``.
        smooth_dr: Added to the denominator, above 0. Equal terms of 1 give the smoothed index of many codes, which
            costs 0 at a perfect prediction and less than 1 for missing a tiny region.
        per: ``"image"`` counts pixels sample by sample; ``"batch"`` counts them over the batch, as if it were one image,
            and gives every sample that one value; of several replicas, each counts its own part of the batch.
        class_weights: Weight of each class in a sample's value; equal by default. ``(0, 1, 1)`` leaves the first channel out.
        ignore: Pixels where ``y_true`` has this value take no part.
        empty: What a class without any true pixel costs: F / (F + ``empty``), F being the false positives in pixels;
            ``None`` for nothing.

    Returns:
        Float32 array ``(batch,)``, 0 to 1. NaN if values outside 0 to 1 came inside a function that TensorFlow compiles by
        XLA, where no error can be raised.

    Raises:
        ValueError: If the shapes differ, an argument is not as stated, or values lie outside 0 to 1. Compiled functions raise
            their backend's own error for values.

    References:
        Salehi, Erdogmus, Gholipour: "Tversky loss function for image segmentation using 3D fully convolutional deep
        networks", MLMI 2017.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import tversky
        >>> y_true, y_pred = np.zeros((2, 1, 2, 2, 1), "float32")
        >>> y_true[0, 0], y_pred[0, :, 0] = 1, 1
        >>> round(float(tversky(y_true, y_pred, alpha=0.3, beta=0.7)[0]), 4)  # TP 1, FP 1, FN 1
        0.5
    """
    check_overlap(
        alpha=alpha, beta=beta, from_logits=from_logits, smooth_nr=smooth_nr, smooth_dr=smooth_dr, per=per,
        class_weights=class_weights, ignore=ignore, empty=empty,
    )  # fmt: skip
    y_true, y_pred, weight = prepare(y_true, y_pred, from_logits, ignore)

    axes = tuple(range(0 if per == "batch" else 1, len(y_pred.shape) - 1))
    true_positives = ops.sum(weight * y_true * y_pred, axis=axes)
    false_positives = ops.sum(weight * (1 - y_true) * y_pred, axis=axes)
    false_negatives = ops.sum(weight * y_true * (1 - y_pred), axis=axes)
    whole = true_positives + alpha * false_positives + beta * false_negatives
    overlap = 1 - (true_positives + smooth_nr) / (whole + smooth_dr)
    invented = ops.zeros_like(overlap) if empty is None else false_positives / (false_positives + empty)
    values = mean_over_classes(ops.where(true_positives + false_negatives > 0, overlap, invented), class_weights)
    return ops.broadcast_to(values, (ops.shape(y_pred)[0],)) if per == "batch" else values


def dice(y_true: Any, y_pred: Any, **options: Unpack[OverlapOptions]) -> Any:
    """Return one minus the Dice coefficient, 2 TP / (2 TP + FP + FN): ``tversky`` with both weights 0.5.

    Args:
        y_true: As for ``tversky``.
        y_pred: As for ``tversky``.
        **options: Those of ``tversky`` save ``alpha`` and ``beta``. The smoothing terms go with TP, not with 2 TP, so that
            half of what other codes call ``smooth`` does the same.

    Returns:
        Float32 array ``(batch,)``, 0 to 1.

    Raises:
        ValueError: As ``tversky``.

    References:
        Milletari, Navab, Ahmadi: "V-Net", 3DV 2016; without the squares in its denominator.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import dice
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(dice(y_true, 0.5 * y_true)[0]), 4)
        0.3333
    """
    return tversky(y_true, y_pred, alpha=0.5, beta=0.5, **options)


def jaccard(y_true: Any, y_pred: Any, **options: Unpack[OverlapOptions]) -> Any:
    """Return one minus intersection over union, TP / (TP + FP + FN): ``tversky`` with both weights 1.

    Args:
        y_true: As for ``tversky``.
        y_pred: As for ``tversky``.
        **options: Those of ``tversky`` save ``alpha`` and ``beta``.

    Returns:
        Float32 array ``(batch,)``, 0 to 1.

    Raises:
        ValueError: As ``tversky``.

    References:
        Jaccard: "The distribution of the flora in the alpine zone", New Phytologist 11, 1912.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import jaccard
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(jaccard(y_true, 0.5 * y_true)[0]), 4)
        0.5
    """
    return tversky(y_true, y_pred, alpha=1.0, beta=1.0, **options)


def focal_tversky(
    y_true: Any,
    y_pred: Any,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 4 / 3,
    **options: Unpack[OverlapOptions],
) -> Any:
    """Return the Tversky loss to the power 1 / gamma, which above 1 weighs what is nearly right more.

    The root's slope is kept finite at 0 by a shift of 1e-6 under it, undone at both ends: 0 stays 0, and 1 stays 1.

    Args:
        y_true: As for ``tversky``.
        y_pred: As for ``tversky``.
        alpha: Weight of false positives.
        beta: Weight of false negatives.
        gamma: Above 0; 4 / 3 in the paper.
        **options: The others of ``tversky``. The power applies to each sample's value, after the mean over classes.

    Returns:
        Float32 array ``(batch,)``, 0 to 1.

    Raises:
        ValueError: As ``tversky``; if ``gamma`` is not above 0.

    References:
        Abraham, Khan: "A novel focal Tversky loss function with improved attention U-Net for lesion segmentation",
        ISBI 2019 (arXiv 2018).

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import focal_tversky
        >>> y_true, y_pred = np.zeros((2, 1, 2, 2, 1), "float32")
        >>> y_true[0, 0], y_pred[0, :, 0] = 1, 1
        >>> round(float(focal_tversky(y_true, y_pred)[0]), 4)  # 0.5 to the power 3 / 4
        0.5946
    """
    check_range("gamma", gamma, 0, low_open=True)
    power = 1 / gamma
    lowest, highest = _STEP**power, (1 + _STEP) ** power
    return ((tversky(y_true, y_pred, alpha=alpha, beta=beta, **options) + _STEP) ** power - lowest) / (highest - lowest)


def binary_focal(
    y_true: Any,
    y_pred: Any,
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    class_weights: Sequence[float] | None = None,
    ignore: float | None = None,
) -> Any:
    """Return the focal loss, the mean over pixels of -alpha_t (1 - p_t) ** gamma log(p_t).

    Unlike ``keras.losses.BinaryFocalCrossentropy``, it gives one value a sample, weighs both classes by default as the paper
    does, and can leave pixels out. Unlike the overlap losses, it takes each channel by itself: several are independent.

    Args:
        y_true: As for ``tversky``.
        y_pred: As for ``tversky``; with ``from_logits``, a sigmoid is applied to each channel.
        alpha: Weight of true pixels, 0 to 1; the background has 1 - alpha.
        gamma: How much pixels that are right already are played down, at least 0. 0 gives weighted cross-entropy.
        from_logits: Whether ``y_pred`` are logits.
        class_weights: Weight of each class in a sample's value; equal by default.
        ignore: Pixels where ``y_true`` has this value take no part.

    Returns:
        Float32 array ``(batch,)``, at least 0; 0 for a sample without any pixel to count.

    Raises:
        ValueError: As ``tversky``.

    References:
        Lin et al.: "Focal loss for dense object detection", ICCV 2017, equation 5.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import binary_focal
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(binary_focal(y_true, 0.5 * y_true)[0]), 4)  # 0.25 * 0.5 ** 2 * log(2)
        0.0433
    """
    check_focal(alpha=alpha, gamma=gamma, from_logits=from_logits, class_weights=class_weights, ignore=ignore)
    logits = ops.cast(ops.convert_to_tensor(y_pred), "float32") if from_logits else None
    y_true, y_pred, weight = prepare(y_true, y_pred, from_logits, ignore, independent=True)
    if logits is None:
        clipped = ops.clip(y_pred, _CLIP, 1 - _CLIP)
        log_true, log_false = ops.log(clipped), ops.log(1 - clipped)
    else:
        log_true, log_false = -ops.softplus(-logits), -ops.softplus(logits)
    of_true = alpha * y_true * _power(1 - y_pred, gamma) * log_true
    of_false = (1 - alpha) * (1 - y_true) * _power(y_pred, gamma) * log_false
    axes = tuple(range(1, len(y_pred.shape) - 1))
    pixels = ops.sum(weight, axis=axes)
    values = -ops.sum(weight * (of_true + of_false), axis=axes) / ops.maximum(pixels, 1.0)
    return mean_over_classes(values, class_weights)


def _power(base: Any, exponent: float) -> Any:
    """Raise a share to a power of at least 0, with a finite slope at 0 for powers below 1."""
    if exponent >= 1 or exponent == 0:
        return base**exponent
    return (base + _STEP) ** exponent - _STEP**exponent
