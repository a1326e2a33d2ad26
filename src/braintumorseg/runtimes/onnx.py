"""Write a network as an ONNX model, which ONNX Runtime and others read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.optional import require
from braintumorseg.runtimes.lowering import Weights
from braintumorseg.runtimes.network import Network
from braintumorseg.runtimes.operations import Margins, Pair
from braintumorseg.runtimes.quantization import quantize_kernel, quantize_range

INPUT, OUTPUT = "images", "probabilities"
_OPSET = 21  # the first whose group normalisation scales each channel
_OURS = (INPUT, OUTPUT, "channels_first")
_IR_VERSION = 10  # of that opset; readers refuse what is newer than they are
_FUNCTIONS = {
    "elu": "Elu",
    "exponential": "Exp",
    "gelu": "Gelu",
    "hard_sigmoid": "HardSigmoid",
    "hard_silu": "HardSwish",
    "leaky_relu": "LeakyRelu",
    "log_softmax": "LogSoftmax",
    "mish": "Mish",
    "relu": "Relu",
    "selu": "Selu",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}
_ARITHMETIC = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "maximum": "Max", "minimum": "Min"}
_REDUCTIONS = {"maximum": "ReduceMax", "mean": "ReduceMean", "sum": "ReduceSum"}


def build(network: Network, precision: str = "float32") -> Any:
    """Write a network as an ``onnx.ModelProto``, from images ``(batch, height, width, channels)`` of any size.

    Args:
        network: The network.
        precision: ``"float32"``, or ``"int8"`` for a network that has a quantization.

    Raises:
        DataError: If the weights do not fit the architecture.
        ImportError: If the package onnx is not installed.
    """
    onnx = require("onnx", "export")
    graph = _Operations(onnx, network.quantization if precision == "int8" else None)
    sizes = ["batch", "height", "width"]
    output = network.trace(graph, graph.channels_first(INPUT))
    graph.add("Transpose", [output], OUTPUT, perm=[0, 2, 3, 1])
    described = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [*sizes, channels])
        for name, channels in ((INPUT, network.channels), (OUTPUT, network.classes))
    ]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, network.name, described[:1], described[1:], graph.constants),
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="braintumorseg",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Operations:
    """The operations of ONNX; a tensor is its name."""

    def __init__(self, onnx: Any, quantization: Weights | None) -> None:
        self._onnx = onnx
        self._ranges = quantization or {}
        self._rounded: dict[tuple[str, float, float], str] = {}
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add an operation of a layer, under another name where it has one of ours."""
        return self.add(kind, inputs, f"{name}/layer" if name in _OURS else name, **attributes)

    def channels_first(self, images: str) -> str:
        return self.add("Transpose", [self._round(images, "channels_first/0")], "channels_first", perm=[0, 3, 1, 2])

    def convolution(
        self,
        x: str,
        kernel: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        name: str,
        *,
        strides: Pair = (1, 1),
        padding: Any = ((0, 0), (0, 0)),
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> str:
        pads = {"auto_pad": "SAME_UPPER"} if padding == "same" else {"pads": _pads(padding)}
        options = {"strides": list(strides), "dilations": list(dilation), "group": groups}
        return self.node("Conv", self._inputs(x, kernel, bias, 0, name), name, **pads, **options)

    def transposed_convolution(
        self,
        x: str,
        kernel: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        name: str,
        *,
        strides: Pair,
        crops: Margins,
        more: Pair,
    ) -> str:
        options = {"strides": list(strides), "pads": _pads(crops), "output_padding": list(more)}
        return self.node("ConvTranspose", self._inputs(x, kernel, bias, 1, name), name, **options)

    def pooling(self, x: str, kind: str, name: str, *, size: Pair, strides: Pair, same: bool) -> str:
        options: dict[str, Any] = {"kernel_shape": list(size), "strides": list(strides)}
        if same:
            options["auto_pad"] = "SAME_UPPER"
        operation = "MaxPool" if kind == "maximum" else "AveragePool"
        return self.node(operation, [self._round(x, f"{name}/0")], name, **options)

    def reduction(self, x: str, kind: str, axes: Sequence[int], name: str) -> str:
        inputs = [self._round(x, f"{name}/0"), self._constant(np.array(axes, np.int64), f"{name}/axes")]
        return self.node(_REDUCTIONS[kind], inputs, name, keepdims=1)

    def upsampling(self, x: str, name: str, *, factors: Pair, smooth: bool) -> str:
        scales = self._constant(np.array([1, 1, *factors], np.float32), f"{name}/scales")
        options = (
            {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            if smooth
            else {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        )
        return self.node("Resize", [self._round(x, f"{name}/0"), "", scales], name, **options)

    def padding(self, x: str, margins: Margins, name: str) -> str:
        (top, bottom), (left, right) = margins
        pads = self._constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64), f"{name}/pads")
        return self.node("Pad", [self._round(x, f"{name}/0"), pads], name)

    def cropping(self, x: str, margins: Margins, name: str) -> str:
        (top, bottom), (left, right) = margins
        end = [-side if side else np.iinfo(np.int64).max for side in (bottom, right)]
        bounds = {"start": [top, left], "end": end, "axes": [2, 3]}
        inputs = [self._constant(np.array(each, np.int64), f"{name}/{key}") for key, each in bounds.items()]
        return self.node("Slice", [self._round(x, f"{name}/0"), *inputs], name)

    def concatenation(self, tensors: Sequence[str], name: str) -> str:
        return self.node("Concat", [self._round(x, f"{name}/{place}") for place, x in enumerate(tensors)], name, axis=1)

    def arithmetic(self, kind: str, x: str, other: Any, name: str) -> str:
        constant = isinstance(other, np.ndarray)
        second = self._constant(other, f"{name}/constant") if constant else self._round(other, f"{name}/1")
        return self.node(_ARITHMETIC[kind], [self._round(x, f"{name}/0"), second], name)

    def function(self, kind: str, x: str, name: str, *, alpha: float = 0.0) -> str:
        x = self._round(x, f"{name}/0")
        if kind == "silu":
            return self.node("Mul", [x, self.node("Sigmoid", [x], f"{name}/sigmoid")], name)
        options: dict[str, Any] = {}
        if kind in ("softmax", "log_softmax"):
            options = {"axis": 1}
        elif kind in ("elu", "leaky_relu"):
            options = {"alpha": alpha}
        elif kind == "hard_sigmoid":
            options = {"alpha": 1 / 6, "beta": 0.5}
        return self.node(_FUNCTIONS[kind], [x], name, **options)

    def clipping(self, x: str, low: float, high: float, name: str) -> str:
        bounds = {"low": low, "high": high}
        constants = [self._constant(np.array(each, np.float32), f"{name}/{key}") for key, each in bounds.items()]
        return self.node("Clip", [self._round(x, f"{name}/0"), *constants], name)

    def above(self, x: str, threshold: float, name: str) -> str:
        x, bound = self._round(x, f"{name}/0"), self._constant(np.array(threshold, np.float32), f"{name}/threshold")
        zero = self._constant(np.array(0, np.float32), f"{name}/zero")
        return self.node("Where", [self.node("Greater", [x, bound], f"{name}/greater"), x, zero], name)

    def slopes(self, x: str, slopes: NDArray[np.float32], name: str) -> str:
        return self.node(
            "PRelu", [self._round(x, f"{name}/0"), self._constant(slopes.reshape(-1, 1, 1), f"{name}/slopes")], name
        )

    def group_normalization(
        self,
        x: str,
        groups: int,
        scale: NDArray[np.float32],
        offset: NDArray[np.float32],
        epsilon: float,
        name: str,
    ) -> str:
        inputs = [x, self._constant(scale, f"{name}/gamma"), self._constant(offset, f"{name}/beta")]
        return self.node("GroupNormalization", inputs, name, num_groups=groups, epsilon=epsilon)

    def _inputs(
        self, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None, out: int, name: str
    ) -> list[str]:
        filters, place = kernel.transpose(3, 2, 0, 1), f"{name}/kernel"
        more = [] if bias is None else [self._constant(bias, f"{name}/bias")]
        x = self._round(x, f"{name}/0")
        if place not in self._ranges:
            return [x, self._constant(filters, place), *more]
        integers, scale = quantize_kernel(filters, self._ranges[place], out)
        inputs = [self._constant(integers, f"{place}/int8"), self._constant(scale.ravel(), f"{place}/scale")]
        return [x, self.node("DequantizeLinear", inputs, place, axis=out), *more]

    def _round(self, x: str, place: str) -> str:
        if place not in self._ranges:
            return x
        low, high = (float(bound) for bound in self._ranges[place])
        if (x, low, high) not in self._rounded:
            scale, zero = quantize_range(low, high)
            constants = [self._constant(scale, f"{place}/scale"), self._constant(zero, f"{place}/zero")]
            integers = self.node("QuantizeLinear", [x, *constants], f"{place}/uint8")
            self._rounded[x, low, high] = self.node("DequantizeLinear", [integers, *constants], f"{place}/rounded")
        return self._rounded[x, low, high]

    def _constant(self, array: Any, name: str) -> str:
        self.constants.append(
            self._onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(np.shape(array)), name)
        )
        return name


def _pads(margins: Margins) -> list[int]:
    (top, bottom), (left, right) = margins
    return [top, left, bottom, right]
