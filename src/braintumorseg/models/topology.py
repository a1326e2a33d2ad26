"""The one definition of U-Net and ResUNet: their layers, in order and by name (Ronneberger et al. 2015).

Keras models, the networks of other runtimes, the number of weights that a preset may have: all are derived from it. Presets
store these layers and the weights by their names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from braintumorseg._core.checks import check_in, check_integer, check_range, wrong
from braintumorseg.models.graph import Form, Graph, Node, form_of, make_node

Normalization = Literal["batch", "group"]
Activation = Literal["sigmoid", "softmax"] | None
Pooling = Literal["max", "stride"]

_MOST_SEQUENCES = 4  # of a study; no image is that low
_FIRST_OF_BLOCK = re.compile(r"(encoder_\d+|bottleneck)_conv_1")


def unet(
    input_shape: Sequence[int | None] = (None, None, 3),
    classes: int = 1,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    activation: Activation = "sigmoid",
    dropout: float = 0.0,
    normalization: Normalization = "batch",
    attention: bool = False,
    pooling: Pooling = "max",
) -> Graph:
    """Return the layers of a U-Net; the arguments are those of ``build_unet``."""
    return _encoder_decoder(
        "unet",
        _double_convolution,
        input_shape,
        classes,
        filters,
        activation,
        dropout,
        normalization,
        attention,
        pooling,
    )


def resunet(
    input_shape: Sequence[int | None] = (None, None, 3),
    classes: int = 1,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    activation: Activation = "sigmoid",
    dropout: float = 0.0,
    normalization: Normalization = "batch",
    attention: bool = False,
    pooling: Pooling = "max",
) -> Graph:
    """Return the layers of a residual U-Net; the arguments are those of ``build_resunet``."""
    return _encoder_decoder(
        "resunet",
        _residual_block,
        input_shape,
        classes,
        filters,
        activation,
        dropout,
        normalization,
        attention,
        pooling,
    )


GRAPHS = {"resunet": resunet, "unet": unet}
"""Architectures that are described here, by name."""


def arguments_of(graph: Graph) -> dict[str, Any]:
    """Return the arguments that led to these layers, all but ``input_shape``: the way back from names to a description."""
    layers = {node.name: node.settings for node in graph.nodes}
    activation = layers.get("probabilities", {}).get("activation")
    return {
        "classes": layers.get("logits", {}).get("filters", 0) - (activation == "softmax"),
        "filters": [settings.get("filters") for name, settings in layers.items() if _FIRST_OF_BLOCK.fullmatch(name)],
        "activation": activation,
        "dropout": layers.get("bottleneck_dropout", {}).get("rate", 0.0),
        "normalization": "group" if "groups" in layers.get("encoder_1_norm_1", {}) else "batch",
        "attention": "decoder_1_gate" in layers,
        "pooling": "stride" if "encoder_1_down_conv" in layers else "max",
    }


def residual_encoder(input_shape: Sequence[int | None], filters: Sequence[int], normalization: Normalization) -> Graph:
    """Return the layers of a ResUNet from the images to the bottleneck, for classifiers."""
    draw = _Drawing(input_shape)
    _encode(draw, _residual_block, filters, normalization)
    return draw.graph("encoder")


class _Drawing:
    """A graph in the making: each layer is added after those that it takes."""

    def __init__(self, input_shape: Sequence[int | None]) -> None:
        self._nodes: list[Node] = []
        self._forms: dict[str, Form] = {}
        self.images = self.add("InputLayer", "images", batch_shape=(None, *input_shape))

    def add(self, kind: str, name: str, *inputs: Node, **settings: Any) -> Node:
        """Add a layer."""
        node = make_node(name, kind, [node.name for node in inputs], settings)
        self._nodes.append(node)
        self._forms[name] = form_of(node, [self._forms[each.name] for each in inputs])
        return node

    def channels(self, node: Node) -> int:
        """Return the number of channels of a layer's output."""
        return self._forms[node.name].channels

    def graph(self, name: str) -> Graph:
        return Graph(name, tuple(self._nodes))


Block = Callable[[_Drawing, Node, int, Normalization, str], Node]
"""A block of convolutions: ``(draw, features, filters, normalization, name) -> features`` of ``filters`` channels."""


def _encoder_decoder(
    name: str,
    block: Block,
    input_shape: Sequence[int | None],
    classes: int,
    filters: Sequence[int],
    activation: Activation,
    dropout: float,
    normalization: Normalization,
    attention: bool,
    pooling: Pooling,
) -> Graph:
    """Return an encoder, a decoder, and skip connections between them, made of one kind of block."""
    shape = _checked_shape(input_shape, len(filters))
    _check_arguments(classes, filters, activation, dropout, normalization)
    check_in("attention", attention, (False, True))
    check_in("pooling", pooling, ("max", "stride"))
    draw = _Drawing(shape)
    features, skips = _encode(draw, block, filters, normalization, pooling)
    if dropout:
        features = draw.add("SpatialDropout2D", "bottleneck_dropout", features, rate=dropout)
    for level, (width, skip) in reversed(list(enumerate(zip(filters[:-1], skips, strict=True), start=1))):
        up = draw.add("Conv2DTranspose", f"decoder_{level}_up", features, filters=width, kernel_size=2, strides=2)
        if attention:
            skip = _gate(draw, skip, up, width, f"decoder_{level}")
        joint = draw.add("Concatenate", f"decoder_{level}_skip", up, skip)
        features = block(draw, joint, width, normalization, f"decoder_{level}")
    channels = classes + (activation == "softmax")  # the background is no class
    features = draw.add("Conv2D", "logits", features, filters=channels, kernel_size=1)
    if activation:
        draw.add("Activation", "probabilities", features, activation=activation)
    return draw.graph(name)


