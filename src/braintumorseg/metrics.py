"""Streaming metrics for ``compile`` and ``evaluate``: Dice, IoU, precision, recall, specificity.

They watch a training: slices go in by batches, on the model's grid. The figures that are published come from
``braintumorseg.measures``, whole volumes on the study's own grid; ``braintumorseg.callbacks.PatientDice`` brings those
into a training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import keras
from keras import ops

from braintumorseg._core.checks import check_in, check_integer, check_range, wrong
from braintumorseg.losses._inputs import prepare

__all__ = ["ConfusionMetric", "Counts", "DiceScore", "IoU", "Precision", "Recall", "Specificity", "confusion_counts"]

Per = Literal["image", "dataset"]
Empty = float | Literal["skip"]


class Counts(NamedTuple):
    """Voxels by truth and prediction, float32 arrays of one shape, such as ``(batch, classes)``.

    Attributes:
        tp: True positives.
        fp: False positives.
        fn: False negatives.
        tn: True negatives.
    """

    tp: Any
    fp: Any
    fn: Any
    tn: Any


def confusion_counts(
    y_true: Any, y_pred: Any, *, threshold: float = 0.5, from_logits: bool = False, ignore: float | None = None
) -> Counts:
    """Count the voxels of each sample and class by truth and prediction.

    A voxel is true where ``y_true`` is at least 0.5 (a target may hold the share of each pixel that the mask covers),
    and predicted where the probability is at least ``threshold``, in float32. Each class is compared with the
    threshold for itself, also where a softmax made them.

    Args:
        y_true: Array ``(batch, *space, classes)``, 0 to 1, of any dtype; or labels ``(batch, *space)`` or
            ``(batch, *space, 1)``, each the number of a channel of ``y_pred`` from 0.
        y_pred: Array ``(batch, *space, classes)``: probabilities, or logits with ``from_logits``.
        threshold: Above 0 and at most 1.
        from_logits: Whether ``y_pred`` are logits. A sigmoid is applied to one class, a softmax over several.
        ignore: Voxels where ``y_true`` has this value are not counted.

    Returns:
        Four float32 arrays ``(batch, classes)``, exact up to ``2**24`` voxels a sample, and rounded beyond. NaN for
        predictions of NaN in a compiled function, and for values outside 0 to 1 in one that TensorFlow compiles by XLA.

    Raises:
        ValueError: If the shapes differ, or values lie outside 0 to 1. Compiled functions raise their backend's own error for
            values.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.metrics import confusion_counts
        >>> y_true, y_pred = np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.2, 0.7, 0.1, 0.1])
        >>> counts = confusion_counts(y_true[None, :, None], y_pred[None, :, None])
        >>> [float(count[0, 0]) for count in counts]
        [1.0, 1.0, 1.0, 2.0]
    """
    check_range("threshold", threshold, 0, 1, low_open=True)
    y_true, y_pred, weight = prepare(y_true, y_pred, from_logits, ignore)
    truth, prediction, kept = y_true >= 0.5, y_pred >= threshold, weight > 0
    # No comparison is true of NaN, which would pass for background.
    poison = ops.cast(ops.where(ops.isnan(ops.sum(y_true) + ops.sum(y_pred)), float("nan"), 0.0), "float32")
    space = tuple(range(1, len(y_true.shape) - 1))

    def count(mask: Any) -> Any:
        # Integers, since a float32 that counts in steps of 1 stops at 2**24.
        counted = mask if ignore is None else ops.logical_and(mask, kept)
        return ops.cast(ops.sum(ops.cast(counted, "int"), axis=space), "float32") + poison

    return Counts(
        tp=count(ops.logical_and(truth, prediction)),
        fp=count(ops.logical_and(ops.logical_not(truth), prediction)),
        fn=count(ops.logical_and(truth, ops.logical_not(prediction))),
        tn=count(ops.logical_not(ops.logical_or(truth, prediction))),
    )


class ConfusionMetric(keras.metrics.Metric, ABC):
    """What the metrics of this file share: a quotient of counted voxels, over the dataset or as a mean over samples.

    The last axis holds the classes. A score is made for each class, and the scores of the classes are averaged at the end.

    Where the quotient is 0 / 0, the score is ``empty`` if truth and prediction agree, and 0 if they do not, as in
    ``braintumorseg.measures``. With ``empty="skip"``, both are left out of the mean:

    | metric | both empty | only the truth is empty | only the prediction is empty |
    |---|---|---|---|
    | Dice, IoU | ``empty`` | 0 | 0 |
    | precision | ``empty`` | 0 | 0, or skipped |
    | recall | ``empty`` | 0, or skipped | 0 |

    Specificity is the recall of the background: where both masks are full it is ``empty``, and where only the truth is
    full it is 0, or skipped.

    Most slices of a study show no tumour. With ``per="image"`` and ``empty=1.0``, a model that finds nothing scores their
    share (two thirds in the LGG dataset); ``per="dataset"`` and ``empty="skip"`` give it nothing for them.

    The sums are kept in two float32 parts, which hold 48 bits, so that they go on counting beyond ``2**24`` voxels on
    every backend. But for the last digit, they do not depend on how the samples are batched, and they add up over replicas.

    Args:
        per: ``"dataset"`` pools the voxels of all samples; ``"image"`` is the mean of the samples' scores.
        threshold: A voxel is predicted where its probability is at least this; above 0 and at most 1.
        empty: The score, 0 to 1, where the quotient is 0 / 0 and the masks agree, or ``"skip"``.
        classes: Number of channels of what comes, its last axis; that of the first batch if not given.
        class_id: The one channel to look at, from 0; ``None`` averages over all.
        from_logits: Whether predictions are logits. A sigmoid is applied to one class, a softmax over several.
        class_weights: Weight of each channel in the mean; equal by default. ``(0, 1, 1)`` leaves the first one out, which is
            the background under a softmax.
        ignore: Voxels where the truth has this value are not counted.
        name: Its name in the logs.
        dtype: Only kept for Keras: the metric counts in float32 whatever it says.

    Raises:
        ValueError: If an argument is not as stated.
    """

    default_name: ClassVar[str]

    def __init__(
        self,
        per: Per = "dataset",
        *,
        threshold: float = 0.5,
        empty: Empty = 1.0,
        classes: int | None = None,
        class_id: int | None = None,
        from_logits: bool = False,
        class_weights: Sequence[float] | None = None,
        ignore: float | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        check_in("per", per, ("image", "dataset"))
        check_range("threshold", threshold, 0, 1, low_open=True)
        if empty != "skip":
            check_range("empty", empty, 0, 1)
        if classes is not None:
            check_integer("classes", classes, 1)
        if class_id is not None:
            check_integer("class_id", class_id, 0)
        if ignore is not None:
            check_range("ignore", ignore)
        if class_weights is not None:
            for weight in class_weights:
                check_range("class_weights", weight, 0)
            if class_id is not None or not sum(class_weights) > 0:
                allowed = "above 0 for some class, and left out where class_id is given"
                raise ValueError(wrong("class_weights", allowed, tuple(class_weights)))
        super().__init__(dtype=dtype, name=name or self.default_name)
        self.per = per
        self.threshold = float(threshold)  # plain numbers, for configs in JSON
        self.empty = "skip" if empty == "skip" else float(empty)
        self.classes = None if classes is None else int(classes)
        self.class_id = None if class_id is None else int(class_id)
        self.from_logits = from_logits
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]
        self.ignore = ignore
        self._high: Any = None
        self._low: Any = None
        if classes is not None:
            self._begin(int(classes))

    def _begin(self, classes: int) -> None:
        """Make the sums for so many channels."""
        if self.class_id is not None and self.class_id >= classes:
            msg = wrong("class_id", f"None or an integer from 0 to {classes - 1}, as there are classes", self.class_id)
            raise ValueError(msg)
        if self.class_weights is not None and len(self.class_weights) != classes:
            msg = wrong("class_weights", f"{classes} numbers, one a class", tuple(self.class_weights))
            raise ValueError(msg)
        # Rows: true and false positives and negatives, or the weighted scores of samples and their weights.
        shape = (4 if self.per == "dataset" else 2, classes if self.class_id is None else 1)
        self._high = self.add_variable(shape, "zeros", dtype="float32", name="high")
        self._low = self.add_variable(shape, "zeros", dtype="float32", name="low")

    @staticmethod
    @abstractmethod
    def fraction(counts: Counts) -> tuple[Any, Any]:
        """Return numerator and denominator of the metric; elementwise."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add one batch.

        Args:
            y_true: Array ``(batch, *space, classes)``, 0 to 1, or labels: as for ``confusion_counts``.
            y_pred: Array ``(batch, *space, classes)``: probabilities, or logits with ``from_logits``.
            sample_weight: One weight for each sample, ``(batch,)`` or ``(batch, 1, ...)``: how much the sample's score
                counts in the mean, or how much each of its voxels counts in the pool.

        Raises:
            ValueError: As ``confusion_counts``; if the number of classes is not ``classes``; or if the weights are not
                one for each sample.
        """
        counts = confusion_counts(
            y_true, y_pred, threshold=self.threshold, from_logits=self.from_logits, ignore=self.ignore
        )
        batch, classes = counts.tp.shape
        if self._high is None:
            self._begin(classes)
        known = self._high.shape[-1] if self.class_id is None else self.classes
        if known not in (None, classes):
            msg = wrong(
                "y_pred",
                f"of shape (batch, *space, {known}), as classes= or the first batch says",
                f"{classes} classes",
            )
            raise ValueError(msg)
        if self.class_id is not None:
            counts = Counts(*(count[:, self.class_id : self.class_id + 1] for count in counts))
        rows = ops.stack(self._score(counts) if self.per == "image" else counts, axis=1)
        if sample_weight is not None:
            sample_weight = ops.cast(ops.convert_to_tensor(sample_weight), "float32")
            _check_weight(tuple(sample_weight.shape), batch)
            rows = rows * ops.reshape(sample_weight, (-1, 1, 1))
        high, error = _two_sum(ops.convert_to_tensor(self._high), ops.sum(rows, axis=0))
        self._high.assign(high)
        self._low.assign(self._low + error)

    def result(self) -> Any:
        """Return the score of all samples so far, a float32 scalar; NaN if none had one, or if values were bad."""
        if self._high is None:
            return ops.convert_to_tensor(float("nan"), "float32")
        rows = self._high + self._low
        if self.per == "image":
            scores, seen = _divide(rows[0], rows[1], 0.0), rows[1] != 0
        else:
            scores, defined = self._score(Counts(rows[0], rows[1], rows[2], rows[3]))
            seen = ops.logical_and(defined != 0, ops.sum(rows, axis=0) != 0)
        seen = ops.cast(seen, "float32")
        if self.class_weights is not None:
            seen = seen * ops.convert_to_tensor(self.class_weights, "float32")
        return _divide(ops.sum(scores * seen), ops.sum(seen), float("nan"))

    def _score(self, counts: Counts) -> tuple[Any, Any]:
        """Return the scores, and 1 where they count in a mean, 0 where they are skipped (and are 0)."""
        part, whole = self.fraction(counts)
        if self.empty == "skip":
            return _divide(part, whole, 0.0), ops.cast(whole != 0, "float32")
        agree = ops.cast(counts.fp + counts.fn == 0, "float32")
        return _divide(part, whole, self.empty * agree), ops.ones_like(whole)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data that JSON can hold."""
        names = ("per", "threshold", "empty", "classes", "class_id", "from_logits", "class_weights", "ignore")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("braintumorseg")
