"""The losses as Keras objects, for ``compile``: each calls its function and knows its config."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any, Unpack

import keras

from braintumorseg.losses._inputs import check_focal, check_overlap
from braintumorseg.losses.base import SegmentationLoss
from braintumorseg.losses.functions import OverlapOptions, binary_focal, dice, focal_tversky, jaccard, tversky

_DEFAULTS = {
    name: parameter.default
    for name, parameter in signature(tversky).parameters.items()
    if name in OverlapOptions.__annotations__
}


def _complete(options: OverlapOptions, **own: float) -> dict[str, Any]:
    """Fill options with their defaults, so that a stored loss stays what it was if a default ever changes.

    Raises:
        TypeError: If there is no such option.
        ValueError: If one is not what its function takes.
    """
    unknown = sorted(options.keys() - _DEFAULTS.keys())
    if unknown:
        msg = f"unknown option {unknown[0]!r}; allowed are {', '.join(_DEFAULTS)}"
        raise TypeError(msg)
    complete = {**own, **_DEFAULTS, **options}
    check_overlap(**complete)
    return complete


@keras.saving.register_keras_serializable("braintumorseg")
class Dice(SegmentationLoss):
    """``dice`` as a Keras loss.

    Truth and prediction empty: 0. Truth empty, F pixels predicted: F / (F + ``empty``). Prediction empty, truth not: 1.

    Args:
        name: Its name in the logs; ``reduction`` as in every Keras loss.
        **options: The others of ``tversky``, such as ``from_logits``, ``class_weights`` or ``empty``.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import Dice
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(Dice()(y_true, 0.5 * y_true)), 4)
        0.3333
    """

    def __init__(
        self,
        *,
        name: str = "dice_loss",
        reduction: str | None = "sum_over_batch_size",
        **options: Unpack[OverlapOptions],
    ) -> None:
        super().__init__(name, reduction, **_complete(options))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a sample."""
        return dice(y_true, y_pred, **self._options)


@keras.saving.register_keras_serializable("braintumorseg")
class Tversky(SegmentationLoss):
    """``tversky`` as a Keras loss.

    Truth and prediction empty: 0. Truth empty, F pixels predicted: F / (F + ``empty``). Prediction empty, truth not: 1.

    Args:
        alpha: Weight of false positives.
        beta: Weight of false negatives.
        name: Its name in the logs; ``reduction`` as in every Keras loss.
        **options: The others of ``tversky``, such as ``from_logits``, ``class_weights`` or ``empty``.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import Tversky
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(Tversky(alpha=0.3, beta=0.7)(y_true, 0.5 * y_true)), 4)  # 1 - 2 / (2 + 0.7 * 2)
        0.4118
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        *,
        name: str = "tversky_loss",
        reduction: str | None = "sum_over_batch_size",
        **options: Unpack[OverlapOptions],
    ) -> None:
        super().__init__(name, reduction, **_complete(options, alpha=alpha, beta=beta))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a sample."""
        return tversky(y_true, y_pred, **self._options)


@keras.saving.register_keras_serializable("braintumorseg")
class FocalTversky(SegmentationLoss):
    """``focal_tversky`` as a Keras loss.

    Truth and prediction empty: 0. Truth empty, F pixels predicted: (F / (F + ``empty``)) ** (1 / gamma). Prediction empty,
    truth not: 1.

    Args:
        alpha: Weight of false positives.
        beta: Weight of false negatives.
        gamma: The power is its inverse.
        name: Its name in the logs; ``reduction`` as in every Keras loss.
        **options: The others of ``tversky``, such as ``from_logits``, ``class_weights`` or ``empty``.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import FocalTversky
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(FocalTversky(gamma=1)(y_true, 0.5 * y_true)), 4)
        0.4118
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 4 / 3,
        *,
        name: str = "focal_tversky_loss",
        reduction: str | None = "sum_over_batch_size",
        **options: Unpack[OverlapOptions],
    ) -> None:
        super().__init__(name, reduction, **_complete(options, alpha=alpha, beta=beta, gamma=gamma))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a sample."""
        return focal_tversky(y_true, y_pred, **self._options)


@keras.saving.register_keras_serializable("braintumorseg")
class Jaccard(SegmentationLoss):
    """``jaccard`` as a Keras loss.

    Truth and prediction empty: 0. Truth empty, F pixels predicted: F / (F + ``empty``). Prediction empty, truth not: 1.

    Args:
        name: Its name in the logs; ``reduction`` as in every Keras loss.
        **options: The others of ``tversky``, such as ``from_logits``, ``class_weights`` or ``empty``.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import Jaccard
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(Jaccard()(y_true, 0.5 * y_true)), 4)
        0.5
    """

    def __init__(
        self,
        *,
        name: str = "jaccard_loss",
        reduction: str | None = "sum_over_batch_size",
        **options: Unpack[OverlapOptions],
    ) -> None:
        super().__init__(name, reduction, **_complete(options))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a sample."""
        return jaccard(y_true, y_pred, **self._options)


@keras.saving.register_keras_serializable("braintumorseg")
class BinaryFocal(SegmentationLoss):
    """``binary_focal`` as a Keras loss.

    Args:
        alpha: Weight of true pixels.
        gamma: How much pixels that are right already are played down.
        from_logits: As in ``binary_focal``, and so the next ones, down to ``ignore``.
        name: Its name in the logs; ``reduction`` as in every Keras loss.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.losses import BinaryFocal
        >>> y_true = np.ones((1, 2, 2, 1), "float32")
        >>> round(float(BinaryFocal(alpha=0.5, gamma=0)(y_true, 0.5 * y_true)), 4)  # half of log(2)
        0.3466
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        *,
        from_logits: bool = False,
        class_weights: Sequence[float] | None = None,
        ignore: float | None = None,
        name: str = "binary_focal_loss",
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        check_focal(alpha=alpha, gamma=gamma, from_logits=from_logits, class_weights=class_weights, ignore=ignore)
        super().__init__(
            name, reduction,
            alpha=alpha, gamma=gamma, from_logits=from_logits, class_weights=class_weights, ignore=ignore,
        )  # fmt: skip

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return one value a sample."""
        return binary_focal(y_true, y_pred, **self._options)
