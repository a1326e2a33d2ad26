"""From a graph to a functional Keras model of stock layers."""

from __future__ import annotations

from typing import Any

import keras

from braintumorseg._core.checks import wrong
from braintumorseg.models.graph import EPSILON, Graph, Node

LAST = "channels_last"
"""Where the channels of images are, stated in each layer: Keras's configuration may say otherwise."""


def build(graph: Graph, name: str) -> keras.Model:
    """Return a Keras model of these layers, its weights drawn anew."""
    images = keras.Input((*graph.size, graph.channels), name=graph.nodes[0].name)
    return _checking_sizes(keras.Model(images, lay(graph, images), name=name), graph.multiple)


def lay(graph: Graph, images: Any) -> Any:
    """Apply all layers but the input to a Keras tensor, and return the output of the last one."""
    tensors = {graph.nodes[0].name: images}
    for node in graph.nodes[1:]:
        inputs = [tensors[name] for name in node.inputs]
        tensors[node.name] = _layer(node, graph.multiple)(inputs[0] if len(inputs) == 1 else inputs)
    return tensors[graph.nodes[-1].name]


def _layer(node: Node, multiple: int) -> keras.layers.Layer:
    name, settings = node.name, node.settings
    match node.kind:
        case "conv" if settings["bias"]:
            # The head stays in float32 under mixed precision: half floats can't tell probabilities near 1 apart.
            return keras.layers.Conv2D(node.channels, settings["size"], data_format=LAST, dtype="float32", name=name)
        case "conv":
            return keras.layers.Conv2D(
                node.channels,
                settings["size"],
                padding="same",
                data_format=LAST,
                use_bias=False,
                kernel_initializer="he_normal",
                name=name,
            )
        case "up_conv":
            return keras.layers.Conv2DTranspose(node.channels, 2, strides=2, data_format=LAST, name=name)
        case "batch_norm":
            return keras.layers.BatchNormalization(epsilon=EPSILON, name=name)
        case "group_norm":
            return keras.layers.GroupNormalization(settings["groups"], epsilon=EPSILON, name=name)
        case "relu":
            return keras.layers.ReLU(name=name)
        case "max_pool":
            return keras.layers.MaxPooling2D(data_format=LAST, name=name)
        case "dropout":
            return keras.layers.SpatialDropout2D(settings["rate"], data_format=LAST, name=name)
        case "concat":
            # Frameworks print the layer's name when shapes do not fit, also once the model is saved and loaded elsewhere.
            return keras.layers.Concatenate(name=f"{name}_needs_height_and_width_in_multiples_of_{multiple}")
        case "add":
            return keras.layers.Add(name=name)
        case "activation":
            return keras.layers.Activation(settings["function"], dtype="float32", name=name)
    msg = wrong("kind", "that of a layer of Keras", repr(node.kind))
    raise ValueError(msg)


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
