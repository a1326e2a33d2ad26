"""How each class of layers is written in a runtime's operations.

A normalisation by batch statistics, which are constants once a model is trained, is folded into the convolution before it where
no other layer takes the convolution's output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Generic, Literal

import numpy as np
from numpy.typing import NDArray

from braintumorseg.models.graph import Graph, Node
from braintumorseg.models.layers import Settings
from braintumorseg.runtimes.operations import Arithmetic, Array, Function, Margins, Operations, Pair, Tensor

Weights = Mapping[str, NDArray[np.float32]]

_FOLDED = ("Conv2D", "DepthwiseConv2D")
_DIRECT: tuple[Function, ...] = (
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "log_softmax",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
)
_MERGES: dict[str, Arithmetic] = {"Add": "add", "Average": "add", "Subtract": "subtract", "Multiply": "multiply"}
_MERGES |= {"Maximum": "maximum", "Minimum": "minimum"}


def lower(graph: Graph, weights: Weights, operations: Operations[Tensor], images: Tensor) -> Tensor:
    """Write a network in a runtime's operations, from images to probabilities.

    Args:
        graph: The layers.
        weights: Array of each weight by its path; they fit the layers.
        operations: The runtime's.
        images: The network's input, channels first.
    """
    writer = _Writer(graph, weights, operations)
    tensors = {graph.nodes[0].name: images}
    for node in graph.nodes[1:]:
        tensors[node.name] = writer.write(node, [tensors[name] for name in node.inputs])
    return tensors[graph.nodes[-1].name]


class _Writer(Generic[Tensor]):
    def __init__(self, graph: Graph, weights: Weights, operations: Operations[Tensor]) -> None:
        self._graph, self._weights, self._to = graph, weights, operations
        self._folded = _find_folded(graph)
        self._norms = {norm.inputs[0]: norm for norm in self._folded.values()}

    def write(self, node: Node, inputs: Sequence[Tensor]) -> Tensor:
        """Write one layer."""
        if node.kind in _MERGES:
            return self._merge(node, inputs)
        if node.kind == "Concatenate":
            return self._to.concatenation(inputs, node.name)
        written: Tensor = self._KINDS[node.kind](self, node, inputs[0])
        return written

    def _merge(self, node: Node, inputs: Sequence[Tensor]) -> Tensor:
        kind, count = _MERGES[node.kind], len(inputs)
        names = [f"{node.name}/{step}_inputs" for step in range(2, count)]
        names.append(f"{node.name}/sum" if node.kind == "Average" else node.name)
        x = reduce(
            lambda x, y: self._to.arithmetic(kind, x, y[0], y[1]), zip(inputs[1:], names, strict=True), inputs[0]
        )
        return self._scaled(x, 1 / count, node.name) if node.kind == "Average" else x

    def _scaled(self, x: Tensor, factor: float, name: str) -> Tensor:
        return self._to.arithmetic("multiply", x, np.array(factor, np.float32), name)

    def _same(self, node: Node, x: Tensor) -> Tensor:
        return x

    def _conv(self, node: Node, x: Tensor) -> Tensor:
        kernel, bias = self._fold(node, 3)
        return self._convolve(node, x, kernel, bias, node.settings["groups"])

    def _depthwise(self, node: Node, x: Tensor) -> Tensor:
        kernel, bias = self._fold(node, 2, 3)
        height, width, channels, multiplier = kernel.shape
        return self._convolve(node, x, kernel.reshape(height, width, 1, channels * multiplier), bias, channels)

    def _separable(self, node: Node, x: Tensor) -> Tensor:
        kernel = self._weights[f"{node.name}/depthwise_kernel"]
        height, width, channels, multiplier = kernel.shape
        options = _window(node.settings)
        kernel = kernel.reshape(height, width, 1, channels * multiplier)
        x = self._to.convolution(x, kernel, None, f"{node.name}/depthwise", groups=channels, **options)
        pointwise = self._weights[f"{node.name}/pointwise_kernel"]
        x = self._to.convolution(x, pointwise, self._bias(node), node.name)
        return self._activate(node, x)

    def _convolve(self, node: Node, x: Tensor, kernel: Array, bias: Array | None, groups: int) -> Tensor:
        x = self._to.convolution(x, kernel, bias, node.name, groups=groups, **_window(node.settings))
        return self._activate(node, x)

    def _transposed(self, node: Node, x: Tensor) -> Tensor:
        settings = node.settings
        pairs = list(zip(settings["kernel_size"], settings["strides"], strict=True))
        cut = [max(size - stride, 0) if settings["padding"] == "same" else 0 for size, stride in pairs]
        more = tuple(max(stride - size, 0) for size, stride in pairs)
        kernel, bias = self._weights[f"{node.name}/kernel"], self._bias(node)
        x = self._to.transposed_convolution(
            x, kernel, bias, node.name, strides=settings["strides"], crops=_halves(cut), more=more
        )
        return self._activate(node, x)

    def _dense(self, node: Node, x: Tensor) -> Tensor:
        kernel = self._weights[f"{node.name}/kernel"][None, None]
        return self._activate(node, self._to.convolution(x, kernel, self._bias(node), node.name))

    def _bias(self, node: Node) -> Array | None:
        return self._weights.get(f"{node.name}/bias")

    def _fold(self, node: Node, *out: int) -> tuple[Array, Array | None]:
        """Return kernel and bias of a convolution together with the normalisation that follows it.

        The axes ``out`` of the kernel are those of the output's channels.
        """
        kernel, bias = self._weights[f"{node.name}/kernel"], self._bias(node)
        if node.name not in self._norms:
            return kernel, bias
        norm = self._norms[node.name]
        factor, offset, mean = self._statistics(norm)
        shape = [kernel.shape[axis] if axis in out else 1 for axis in range(kernel.ndim)]
        return kernel * factor.reshape(shape), offset - (mean if bias is None else mean - bias) * factor

    def _statistics(self, norm: Node) -> tuple[Array, Array, Array]:
        """Return the factor, the offset and the mean of a normalisation by batch statistics."""
        mean, variance = (self._weights[f"{norm.name}/moving_{kind}"] for kind in ("mean", "variance"))
        scale, offset = self._scale_and_offset(norm)
        return scale / np.sqrt(variance + np.float32(norm.settings["epsilon"])), offset, mean

    def _scale_and_offset(self, norm: Node) -> tuple[Array, Array]:
        count = self._graph.forms[norm.name].channels
        scale = self._weights.get(f"{norm.name}/gamma", np.ones(count, np.float32))
        return scale, self._weights.get(f"{norm.name}/beta", np.zeros(count, np.float32))

    def _batch_norm(self, node: Node, x: Tensor) -> Tensor:
        if node.name in self._folded:
            return x
        factor, offset, mean = self._statistics(node)
        return self._affine(x, factor, offset - mean * factor, node.name)

    def _affine(self, x: Tensor, factor: Any, offset: Any, name: str) -> Tensor:
        """Multiply by a factor and add an offset, each a number or one of each channel."""
        scaled = self._to.arithmetic("multiply", x, _constant(factor), f"{name}/scaled")
        return self._to.arithmetic("add", scaled, _constant(offset), name)

    def _layer_norm(self, node: Node, x: Tensor) -> Tensor:
        name = node.name
        centred = self._to.arithmetic(
            "subtract", x, self._to.reduction(x, "mean", [1], f"{name}/mean"), f"{name}/centred"
        )
        squares = self._to.arithmetic("multiply", centred, centred, f"{name}/squares")
        variance = self._to.reduction(squares, "mean", [1], f"{name}/variance")
        epsilon = np.array(node.settings["epsilon"], np.float32)
        variance = self._to.arithmetic("add", variance, epsilon, f"{name}/positive")
        deviation = self._to.function("sqrt", variance, f"{name}/deviation")
        normal = self._to.arithmetic("divide", centred, deviation, f"{name}/normal")
        return self._affine(normal, *self._scale_and_offset(node), name)

    def _group_norm(self, node: Node, x: Tensor) -> Tensor:
        groups, epsilon = node.settings["groups"], node.settings["epsilon"]
        groups = self._graph.forms[node.name].channels if groups == -1 else groups
        return self._to.group_normalization(x, groups, *self._scale_and_offset(node), epsilon, node.name)

    def _unit_norm(self, node: Node, x: Tensor) -> Tensor:
        name = node.name
        squares = self._to.arithmetic("multiply", x, x, f"{name}/squares")
        total = self._to.reduction(squares, "sum", [1], f"{name}/sum")
        total = self._to.arithmetic("maximum", total, np.array(1e-24, np.float32), f"{name}/positive")
        return self._to.arithmetic("divide", x, self._to.function("sqrt", total, f"{name}/length"), name)

    def _normalization(self, node: Node, x: Tensor) -> Tensor:
        mean, variance = (self._weights[f"{node.name}/{kind}"] for kind in ("mean", "variance"))
        factor = 1 / np.maximum(np.sqrt(variance), np.float32(1e-7))
        return self._affine(x, factor, -mean * factor, node.name)

    def _pool(self, node: Node, x: Tensor) -> Tensor:
        settings = node.settings
        kind: Literal["maximum", "mean"] = "maximum" if node.kind == "MaxPooling2D" else "mean"
        size, strides, same = settings["pool_size"], settings["strides"], settings["padding"] == "same"
        return self._to.pooling(x, kind, node.name, size=size, strides=strides, same=same)

    def _global(self, node: Node, x: Tensor) -> Tensor:
        kind: Literal["maximum", "mean"] = "maximum" if node.kind == "GlobalMaxPooling2D" else "mean"
        return self._to.reduction(x, kind, [2, 3], node.name)

    def _upsample(self, node: Node, x: Tensor) -> Tensor:
        smooth = node.settings["interpolation"] == "bilinear"
        return self._to.upsampling(x, node.name, factors=node.settings["size"], smooth=smooth)

    def _margins(self, node: Node, x: Tensor) -> Tensor:
        if node.kind == "ZeroPadding2D":
            return self._to.padding(x, node.settings["padding"], node.name)
        return self._to.cropping(x, node.settings["cropping"], node.name)

    def _rescale(self, node: Node, x: Tensor) -> Tensor:
        return self._affine(x, node.settings["scale"], node.settings["offset"], node.name)

    def _relu(self, node: Node, x: Tensor) -> Tensor:
        most, slope, threshold = (node.settings[key] for key in ("max_value", "negative_slope", "threshold"))
        name = f"{node.name}/positive" if slope else node.name
        if threshold:
            y = self._to.above(x, threshold, name if most is None else f"{node.name}/above")
            y = y if most is None else self._to.clipping(y, 0, most, name)
        elif most is None:
            y = self._to.function("relu", x, name)
        else:
            y = self._to.clipping(x, 0, most, name)
        if not slope:
            return y
        below = self._to.arithmetic(
            "minimum", self._shifted(x, -threshold, node), np.array(0, np.float32), f"{node.name}/below"
        )
        return self._to.arithmetic("add", y, self._scaled(below, slope, f"{node.name}/negative"), node.name)

    def _shifted(self, x: Tensor, by: float, node: Node) -> Tensor:
        return self._to.arithmetic("add", x, np.array(by, np.float32), f"{node.name}/shifted") if by else x

    def _leaky(self, node: Node, x: Tensor) -> Tensor:
        return self._to.function("leaky_relu", x, node.name, alpha=node.settings["negative_slope"])

    def _slopes(self, node: Node, x: Tensor) -> Tensor:
        return self._to.slopes(x, self._weights[f"{node.name}/alpha"].ravel(), node.name)

    def _elu(self, node: Node, x: Tensor) -> Tensor:
        return self._to.function("elu", x, node.name, alpha=node.settings["alpha"])

    def _softmax(self, node: Node, x: Tensor) -> Tensor:
        return self._to.function("softmax", x, node.name)

    def _activation(self, node: Node, x: Tensor) -> Tensor:
        return self._apply(node.settings["activation"], x, node.name)

    def _activate(self, node: Node, x: Tensor) -> Tensor:
        """Apply the activation that is an argument of a layer."""
        return self._apply(node.settings["activation"], x, f"{node.name}/activation")

    def _apply(self, kind: str, x: Tensor, name: str) -> Tensor:
        """Apply an activation function by Keras's name."""
        to = self._to
        if kind in _DIRECT:
            return to.function(kind, x, name)
        match kind:
            case "elu" | "celu":  # the same for the slope that both have
                return to.function("elu", x, name, alpha=1.0)
            case "leaky_relu":
                return to.function("leaky_relu", x, name, alpha=0.2)
            case "relu6":
                return to.clipping(x, 0, 6, name)
            case "hard_tanh":
                return to.clipping(x, -1, 1, name)
            case "log_sigmoid":
                negative = to.function("softplus", self._scaled(x, -1, f"{name}/negative"), f"{name}/softplus")
                return self._scaled(negative, -1, name)
            case "soft_shrink":
                return to.arithmetic("subtract", x, to.clipping(x, -0.5, 0.5, f"{name}/near"), name)
            case "tanh_shrink":
                return to.arithmetic("subtract", x, to.function("tanh", x, f"{name}/tanh"), name)
            case "sparse_sigmoid":
                return to.clipping(self._affine(x, 0.5, 0.5, f"{name}/line"), 0, 1, name)
            case "sparse_plus":  # a parabola from -1 to 1, a line beyond
                near = self._affine(to.clipping(x, -1, 1, f"{name}/near"), 0.5, 0.5, f"{name}/half")
                parabola = to.arithmetic("multiply", near, near, f"{name}/parabola")
                beyond = to.function("relu", self._affine(x, 1, -1, f"{name}/from_1"), f"{name}/beyond")
                return to.arithmetic("add", parabola, beyond, name)
            case "squareplus":
                square = self._affine(to.arithmetic("multiply", x, x, f"{name}/square"), 1, 4, f"{name}/more")
                total = to.arithmetic("add", x, to.function("sqrt", square, f"{name}/root"), f"{name}/twice")
                return self._scaled(total, 0.5, name)
        return x  # linear

    _KINDS: Mapping[str, Callable[[_Writer[Any], Node, Any], Any]] = {
        "Conv2D": _conv,
        "DepthwiseConv2D": _depthwise,
        "SeparableConv2D": _separable,
        "Conv2DTranspose": _transposed,
        "Dense": _dense,
        "UpSampling2D": _upsample,
        "MaxPooling2D": _pool,
        "AveragePooling2D": _pool,
        "GlobalAveragePooling2D": _global,
        "GlobalMaxPooling2D": _global,
        "BatchNormalization": _batch_norm,
        "LayerNormalization": _layer_norm,
        "GroupNormalization": _group_norm,
        "UnitNormalization": _unit_norm,
        "Normalization": _normalization,
        "Activation": _activation,
        "ReLU": _relu,
        "LeakyReLU": _leaky,
        "PReLU": _slopes,
        "ELU": _elu,
        "Softmax": _softmax,
        "Dropout": _same,
        "SpatialDropout2D": _same,
        "GaussianNoise": _same,
        "GaussianDropout": _same,
        "Identity": _same,
        "ZeroPadding2D": _margins,
        "Cropping2D": _margins,
        "Rescaling": _rescale,
        "Reshape": _same,
    }