class DiceScore(ConfusionMetric):
    """The Dice coefficient, 2 TP / (2 TP + FP + FN). Arguments and empty cases as in ``ConfusionMetric``.

    References:
        Dice: "Measures of the amount of ecologic association between species", Ecology 26, 1945.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.metrics import DiceScore
        >>> metric = DiceScore()
        >>> y_true, y_pred = np.array([1, 1, 0, 0]), np.array([0.1, 0.8, 0.9, 0.2])
        >>> float(metric(y_true.reshape(1, 2, 2, 1), y_pred.reshape(1, 2, 2, 1)))
        0.5
    """

    default_name = "dice_score"

    @staticmethod
    def fraction(counts: Counts) -> tuple[Any, Any]:
        """Return 2 TP and 2 TP + FP + FN."""
        return 2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn


@keras.saving.register_keras_serializable("braintumorseg")
class IoU(ConfusionMetric):
    """Intersection over union (Jaccard index), TP / (TP + FP + FN). Arguments and empty cases as in ``ConfusionMetric``.

    References:
        Jaccard: "The distribution of the flora in the alpine zone", New Phytologist 11, 1912.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.metrics import IoU
        >>> metric = IoU(per="image", empty="skip")
        >>> y_true, y_pred = np.zeros((3, 8, 8, 1)), np.zeros((3, 8, 8, 1))
        >>> y_true[0, 2:4], y_pred[0, 2:6] = 1, 0.9
        >>> float(metric(y_true, y_pred))
        0.5
    """

    default_name = "iou"

    @staticmethod
    def fraction(counts: Counts) -> tuple[Any, Any]:
        """Return TP and TP + FP + FN."""
        return counts.tp, counts.tp + counts.fp + counts.fn


