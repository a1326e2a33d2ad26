"""A network as a list of named layers: plain data, of which Keras models and other runtimes' networks are made.

Nothing here imports Keras, so that a prediction on another runtime needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Literal

Kind = Literal[
    "images",
    "conv",
    "up_conv",
    "batch_norm",
    "group_norm",
    "relu",
    "max_pool",
    "dropout",
    "concat",
    "add",
    "activation",
]
"""Kinds of layers, with their settings:

- ``images``: the input, of a ``height`` and a ``width``; ``None`` for any.
- ``conv``: a convolution that keeps the size, its kernel ``size`` x ``size``; with or without ``bias``.
- ``up_conv``: a transposed 2x2 convolution with a bias, which doubles height and width.
- ``batch_norm``: by the statistics of batches. It directly follows a convolution that no other layer takes.
- ``group_norm``: by the statistics of ``groups`` of channels.
- ``relu``: the rectifier.
- ``max_pool``: the maximum of 2x2 pixels, which halves height and width.
- ``dropout``: of whole feature maps, at a ``rate``; it acts in training only.
- ``concat``: the inputs joined along the channels.
- ``add``: the sum of the inputs.
- ``activation``: the ``function`` ``"sigmoid"``, or ``"softmax"`` over the channels.
"""

EPSILON = 1e-3
"""Both normalisations add it to variances, as Keras does."""


@dataclass(frozen=True)
class Node:
    """One layer.

    Attributes:
        name: Its name, with which the paths of its weights start.
        kind: What it does, see ``Kind``.
        inputs: Names of the layers whose outputs it takes.
        channels: Number of channels of its output.
        settings: The settings of its kind.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    channels: int
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The layers of a network.

    Attributes:
        nodes: The images first, the output last, and each layer after those that it takes.
    """

    nodes: tuple[Node, ...]

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return self.nodes[0].channels

    @property
    def classes(self) -> int:
        """Number of output channels."""
        return self.nodes[-1].channels

    @property
    def function(self) -> str | None:
        """The function that the output has passed, ``"sigmoid"`` or ``"softmax"``; ``None`` for logits."""
        last = self.nodes[-1]
        return last.settings["function"] if last.kind == "activation" else None

    @property
    def size(self) -> tuple[int | None, int | None]:
        """The one height and width of the images; ``None`` for any."""
        settings = self.nodes[0].settings
        return settings["height"], settings["width"]

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this, as each pooling halves them."""
        return 1 << sum(node.kind == "max_pool" for node in self.nodes)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each weight by its path, such as ``"encoder_1_conv_1/kernel"``."""
        channels = {node.name: node.channels for node in self.nodes}
        return {
            f"{node.name}/{kind}": shape
            for node in self.nodes
            for kind, shape in _shapes(node, [channels[name] for name in node.inputs]).items()
        }

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(map(prod, self.shapes.values()))

    @property
    def kernels(self) -> dict[str, int]:
        """Number of output channels of each layer that has a kernel, by its name."""
        return {node.name: node.channels for node in self.nodes if node.kind in ("conv", "up_conv")}


def _shapes(node: Node, inputs: list[int]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight of a layer, whose inputs have so many channels."""
    width = node.channels
    match node.kind:
        case "conv":
            size = node.settings["size"]
            bias = {"bias": (width,)} if node.settings["bias"] else {}
            return {"kernel": (size, size, *inputs, width), **bias}
        case "up_conv":
            return {"kernel": (2, 2, width, *inputs), "bias": (width,)}
        case "batch_norm":
            return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (width,))
        case "group_norm":
            return dict.fromkeys(("gamma", "beta"), (width,))
    return {}
