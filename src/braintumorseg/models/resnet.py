"""The residual networks of He, Zhang, Ren and Sun (2016) as stock layers, for classifiers."""

from __future__ import annotations

from typing import Any

import keras

from braintumorseg.models.build import LAST

STAGES = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
"""Blocks of each stage, by depth."""

_WIDTHS = (64, 128, 256, 512)
_BOTTLENECK = 4  # how much wider a block of ResNet-50 is at its end than inside


def residual_network(images: Any, depth: int) -> Any:
    """Return the features of ResNet-18 or ResNet-50, at a 32nd of the images' resolution.

    As in the common implementations, a block of ResNet-50 halves the resolution in its 3x3 convolution, and convolutions have
    no bias, as a normalisation with its own offset follows.
    """
    features = _convolution(images, 64, 7, 2, "stem_conv")
    features = keras.layers.ReLU(name="stem_relu")(keras.layers.BatchNormalization(name="stem_norm")(features))
    features = keras.layers.MaxPooling2D(3, 2, padding="same", data_format=LAST, name="stem_pool")(features)
    for stage, (width, blocks) in enumerate(zip(_WIDTHS, STAGES[depth], strict=True), start=1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            features = _block(features, width, stride, depth == 50, f"stage_{stage}_block_{block}")
    return features


def _block(features: Any, width: int, stride: int, bottleneck: bool, name: str) -> Any:
    # (size of the kernel, channels, stride) of each convolution
    inner = (
        [(1, width, 1), (3, width, stride), (1, width * _BOTTLENECK, 1)]
        if bottleneck
        else [(3, width, stride), (3, width, 1)]
    )
    shortcut = features
    if stride > 1 or features.shape[-1] != inner[-1][1]:
        shortcut = _convolution(features, inner[-1][1], 1, stride, f"{name}_shortcut_conv")
        shortcut = keras.layers.BatchNormalization(name=f"{name}_shortcut_norm")(shortcut)
    for step, (size, channels, stride_here) in enumerate(inner, start=1):
        features = _convolution(features, channels, size, stride_here, f"{name}_conv_{step}")
        features = keras.layers.BatchNormalization(name=f"{name}_norm_{step}")(features)
        if step < len(inner):
            features = keras.layers.ReLU(name=f"{name}_relu_{step}")(features)
    features = keras.layers.Add(name=f"{name}_add")([features, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(features)


def _convolution(features: Any, channels: int, size: int, stride: int, name: str) -> Any:
    return keras.layers.Conv2D(
        channels,
        size,
        stride,
        padding="same",
        data_format=LAST,
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(features)