@keras.saving.register_keras_serializable("braintumorseg")
class Precision(ConfusionMetric):
    """Share of the predicted voxels that are true, TP / (TP + FP). Arguments and empty cases as in ``ConfusionMetric``.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.metrics import Precision
        >>> metric = Precision()
        >>> y_true, y_pred = np.array([1, 0, 0, 0]), np.array([0.8, 0.9, 0.6, 0.7])
        >>> float(metric(y_true.reshape(1, 2, 2, 1), y_pred.reshape(1, 2, 2, 1)))
        0.25
    """

    default_name = "precision"

    @staticmethod
    def fraction(counts: Counts) -> tuple[Any, Any]:
        """Return TP and TP + FP."""
        return counts.tp, counts.tp + counts.fp


@keras.saving.register_keras_serializable("braintumorseg")
class Recall(ConfusionMetric):
    """Share of the true voxels that are predicted (sensitivity), TP / (TP + FN). Arguments as in ``ConfusionMetric``.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.metrics import Recall
        >>> metric = Recall()
        >>> y_true, y_pred = np.array([1, 1, 1, 1]), np.array([0.8, 0.2, 0.1, 0.3])
        >>> float(metric(y_true.reshape(1, 2, 2, 1), y_pred.reshape(1, 2, 2, 1)))
        0.25
    """

    default_name = "recall"

    @staticmethod
    def fraction(counts: Counts) -> tuple[Any, Any]:
        """Return TP and TP + FN."""
        return counts.tp, counts.tp + counts.fn


