"""Architectures by name, and the way back: from a model to its layers, and to the name and the arguments that build it."""

from __future__ import annotations

import json
from typing import Any

import keras

from braintumorseg._core.checks import wrong
from braintumorseg.models.functional import parse_graph
from braintumorseg.models.graph import Graph
from braintumorseg.models.resunet import build_resunet
from braintumorseg.models.topology import GRAPHS, arguments_of
from braintumorseg.models.unet import build_unet

ARCHITECTURES = {"resunet": build_resunet, "unet": build_unet}
"""Builders of segmenters by the name that configs use."""


def graph_of(model: keras.Model) -> Graph:
    """Return the layers of any model as data, as presets store them and other engines run them.

    Args:
        model: A functional or sequential model of the stock layers in ``models.layers.KINDS``.

    Raises:
        ValueError: If it has another layer, which is named; such a model runs on Keras alone.

    Examples:
        >>> from braintumorseg import build_unet
        >>> from braintumorseg.models.architecture import graph_of
        >>> graph = graph_of(build_unet(filters=(4, 8)))
        >>> graph.multiple, graph.parameters
        (2, 1813)
    """
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    try:
        config = json.loads(json.dumps(model.get_config(), default=str))
    except NotImplementedError as error:  # of a layer that has no configuration
        msg = wrong("model", "of layers that Keras can describe", str(error).strip().partition("\n")[0])
        raise ValueError(msg) from error
    return parse_graph(config)


def architecture_of(model: keras.Model) -> dict[str, Any]:
    """Return the ``name`` of the architecture and every argument of its builder.

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
    architecture = _read(model) if model.name in GRAPHS else None
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
    try:
        graph = graph_of(model)
        arguments = {"input_shape": [*graph.size, graph.channels], **arguments_of(graph)}
        same = GRAPHS[model.name](**arguments) == graph
    except (TypeError, ValueError):
        return None
    return arguments if same else None
