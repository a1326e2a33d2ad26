"""A function of arrays, compiled by the backend that Keras has, and computed on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from numpy.typing import NDArray

from braintumorseg._core.optional import lazy

_tensorflow = lazy("tensorflow")
_jax = lazy("jax")
_torch = lazy("torch")


def compiled(function: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[NDArray[Any], ...]]:
    """Return a function that takes NumPy arrays and whole numbers, and returns NumPy arrays.

    TensorFlow and JAX trace it once per shape of its arguments; PyTorch runs it as it is, without gradients.

    Args:
        function: Of tensors, written in ``keras.ops``.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        traced = _tensorflow.function(function)
    elif backend == "jax":
        traced = _jax.jit(function)
    else:
        traced = _torch.no_grad()(function)

    def run(*arguments: Any) -> tuple[NDArray[Any], ...]:
        with keras.device("cpu:0"):
            tensors = [
                keras.ops.convert_to_tensor(each, "int32" if isinstance(each, int) else None) for each in arguments
            ]
            return tuple(keras.ops.convert_to_numpy(each) for each in traced(*tensors))

    return run