def _encode(
    draw: _Drawing, block: Block, filters: Sequence[int], normalization: Normalization, pooling: Pooling = "max"
) -> tuple[Node, list[Node]]:
    """Add the encoder with its bottleneck; return the bottleneck's features, and those of each level above."""
    features, skips = draw.images, []
    for level, width in enumerate(filters[:-1], start=1):
        skips.append(block(draw, features, width, normalization, f"encoder_{level}"))
        if pooling == "max":
            features = draw.add("MaxPooling2D", f"encoder_{level}_pool", skips[-1])
        else:
            name = f"encoder_{level}_down"
            features = _convolution(draw, skips[-1], width, 3, normalization, f"{name}_conv", f"{name}_norm", stride=2)
            features = draw.add("ReLU", f"{name}_relu", features)
    return block(draw, features, filters[-1], normalization, "bottleneck"), skips


def _gate(draw: _Drawing, skip: Node, signal: Node, width: int, name: str) -> Node:
    """Weigh each pixel of a skip connection by what the decoder found so far (Oktay et al. 2018)."""
    sides = [(skip, f"{name}_gate_skip"), (signal, f"{name}_gate_signal")]
    projected = [draw.add("Conv2D", path, x, filters=max(width // 2, 1), kernel_size=1) for x, path in sides]
    x = draw.add("ReLU", f"{name}_gate_relu", draw.add("Add", f"{name}_gate_add", *projected))
    weight = draw.add("Conv2D", f"{name}_gate_weight", x, filters=1, kernel_size=1, activation="sigmoid")
    return draw.add("Multiply", f"{name}_gate", skip, weight)


def _double_convolution(draw: _Drawing, x: Node, filters: int, normalization: Normalization, name: str) -> Node:
    for step in (1, 2):
        x = _convolution(draw, x, filters, 3, normalization, f"{name}_conv_{step}", f"{name}_norm_{step}")
        x = draw.add("ReLU", f"{name}_relu_{step}", x)
    return x


def _residual_block(draw: _Drawing, x: Node, filters: int, normalization: Normalization, name: str) -> Node:
    shortcut = x
    if draw.channels(x) != filters:
        shortcut = _convolution(draw, x, filters, 1, normalization, f"{name}_shortcut_conv", f"{name}_shortcut_norm")
    x = _convolution(draw, x, filters, 3, normalization, f"{name}_conv_1", f"{name}_norm_1")
    x = draw.add("ReLU", f"{name}_relu_1", x)
    x = _convolution(draw, x, filters, 3, normalization, f"{name}_conv_2", f"{name}_norm_2")
    x = draw.add("Add", f"{name}_add", x, shortcut)
    return draw.add("ReLU", f"{name}_relu_2", x)


def _convolution(
    draw: _Drawing,
    x: Node,
    filters: int,
    size: int,
    normalization: Normalization,
    name: str,
    norm: str,
    stride: int = 1,
) -> Node:
    """Add a convolution without bias and a normalisation, which has an offset of its own.

    Groups of up to 8 channels are for batches too small for batch statistics (Wu and He 2018).
    """
    x = draw.add("Conv2D", name, x, filters=filters, kernel_size=size, strides=stride, padding="same", use_bias=False)
    if normalization == "batch":
        return draw.add("BatchNormalization", norm, x)
    return draw.add("GroupNormalization", norm, x, groups=math.gcd(8, filters))


def check_channels_last(shape: tuple[int | None, ...]) -> None:
    """Refuse the shape of an image that can only be (channels, height, width), of which another network would be built.

    Raises:
        ValueError: If the first length is a number of sequences, and no image's height.
    """
    sequences, *sides = (side if isinstance(side, int) else None for side in shape)
    if sequences in range(1, _MOST_SEQUENCES + 1) and all(side is None or side > _MOST_SEQUENCES for side in sides):
        allowed = "(height, width, channels), whatever Keras's image_data_format is"
        msg = wrong("input_shape", allowed, f"{shape}, whose channels come first")
        raise ValueError(msg)


def _checked_shape(input_shape: Sequence[int | None], depth: int) -> tuple[int | None, ...]:
    shape = tuple(input_shape)
    check_channels_last(shape)
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
    check_range("dropout", dropout, 0, 1, high_open=True)
    check_in("normalization", normalization, ("batch", "group"))