def _find_folded(graph: Graph) -> dict[str, Node]:
    """Return the normalisations, by name, that are folded into the convolution before them."""
    nodes = {node.name: node for node in graph.nodes}
    takers: dict[str, int] = {graph.nodes[-1].name: 1}
    for node in graph.nodes:
        for name in node.inputs:
            takers[name] = takers.get(name, 0) + 1
    folded = {}
    for node in graph.nodes:
        before = nodes[node.inputs[0]] if node.kind == "BatchNormalization" else None
        if before and before.kind in _FOLDED and takers[before.name] == 1 and before.settings["activation"] == "linear":
            folded[node.name] = node
    return folded


def _window(settings: Settings) -> dict[str, Any]:
    """Return how a convolution's kernel moves; with a stride of 1, what "same" pads does not depend on the image."""
    strides: Pair = settings["strides"]
    options = {"strides": strides, "dilation": settings["dilation_rate"]}
    if settings["padding"] == "valid":
        return options
    if max(strides) > 1:
        return {**options, "padding": "same"}
    reach = [(size - 1) * step for size, step in zip(settings["kernel_size"], settings["dilation_rate"], strict=True)]
    return {**options, "padding": _halves(reach)}


def _halves(sides: Sequence[int]) -> Margins:
    """Return margins of so many rows and columns in all, the odd one at the end."""
    (top, bottom), (left, right) = ((side // 2, side - side // 2) for side in sides)
    return (top, bottom), (left, right)


def _constant(values: Any) -> Array:
    """Return a number, or numbers of each channel in the shape of images."""
    array = np.asarray(values, np.float32)
    return array.reshape(1, -1, 1, 1) if array.ndim else array
