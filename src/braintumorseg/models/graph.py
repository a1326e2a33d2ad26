"""A network as a list of named layers: plain data, of which Keras models and other runtimes' networks are made.

Nothing here imports Keras, so that a prediction on another runtime needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import lcm, prod
from typing import Any, NamedTuple

from braintumorseg._core.checks import wrong
from braintumorseg.models.layers import KINDS
from braintumorseg.models.settings import MAX_CHANNELS, MAX_SIDE, shown

MAX_LAYERS = 2000
MAX_DENSITY = 4096
"""Numbers in the output of a layer for each pixel of the image; a full-size layer of a U-Net has 32 to 256."""
MAX_NAME = 200

_SIDES = 64  # sizes are tried from here on


@dataclass(frozen=True)
class Node:
    """One layer.

    Attributes:
        name: Its name, with which the paths of its weights start.
        kind: Its class in ``keras.layers``, one of ``KINDS``.
        inputs: Names of the layers whose outputs it takes.
        settings: The settings of its kind, all of them.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


class Form(NamedTuple):
    """What a layer gives.

    Attributes:
        channels: Number of channels.
        rates: Pixels for one of the image's, along the height and the width; 0 after global pooling.
        vector: Whether it is a vector of channels, and no image.
    """

    channels: int
    rates: tuple[Fraction, Fraction]
    vector: bool = False


