"""Run a model through Keras, on whatever backend and device Keras uses."""

from __future__ import annotations

from math import prod
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
from numpy.typing import NDArray

from braintumorseg.models.architecture import graph_of
from braintumorseg.runtimes.network import check_keras
from braintumorseg.runtimes.padding import pad

_lock = Lock()
_multiples: WeakKeyDictionary[keras.Model, int] = WeakKeyDictionary()


def run(model: keras.Model, images: NDArray[np.float32], batch_size: int) -> NDArray[np.float32]:
    """Return the model's output for a stack of images.

    Images whose sides the model can't halve often enough are padded at the bottom and the right with their lowest
    value, which is that of air, and the output is cropped back.

    Args:
        model: From images ``(batch, height, width, channels)`` to ``(batch, height, width, classes)``.
        images: Array ``(slices, height, width, channels)``, float32.
        batch_size: How many slices go through at once; it bounds the memory.

    Returns:
        Float32 array ``(slices, height, width, classes)``.

    Raises:
        ValueError: If the model takes one fixed size, and the images are larger.
    """
    _, height, width, _ = images.shape
    padded = pad(images, model.input_shape[1:3], multiple_of(model))
    return np.asarray(predict(model, padded, batch_size)[:, :height, :width], np.float32)


def run_eagerly(model: keras.Model, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what ``run`` does, all at once and uncompiled.

    For a few images of several sizes: what TensorFlow compiles for them has sizes that it does not know, and Keras 3.15.1 can't
    enlarge such images by bilinear interpolation.
    """
    check_keras()
    _, height, width, _ = images.shape
    output = model(pad(images, model.input_shape[1:3], multiple_of(model)), training=False)
    return np.asarray(keras.ops.convert_to_numpy(output)[:, :height, :width], np.float32)


def predict(model: keras.Model, images: NDArray[np.float32], batch_size: int) -> NDArray[Any]:
    """Return what the model predicts, to one thread after the other: ``keras.Model.predict`` keeps its state in the model.

    Raises:
        RuntimeError: If the backend was loaded before this process was forked.
    """
    check_keras()
    with _lock:
        return np.asarray(model.predict(images, batch_size=batch_size, verbose=0))


def sees_gpu() -> bool:
    """Tell whether the backend of Keras would compute on a GPU."""
    return bool(keras.distribution.list_devices("gpu"))


def multiple_of(model: keras.Model) -> int:
    """Return what sides must be a multiple of; of layers that no preset can hold, the product of all strides."""
    if model not in _multiples:
        try:
            _multiples[model] = graph_of(model).multiple
        except ValueError:
            strided = [layer.strides for layer in model.layers if hasattr(layer, "strides") and not _enlarges(layer)]
            _multiples[model] = prod(max(strides) if isinstance(strides, tuple) else strides for strides in strided)
    return _multiples[model]


def _enlarges(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Conv2DTranspose)
