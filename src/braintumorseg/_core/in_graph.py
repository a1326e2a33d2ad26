"""Errors about values that only a compiled function sees.

``keras.ops`` has no assertion, so each backend's own way to the host stands here, and here alone. A function that TensorFlow
compiles by XLA has none: the values that come from it must show the fault themselves, as NaN.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from braintumorseg._core.optional import lazy

_keras = lazy("keras")
_jax = lazy("jax")
_tensorflow = lazy("tensorflow")


def refuse(bad: Any, message: str, low: Any, high: Any) -> None:
    """Raise an error if a tensor is true: at once where its value is known, else when the function that is traced runs.

    Args:
        bad: Boolean scalar, a tensor of the backend.
        message: What is allowed; the range that came is added.
        low: Scalar, the least value that came.
        high: Scalar, the greatest one.

    Raises:
        ValueError: If it is true. From a compiled function, JAX raises its own error around this one, and TensorFlow an
            ``InvalidArgumentError`` of the same words.
    """
    backend = _keras.config.backend()
    # Under a gradient alone, JAX knows what is true, and traces the numbers that it was told by.
    if all(is_known(each) for each in (bad, low, high)):
        _raise_if(message, *(_keras.ops.convert_to_numpy(each) for each in (bad, low, high)))
    elif backend == "tensorflow":
        _tensorflow.debugging.Assert(_tensorflow.logical_not(bad), [f"{message}; got values from", low, "to", high])
    elif backend == "jax":
        _jax.debug.callback(partial(_raise_if, message), bad, low, high)


def is_known(tensor: Any) -> bool:
    """Tell whether a tensor has a value, on whatever device, and is not only being traced."""
    try:
        tensor.__dlpack_device__()
    except (AttributeError, ValueError):
        return False
    return True


def _raise_if(message: str, bad: Any, low: Any, high: Any) -> None:
    if bad:
        msg = f"{message}; got values from {float(low):.4g} to {float(high):.4g}"
        raise ValueError(msg)
