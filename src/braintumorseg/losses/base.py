"""What the losses share as Keras objects, and their sums with weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from braintumorseg._checks import check_range, wrong
from braintumorseg.losses._inputs import check_values


class SegmentationLoss(keras.losses.Loss):
    """What the losses of this file share: sums with weights, checks of NumPy arrays, and configs.

    ``a + 2 * b`` is a ``WeightedSum``; the right side may be any Keras loss.
    """

    def __init__(self, name: str, reduction: str, dtype: Any, **options: Any) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self._options = options

    def __add__(self, other: keras.losses.Loss) -> WeightedSum:
        return WeightedSum([*_terms(self), *_terms(other)])

    def __mul__(self, factor: float) -> WeightedSum:
        return WeightedSum([(loss, weight * factor) for loss, weight in _terms(self)])

    __rmul__ = __mul__

    def __radd__(self, other: keras.losses.Loss) -> WeightedSum:
        return WeightedSum([*_terms(other), *_terms(self)])

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Check NumPy arrays, which Keras turns into tensors, and reduce the samples' values."""
        self._check(y_true, y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def _check(self, y_true: Any, y_pred: Any) -> None:
        from_logits, ignore = self._options.get("from_logits", False), self._options.get("ignore")
        check_values(y_true, y_pred, from_logits=from_logits, ignore=ignore)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data that JSON can hold."""
        return {**super().get_config(), **self._options}


def _terms(loss: keras.losses.Loss) -> list[tuple[keras.losses.Loss, float]]:
    if isinstance(loss, WeightedSum):
        return list(zip(loss.losses, loss.weights, strict=True))
    return [(loss, 1.0)]


@keras.saving.register_keras_serializable("braintumorseg")
class WeightedSum(SegmentationLoss):
    """The sum of several losses with weights, one value a sample; what ``a + 2 * b`` makes.

    A loss that gives a value for each pixel, such as ``keras.losses.BinaryCrossentropy``, is averaged over each sample's
    pixels first. The reductions of the parts are not used: the sum has its own.

    Args:
        terms: Pairs of a Keras loss and its weight, at least 0.
        name: Its name in the logs.
        reduction: How Keras joins the samples' values.
        dtype: Of the inputs' cast; float32 by default, whatever the policy.

    Raises:
        ValueError: If there is no term, or a weight is below 0.

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
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if not terms:
            msg = wrong("terms", "at least one pair of a loss and its weight", terms)
            raise ValueError(msg)
        for _, weight in terms:
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
