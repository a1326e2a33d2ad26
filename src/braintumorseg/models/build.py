"""From a graph to a functional Keras model of stock layers."""

from __future__ import annotations

from typing import Any

import keras

from braintumorseg._core.checks import wrong
from braintumorseg.models.functional import HINT
from braintumorseg.models.graph import Graph, Node
from braintumorseg.models.layers import KINDS

LAST = "channels_last"
"""Where the channels of images are, stated in each layer: Keras's configuration may say otherwise."""

_SKIP = "_skip"


def build(graph: Graph) -> keras.Model:
    """Return a Keras model of these layers, its weights drawn anew."""
    images = keras.Input(batch_shape=graph.nodes[0].settings["batch_shape"], name=graph.nodes[0].name)
    return _checking_sizes(keras.Model(images, lay(graph, images), name=graph.name), graph.multiple)


def lay(graph: Graph, images: Any) -> Any:
    """Apply all layers but the input to a Keras tensor, and return the output of the last one."""
    tensors, heads = {graph.nodes[0].name: images}, _heads(graph)
    for node in graph.nodes[1:]:
        inputs = [tensors[name] for name in node.inputs]
        layer = _layer(node, graph.multiple, **({"dtype": "float32"} if node.name in heads else {}))
        tensors[node.name] = layer(inputs[0] if len(inputs) == 1 else inputs)
    return tensors[graph.nodes[-1].name]


def _heads(graph: Graph) -> set[str]:
    """Return the layers that stay in float32 under mixed precision: half floats can't tell probabilities near 1 apart."""
    last = graph.nodes[-1]
    return {last.name, *last.inputs} if last.kind in ("Activation", "Softmax") else {last.name}


def _layer(node: Node, multiple: int, **options: Any) -> keras.layers.Layer:
    settings = dict(node.settings)
    name = node.name
    if KINDS[node.kind].fixed.keys() >= {"data_format"}:
        options["data_format"] = LAST
    if node.kind == "Conv2D" and not settings["use_bias"]:  # a normalisation and a rectifier follow
        options["kernel_initializer"] = "he_normal"
    if node.kind == "Concatenate" and name.endswith(_SKIP):
        # Frameworks print the layer's name when shapes do not fit, also once the model is saved and loaded elsewhere.
        name = f"{name}{HINT}{multiple}"
    return getattr(keras.layers, node.kind)(**settings, **options, name=name)


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