def make_node(name: str, kind: str, inputs: Sequence[str], settings: Mapping[str, Any]) -> Node:
    """Return a layer, its settings checked and completed by their defaults.

    Raises:
        ValueError: If no preset can hold such a layer.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or "/" in name or not name.isprintable():
        msg = wrong("names of layers", f"of up to {MAX_NAME} printable characters, / none of them", shown(name))
        raise ValueError(msg)
    if not isinstance(kind, str) or kind not in KINDS:
        msg = wrong(f"the layer {name!r}", "of a class that presets can hold (models.layers.KINDS)", shown(kind))
        raise ValueError(msg)
    least, most = KINDS[kind].inputs
    if not least <= len(inputs) <= most:
        msg = wrong(f"inputs of the layer {name!r}", f"{least} to {most}", len(inputs))
        raise ValueError(msg)
    return Node(name, kind, tuple(inputs), KINDS[kind].read(name, settings))


@dataclass(frozen=True, eq=False)
class Graph:
    """The layers of a network; two of them are equal if they have the same layers, in whatever order.

    Attributes:
        name: What the architecture is called, a label.
        nodes: The images first, the output last, and each layer after those that it takes.

    Raises:
        ValueError: If layers do not fit together, or are too many or too large; nothing is allocated to find out.
    """

    name: str
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        """Check all that does not depend on weights."""
        if not 0 < len(self.nodes) <= MAX_LAYERS:
            msg = wrong("layers", f"1 to {MAX_LAYERS}", len(self.nodes))
            raise ValueError(msg)
        _check_order(self.nodes)
        multiple = self.multiple
        if multiple > MAX_SIDE:
            msg = wrong("strides", f"ones that divide a side of up to {MAX_SIDE}", "others")
            raise ValueError(msg)
        for height, width in self._examples:
            self._check_sizes(height, width)

    def __eq__(self, other: object) -> bool:
        """Compare layers, whatever their order."""
        if not isinstance(other, Graph):
            return NotImplemented
        return (self.name, self._by_name, self.nodes[-1]) == (other.name, other._by_name, other.nodes[-1])

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def forms(self) -> dict[str, Form]:
        """What each layer gives, by its name."""
        forms: dict[str, Form] = {}
        for node in self.nodes:
            forms[node.name] = form_of(node, [forms[name] for name in node.inputs])
        return forms

    @property
    def output(self) -> Form:
        """What the network gives."""
        return self.forms[self.nodes[-1].name]

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return self.forms[self.nodes[0].name].channels

    @property
    def classes(self) -> int:
        """Number of output channels."""
        return self.output.channels

    @property
    def function(self) -> str | None:
        """The function that the output has passed, ``"sigmoid"`` or ``"softmax"``; ``None`` for logits."""
        last = self.nodes[-1]
        function = "softmax" if last.kind == "Softmax" else last.settings.get("activation")
        return function if function in ("sigmoid", "softmax") else None

    @property
    def size(self) -> tuple[int | None, int | None]:
        """The one height and width of the images; ``None`` for any."""
        _, height, width, _ = self.nodes[0].settings["batch_shape"]
        return height, width

    @cached_property
    def multiple(self) -> int:
        """Height and width must be multiples of this, so that all strides divide them."""
        return lcm(*(rate.denominator for form in self.forms.values() for rate in form.rates))

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each weight by its path, such as ``"encoder_1_conv_1/kernel"``."""
        return {
            f"{node.name}/{weight}": shape
            for node in self.nodes[1:]
            for weight, shape in KINDS[node.kind].weights(node.settings, self.forms[node.inputs[0]].channels).items()
        }

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(map(prod, self.shapes.values()))

    @property
    def kernels(self) -> dict[str, int]:
        """Number of output channels of each kernel, by the name of its layer."""
        return {
            f"{node.name}{suffix}": count
            for node in self.nodes[1:]
            for suffix, count in KINDS[node.kind].kernels(node.settings, self.forms[node.inputs[0]].channels).items()
        }

    def sides(self, height: int, width: int) -> dict[str, tuple[int, int]]:
        """Return height and width of what each layer gives for images of one size; raise ``ValueError`` if there is none."""
        sides = {self.nodes[0].name: (height, width)}
        for node in self.nodes[1:]:
            kind, inputs = KINDS[node.kind], [sides[name] for name in node.inputs]
            joined = _joined(node, inputs, f"{height}x{width}")
            one, other = (kind.side(node.settings, axis, side) for axis, side in enumerate(joined))
            if min(one, other) < 1:
                msg = wrong(f"the layer {node.name!r}", f"one that leaves pixels of {height}x{width}", f"{one}x{other}")
                raise ValueError(msg)
            sides[node.name] = one, other
        return sides

    @property
    def keeps_size(self) -> bool:
        """Whether the output is of the images' size."""
        last = self.nodes[-1].name
        return not self.output.vector and all(self.sides(*size)[last] == size for size in self._examples)

    @property
    def _examples(self) -> list[tuple[int, int]]:
        """Sizes of images to try."""
        first = -(-_SIDES // self.multiple)
        height, width = self.size
        counts = range(first, first + 4)
        return [(height or count * self.multiple, width or count * self.multiple) for count in counts]

    def _check_sizes(self, height: int, width: int) -> None:
        sides = self.sides(height, width)
        for node in self.nodes[1:]:
            density = prod(sides[node.name]) * self.forms[node.name].channels // (height * width)
            if density > MAX_DENSITY:
                allowed = f"one of at most {MAX_DENSITY} numbers for each pixel of the image"
                msg = wrong(f"the layer {node.name!r}", allowed, density)
                raise ValueError(msg)


def _check_order(nodes: Sequence[Node]) -> None:
    """Refuse layers that are not a network from one input to one output."""
    seen: set[str] = set()
    for place, node in enumerate(nodes):
        if (node.kind == "InputLayer") != (place == 0):
            msg = wrong("layers", "one InputLayer first, and others after it", f"the {node.kind} {node.name!r}")
            raise ValueError(msg)
        if node.name in seen:
            msg = wrong("names of layers", "different", f"{node.name!r} twice")
            raise ValueError(msg)
        for name in node.inputs:
            if name not in seen:
                msg = wrong(f"inputs of the layer {node.name!r}", "layers before it", shown(name))
                raise ValueError(msg)
        seen.add(node.name)
    unused = seen - {name for node in nodes for name in node.inputs} - {nodes[-1].name}
    if unused:
        msg = wrong("layers", "ones that lead to the output", f"{min(unused)!r}, which none takes")
        raise ValueError(msg)


def form_of(node: Node, inputs: Sequence[Form]) -> Form:
    """Return what a layer gives, by what its inputs are.

    Raises:
        ValueError: If it can't take them.
    """
    kind = KINDS[node.kind]
    try:
        channels = kind.channels(node.settings, [form.channels for form in inputs])
        if not 0 < channels <= MAX_CHANNELS:
            msg = wrong("channels", f"1 to {MAX_CHANNELS}", channels)
            raise ValueError(msg)
    except ValueError as error:
        msg = f"the layer {node.name!r} can't be used: {error}"
        raise ValueError(msg) from error
    if not inputs:
        return Form(channels, (Fraction(1), Fraction(1)))
    vectors = {form.vector for form in inputs}
    if len(vectors) > 1 or (kind.images and True in vectors):
        msg = wrong(f"inputs of the layer {node.name!r}", "images", "a vector of channels")
        raise ValueError(msg)
    height, width = (max(form.rates[axis] for form in inputs) * kind.rate(node.settings, axis) for axis in (0, 1))
    if max(height.numerator, height.denominator, width.numerator, width.denominator) > MAX_SIDE:
        msg = wrong(f"the layer {node.name!r}", f"at most {MAX_SIDE} times as small or large as the image", "more")
        raise ValueError(msg)
    return Form(channels, (height, width), kind.vector(node.settings, vectors.pop()))


def _joined(node: Node, inputs: Sequence[tuple[int, int]], images: str) -> tuple[int, int]:
    """Return the size of all inputs of a layer; one pixel stands for as many as there are, but not to be joined."""
    height, width = (max(sides) for sides in zip(*inputs, strict=True))
    spread = node.kind != "Concatenate"
    for sides in inputs:
        if sides != (height, width) and not (
            spread and all(a in (1, b) for a, b in zip(sides, (height, width), strict=True))
        ):
            got = f"{height}x{width} and {sides[0]}x{sides[1]} for images of {images}"
            msg = wrong(f"inputs of the layer {node.name!r}", "of one size", got)
            raise ValueError(msg)
    return height, width
