"""What U-Net and ResUNet share: an encoder, a decoder, and skip connections between them (Ronneberger et al. 2015)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras

from braintumorseg._core.checks import check_in, check_integer, check_range, wrong

Normalization = Literal["batch", "group"]
Activation = Literal["sigmoid", "softmax"] | None
Block = Callable[[Any, int, Normalization, str], Any]
"""A block of convolutions: ``(features, filters, normalization, name) -> features`` of ``filters`` channels."""


def build_encoder_decoder(
    block: Block,
    name: str,
    input_shape: Sequence[int | None],
    classes: int,
    filters: Sequence[int],
    activation: Activation,
    dropout: float,
    normalization: Normalization,
) -> keras.Model:
    """Build an encoder-decoder out of one kind of block; the arguments are those of ``build_unet``."""
    shape = _checked_shape(input_shape, len(filters))
    _check_arguments(classes, filters, activation, dropout, normalization)
    multiple = 2 ** (len(filters) - 1)

    inputs = keras.Input(shape, name="images")
    features, skips = inputs, []
    for level, width in enumerate(filters[:-1], start=1):
        skips.append(block(features, width, normalization, f"encoder_{level}"))
        features = keras.layers.MaxPooling2D(name=f"encoder_{level}_pool")(skips[-1])
    features = block(features, filters[-1], normalization, "bottleneck")
    if dropout:
        features = keras.layers.SpatialDropout2D(dropout, name="bottleneck_dropout")(features)
    for level, (width, skip) in reversed(list(enumerate(zip(filters[:-1], skips, strict=True), start=1))):
        up = keras.layers.Conv2DTranspose(width, 2, strides=2, name=f"decoder_{level}_up")(features)
        # Frameworks print the layer's name when shapes do not fit, also once the model is saved and loaded elsewhere.
        joint = f"decoder_{level}_skip_needs_height_and_width_in_multiples_of_{multiple}"
        features = keras.layers.Concatenate(name=joint)([up, skip])
        features = block(features, width, normalization, f"decoder_{level}")
    # The head stays in float32 under mixed precision: half floats can't tell probabilities near 1 apart.
    outputs = keras.layers.Conv2D(classes, 1, dtype="float32", name="logits")(features)
    if activation:
        outputs = keras.layers.Activation(activation, dtype="float32", name="probabilities")(outputs)
    return _checking_sizes(keras.Model(inputs, outputs, name=name), multiple)


def _checking_sizes(model: keras.Model, multiple: int) -> keras.Model:
    """Make the model refuse sizes that it can't halve in words, before a layer deep inside fails on shapes.

    The instance is changed, not its class: a subclass of ``keras.Model`` would not open in plain Keras.
    """
    call = model.call

    def checked(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        height, width = inputs.shape[1:3]
        if any(side is not None and side % multiple for side in (height, width)):
            msg = wrong("images", f"of height and width in multiples of {multiple} (pad them)", f"{height} x {width}")
            raise ValueError(msg)
        return call(inputs, *args, **kwargs)

    model.call = checked
    return model


def convolution(features: Any, filters: int, size: int, name: str) -> Any:
    """Convolve without bias, as a normalisation with its own offset follows."""
    return keras.layers.Conv2D(
        filters, size, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(features)


def normalize(features: Any, normalization: Normalization, name: str) -> Any:
    """Normalise by batch statistics, or by groups of up to 8 channels for very small batches (Wu and He 2018)."""
    if normalization == "batch":
        return keras.layers.BatchNormalization(name=name)(features)
    return keras.layers.GroupNormalization(groups=math.gcd(8, features.shape[-1]), name=name)(features)


def activate(features: Any, name: str) -> Any:
    """Apply the rectifier that every block uses."""
    return keras.layers.ReLU(name=name)(features)


def _checked_shape(input_shape: Sequence[int | None], depth: int) -> tuple[int | None, ...]:
    shape = tuple(input_shape)
    known = [side for side in shape[:2] if side is not None]
    if len(shape) != 3 or shape[2] is None or any(not isinstance(side, int) or side < 1 for side in (*known, shape[2])):
        msg = wrong("input_shape", "(height, width, channels), height and width None for any", shape)
        raise ValueError(msg)
    multiple = 2 ** (depth - 1)
    if any(side % multiple for side in known):
        allowed = f"of height and width in multiples of {multiple}, as {depth} levels halve them {depth - 1} times"
        msg = wrong("input_shape", allowed, shape)
        raise ValueError(msg)
    return shape


def _check_arguments(
    classes: int, filters: Sequence[int], activation: Activation, dropout: float, normalization: Normalization
) -> None:
    check_integer("classes", classes, 1)
    if len(filters) < 2:
        msg = wrong("filters", "at least two widths, one a level", tuple(filters))
        raise ValueError(msg)
    for width in filters:
        check_integer("filters", width, 1)
    check_in("activation", activation, ("sigmoid", "softmax", None))
    if activation == "softmax" and classes == 1:
        msg = wrong(
            "activation", "'sigmoid' or None for one class, as the softmax of one class is 1 everywhere", activation
        )
        raise ValueError(msg)
    check_range("dropout", dropout, 0, 1, high_open=True)
    check_in("normalization", normalization, ("batch", "group"))