@keras.saving.register_keras_serializable("braintumorseg")
class Specificity(ConfusionMetric):
    """Share of the background that is left alone, TN / (TN + FP). Arguments and empty cases as in ``ConfusionMetric``.

    Tumours are small: a specificity of 0.99 is a false positive as large as many tumours.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.metrics import Specificity
        >>> metric = Specificity()
        >>> y_true, y_pred = np.array([0, 0, 0, 0]), np.array([0.8, 0.2, 0.1, 0.3])
        >>> float(metric(y_true.reshape(1, 2, 2, 1), y_pred.reshape(1, 2, 2, 1)))
        0.75
    """

    default_name = "specificity"

    @staticmethod
    def fraction(counts: Counts) -> tuple[Any, Any]:
        """Return TN and TN + FP."""
        return counts.tn, counts.tn + counts.fp


def _two_sum(first: Any, second: Any) -> tuple[Any, Any]:
    """Return the sum and its rounding error, exactly (Knuth, The Art of Computer Programming 2, 4.2.2)."""
    total = first + second
    second_share = total - first
    first_share = total - second_share
    return total, (first - first_share) + (second - second_share)


def _divide(part: Any, whole: Any, undefined: Any) -> Any:
    """Return ``part / whole``, and ``undefined`` where ``whole`` is 0."""
    return ops.where(whole == 0, undefined, part / ops.where(whole == 0, 1.0, whole))


def _check_weight(shape: tuple[int | None, ...], batch: int | None) -> None:
    if not shape or (None not in (shape[0], batch) and shape[0] != batch) or any(side != 1 for side in shape[1:]):
        msg = wrong("sample_weight", f"one weight for each sample, of shape ({batch},)", f"shape {shape}")
        raise ValueError(msg)
