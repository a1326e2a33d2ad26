"""Statistics of batch normalisation that fit weights which no run ended with, such as a mean of several runs' weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def measure_statistics(model: keras.Model, batches: Iterable[Any]) -> None:
    """Set a model's moving means and variances to the means of what its weights give on batches of images.

    Those that it holds belong to the weights that a run passed through, and an average of weights has others.

    Args:
        model: A model with batch normalisation; without any, nothing changes.
        batches: Of training images, ``(batch, height, width, channels)``, all of one shape.

    Raises:
        ValueError: If there are no batches.

    References:
        Izmailov et al.: "Averaging weights leads to wider optima and better generalization", UAI 2018, section 3.
    """
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # so that it holds those of the last batch
    run = tf.function(lambda images: model(images, training=True))
    measured = []
    try:
        for images in batches:
            run(images)
            measured.append([np.asarray(value) for value in _statistics(layers)])
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    if not measured:
        msg = "batches must be at least one; got none"
        raise ValueError(msg)
    for variable, values in zip(_statistics(layers), zip(*measured, strict=True), strict=True):
        variable.assign(np.mean(values, axis=0, dtype=np.float64).astype(np.float32))


def _statistics(layers: Iterable[keras.layers.BatchNormalization]) -> list[Any]:
    return [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
