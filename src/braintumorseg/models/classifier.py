"""Classifiers of slices: is there tumour in it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras

from braintumorseg._core.checks import check_in, check_integer, check_range, wrong
from braintumorseg.models.build import LAST, lay
from braintumorseg.models.resnet import residual_network
from braintumorseg.models.topology import Normalization, check_channels_last, residual_encoder

Backbone = Literal["encoder", "resnet18", "resnet50"]

_BACKBONES = ("encoder", "resnet18", "resnet50")


def build_classifier(
    backbone: Backbone = "encoder",
    input_shape: Sequence[int | None] = (None, None, 3),
    classes: int = 1,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    dropout: float = 0.0,
    normalization: Normalization = "batch",
    weights: keras.Model | None = None,
) -> keras.Model:
    """Build a classifier of slices.

    Features of a backbone are pooled over the slice, once by their maximum (a small tumour is not averaged away) and once by
    their mean, and one dense layer makes probabilities of them.

    Args:
        backbone: ``"encoder"`` is the encoder of ``build_resunet`` with its bottleneck, layer by layer and under the same
            names; ``"resnet18"`` and ``"resnet50"`` are those of He et al.
        input_shape: ``(height, width, channels)``, height and width ``None`` for any.
        classes: 1 for the probability of tumour (sigmoid), or the number of exclusive classes (softmax).
        filters: Of the encoder, channels at each level.
        dropout: Share of pooled features that are dropped in training.
        normalization: Of the encoder, ``"batch"`` or ``"group"``.
        weights: For the encoder: a model that ``build_resunet`` built, whose encoder's trained weights are taken over.

    Returns:
        A functional model of stock layers from images ``(batch, height, width, channels)`` to float32 probabilities
        ``(batch, classes)``.

    Raises:
        ValueError: If an argument is not as stated, or the weights do not fit the encoder.

    References:
        He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples:
        >>> from braintumorseg import build_resunet
        >>> from braintumorseg.models import build_classifier
        >>> trained = build_resunet(filters=(4, 8))
        >>> model = build_classifier("encoder", filters=(4, 8), weights=trained)
        >>> model.output_shape
        (None, 1)
    """
    check_in("backbone", backbone, _BACKBONES)
    check_integer("classes", classes, 1)
    check_range("dropout", dropout, 0, 1, high_open=True)
    check_in("normalization", normalization, ("batch", "group"))
    shape = tuple(input_shape)
    check_channels_last(shape)
    if len(shape) != 3 or shape[2] is None:
        msg = wrong("input_shape", "(height, width, channels), height and width None for any", shape)
        raise ValueError(msg)
    if weights is not None and backbone != "encoder":
        msg = wrong("weights", "None for this backbone, as a ResUNet's fit the encoder alone", repr(weights.name))
        raise ValueError(msg)
    images = keras.Input(shape, name="images")
    if backbone == "encoder":
        features = lay(residual_encoder(shape, filters, normalization), images)
    else:
        features = residual_network(images, int(backbone.removeprefix("resnet")))
    pooled = keras.layers.Concatenate(name="pooled")(
        [
            keras.layers.GlobalMaxPooling2D(data_format=LAST, name="pooled_maximum")(features),
            keras.layers.GlobalAveragePooling2D(data_format=LAST, name="pooled_mean")(features),
        ]
    )
    if dropout:
        pooled = keras.layers.Dropout(dropout, name="pooled_dropout")(pooled)
    activation = "sigmoid" if classes == 1 else "softmax"
    outputs = keras.layers.Dense(classes, activation=activation, dtype="float32", name="probabilities")(pooled)
    model = keras.Model(images, outputs, name="classifier")
    if weights is not None:
        _take_over(model, weights)
    return model


def _take_over(model: keras.Model, trained: keras.Model) -> None:
    """Give the encoder the weights of the layers of the same names."""
    given = {variable.path: variable for variable in trained.weights}
    if "encoder_1_down_conv/kernel" in given:  # the other weights would fit, behind another way to halve
        msg = wrong("weights", "a model of pooling='max', as the encoder is", f"{trained.name!r} of pooling='stride'")
        raise ValueError(msg)
    own = [variable for variable in model.weights if not variable.path.startswith("probabilities/")]
    for variable in own:
        other = given.get(variable.path)
        if other is None or other.shape != variable.shape:
            msg = wrong(
                "weights", f"a model with {variable.path} of shape {variable.shape}", f"{trained.name!r} without it"
            )
            raise ValueError(msg)
        variable.assign(other)
