"""What the losses share as Keras objects, and their sums with weights."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras
import numpy as np
from keras import ops

from braintumorseg._core.checks import check_range, wrong
from braintumorseg.losses._inputs import check_values


class SegmentationLoss(keras.losses.Loss):
    """What the losses of this package share: sums with weights, checks of what comes in, and configs.

    ``a + 2 * b`` is a ``WeightedSum``; either side of a sum may be any Keras loss with the same reduction.
    """

    def __init__(self, name: str, reduction: str | None, **options: Any) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")  # whatever the policy
        self._options = options

    def __add__(self, other: keras.losses.Loss) -> WeightedSum:
        return _sum(self, other) if isinstance(other, keras.losses.Loss) else NotImplemented

    def __radd__(self, other: keras.losses.Loss) -> WeightedSum:
        return _sum(other, self) if isinstance(other, keras.losses.Loss) else NotImplemented

    def __mul__(self, factor: Any) -> WeightedSum:
        if not isinstance(factor, Real):
            return NotImplemented
        terms = [(loss, weight * float(factor)) for loss, weight in _terms(self)]
        return WeightedSum(terms, reduction=self.reduction)

    __rmul__ = __mul__

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Check the arrays before Keras turns them into tensors, and reduce the samples' values.

        Args:
            y_true: Array ``(batch, *space, classes)``, or labels ``(batch, *space)`` or ``(batch, *space, 1)``.
            y_pred: Array ``(batch, *space, classes)``.
            sample_weight: Array ``(batch,)`` or ``(batch, 1)``, as a loss has one value a sample.

        Raises:
            ValueError: If values or shapes are not as the loss needs them.
        """
        self._check(y_true, y_pred)
        if sample_weight is not None:
            _check_sample_weight(sample_weight)
        return super().__call__(y_true, y_pred, sample_weight)

    def _check(self, y_true: Any, y_pred: Any) -> None:
        from_logits, ignore = self._options.get("from_logits", False), self._options.get("ignore")
        check_values(y_true, y_pred, from_logits=from_logits, ignore=ignore)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data that JSON can hold."""
        return {**super().get_config(), **self._options}


def _sum(first: keras.losses.Loss, second: keras.losses.Loss) -> WeightedSum:
    if first.reduction != second.reduction:
        msg = wrong("reduction", "the same in both losses of a sum", f"{first.reduction!r} and {second.reduction!r}")
        raise ValueError(msg)
    return WeightedSum([*_terms(first), *_terms(second)], reduction=first.reduction)


def _check_sample_weight(sample_weight: Any) -> None:
    """Refuse weights of pixels, which Keras would broadcast against the samples' values."""
    shape = tuple(sample_weight.shape if hasattr(sample_weight, "shape") else np.shape(sample_weight))
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        allowed = "of shape (batch,) (ignore= leaves pixels out, class_weights= weighs classes)"
        msg = wrong("sample_weight", allowed, f"shape {shape}")
        raise ValueError(msg)


def _terms(loss: keras.losses.Loss) -> list[tuple[keras.losses.Loss, float]]:
    if isinstance(loss, WeightedSum):
        return list(zip(loss.losses, loss.weights, strict=True))
    return [(loss, 1.0)]


@keras.saving.register_keras_serializable("braintumorseg")
class WeightedSum(SegmentationLoss):
    """The sum of several losses with weights, one value a sample; what ``a + 2 * b`` makes.

    A loss that gives a value for each pixel, such as ``keras.losses.BinaryCrossentropy``, is averaged over each sample's
    pixels first. The reductions of the parts are not used: the sum has its own, which ``+`` and ``*`` take from the parts.

    Args:
        terms: Pairs of a Keras loss and its weight, at least 0.
        name: Its name in the logs.
        reduction: How Keras joins the samples' values.

    Raises:
        ValueError: If there is no term, one is no Keras loss, or a weight is below 0.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> from braintumorseg.losses import Dice
        >>> loss = Dice() + 2 * Dice(empty=None) + keras.losses.BinaryCrossentropy()
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(loss(y_true, 0.5 * y_true)), 4)  # 3 / 3 + log(2)
        1.6931
    """

    def __init__(
        self,
        terms: Sequence[tuple[keras.losses.Loss, float]],
        *,
        name: str = "weighted_sum",
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(name, reduction)
        if not terms:
            msg = wrong("terms", "at least one pair of a loss and its weight", terms)
            raise ValueError(msg)
        for loss, weight in terms:
            if not isinstance(loss, keras.losses.Loss):
                msg = wrong("terms", "pairs of a Keras loss and its weight", loss)
                raise ValueError(msg)
            check_range("weight", weight, 0)
        self.losses = [loss for loss, _ in terms]
        self.weights = [float(weight) for _, weight in terms]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a sample."""
        return sum(
            weight * _per_sample(loss.call(y_true, y_pred))
            for loss, weight in zip(self.losses, self.weights, strict=True)
        )

    def _check(self, y_true: Any, y_pred: Any) -> None:
        for loss in self.losses:
            if isinstance(loss, SegmentationLoss):
                loss._check(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data that JSON can hold."""
        terms = [
            [keras.saving.serialize_keras_object(loss), weight]
            for loss, weight in zip(self.losses, self.weights, strict=True)
        ]
        return {**super().get_config(), "terms": terms}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WeightedSum:
        """Build from what ``get_config`` returned."""
        terms = [(keras.saving.deserialize_keras_object(loss), weight) for loss, weight in config["terms"]]
        return cls(**{**config, "terms": terms})


def _per_sample(values: Any) -> Any:
    """Average values ``(batch, ...)`` over all axes but the first."""
    return ops.mean(values, axis=tuple(range(1, len(values.shape)))) if len(values.shape) > 1 else values
