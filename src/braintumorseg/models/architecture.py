"""Architectures by name, and the way back: from a model to the name and the arguments that build it."""

from __future__ import annotations

import json
from typing import Any

import keras

from braintumorseg._core.checks import wrong
from braintumorseg.models.classifier import build_classifier
from braintumorseg.models.resunet import build_resunet
from braintumorseg.models.topology import arguments_of
from braintumorseg.models.unet import build_unet

ARCHITECTURES = {"resunet": build_resunet, "unet": build_unet}
"""Builders of segmenters by the name that configs and presets use."""

BUILDERS = ARCHITECTURES | {"classifier": build_classifier}
"""Builders of all that a preset's files can hold."""


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
    architecture = _read(model) if model.name in ARCHITECTURES else None
    if architecture is None:
        builders = ", ".join(builder.__name__ for builder in ARCHITECTURES.values())
        msg = wrong("model", f"one that {builders} built", f"another model, named {model.name!r}")
        raise ValueError(msg)
    return {"name": model.name, **architecture}


def configuration_of(model: keras.Model) -> str:
    """Return the layers of any model with their settings and connections as JSON, but for what training with it changes."""
    text = json.dumps(model.get_config(), default=str)
    return json.dumps(json.loads(text, object_hook=_without_trainable), sort_keys=True)


def _without_trainable(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "trainable"}


def _read(model: keras.Model) -> dict[str, Any] | None:
    """Return the arguments that the layers' names and settings speak of, if they build a model of just these layers."""
    shape = list(model.input_shape[1:]) if isinstance(model.input_shape, tuple) else []
    try:
        arguments = {"input_shape": shape, **arguments_of({layer.name: layer.get_config() for layer in model.layers})}
        same = _layers(ARCHITECTURES[model.name](**arguments)) == _layers(model)
    except (TypeError, ValueError, NotImplementedError):  # the last is of layers that have no configuration
        return None
    return arguments if same else None


def _layers(model: keras.Model) -> list[tuple[str, dict[str, Any]]]:
    """Return each layer's class and configuration, but for what training with it changes."""
    passing = {"trainable", "dtype"}
    return [
        (type(layer).__name__, {key: value for key, value in layer.get_config().items() if key not in passing})
        for layer in model.layers
    ]
