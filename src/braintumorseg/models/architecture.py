"""Architectures by name, and the way back: from a model to the name and the arguments that build it."""

from __future__ import annotations

import re
from typing import Any

import keras

from braintumorseg._core.checks import wrong
from braintumorseg.models.classifier import build_classifier
from braintumorseg.models.resunet import build_resunet
from braintumorseg.models.unet import build_unet

ARCHITECTURES = {"resunet": build_resunet, "unet": build_unet}
"""Builders of segmenters by the name that configs and presets use."""

BUILDERS = ARCHITECTURES | {"classifier": build_classifier}
"""Builders of all that a preset's files can hold."""

_FIRST_OF_BLOCK = re.compile(r"(encoder_\d+|bottleneck)_conv_1")


def architecture_of(model: keras.Model) -> dict[str, Any]:
    """Return the ``name`` of the architecture and every argument of its builder, as presets store them.

    It is read from the layers, so that models that were trained, saved by Keras and opened again have one too.

    Args:
        model: A model that ``build_unet`` or ``build_resunet`` built.

    Raises:
        ValueError: If no builder builds a model of just these layers.

    Examples:
        >>> from braintumorseg import build_unet
        >>> architecture = architecture_of(build_unet(filters=(4, 8), classes=2))
        >>> architecture["name"], architecture["filters"], architecture["classes"]
        ('unet', [4, 8], 2)
    """
    layers = {layer.name: layer for layer in model.layers}
    arguments: dict[str, Any] = {
        "input_shape": list(model.input_shape[1:]) if isinstance(model.input_shape, tuple) else [],
        "classes": getattr(layers.get("logits"), "filters", 0),
        "filters": [layer.filters for name, layer in layers.items() if _FIRST_OF_BLOCK.fullmatch(name)],
        "activation": layers["probabilities"].get_config()["activation"] if "probabilities" in layers else None,
        "dropout": getattr(layers.get("bottleneck_dropout"), "rate", 0.0),
        "normalization": _normalization(layers.get("encoder_1_norm_1")),
    }
    try:
        same = _layers(ARCHITECTURES[model.name](**arguments)) == _layers(model)
    except (KeyError, TypeError, ValueError):
        same = False
    if not same:
        builders = ", ".join(builder.__name__ for builder in ARCHITECTURES.values())
        msg = wrong("model", f"one that {builders} built", f"another model, named {model.name!r}")
        raise ValueError(msg)
    return {"name": model.name, **arguments}


def _normalization(layer: Any) -> str:
    return "group" if isinstance(layer, keras.layers.GroupNormalization) else "batch"


def _layers(model: keras.Model) -> list[tuple[str, dict[str, Any]]]:
    """Return each layer's class and configuration, but for what training with it changes."""
    passing = {"trainable", "dtype"}
    return [
        (type(layer).__name__, {key: value for key, value in layer.get_config().items() if key not in passing})
        for layer in model.layers
    ]
