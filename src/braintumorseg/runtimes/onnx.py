"""Write a network as an ONNX model, which ONNX Runtime and others read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.optional import require
from braintumorseg.models.graph import EPSILON
from braintumorseg.runtimes.network import Network, Weights
from braintumorseg.runtimes.quantization import quantize_kernel, quantize_range

INPUT, OUTPUT = "images", "probabilities"
_OPSET = 21  # the first whose group normalisation scales each channel
_IR_VERSION = 10  # of that opset; readers refuse what is newer than they are


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
    graph.node("Transpose", [output], OUTPUT, perm=[0, 2, 3, 1])
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
    """The operations that ``Network.trace`` asks for; a tensor is its name. Inside, channels come first."""

    def __init__(self, onnx: Any, quantization: Weights | None) -> None:
        self._onnx = onnx
        self._ranges = quantization or {}
        self._rounded: dict[tuple[str, float, float], str] = {}
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def channels_first(self, images: str) -> str:
        return self.node("Transpose", [self._round(images, "channels_first/0")], "channels_first", perm=[0, 3, 1, 2])

    def convolution(self, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> str:
        pads = [kernel.shape[0] // 2, kernel.shape[1] // 2] * 2
        return self.node("Conv", self._inputs(x, kernel, bias, 0, name), name, pads=pads)

    def upsampling(self, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> str:
        return self.node("ConvTranspose", self._inputs(x, kernel, bias, 1, name), name, strides=[2, 2])

    def group_normalization(
        self, x: str, groups: int, scale: NDArray[np.float32], offset: NDArray[np.float32], name: str
    ) -> str:
        inputs = [x, self._constant(scale, f"{name}/gamma"), self._constant(offset, f"{name}/beta")]
        return self.node("GroupNormalization", inputs, name, num_groups=groups, epsilon=EPSILON)

    def relu(self, x: str, name: str) -> str:
        return self.node("Relu", [self._round(x, f"{name}/0")], name)

    def halving(self, x: str, name: str) -> str:
        return self.node("MaxPool", [self._round(x, f"{name}/0")], name, kernel_shape=[2, 2], strides=[2, 2])

    def addition(self, x: str, other: str, name: str) -> str:
        return self.node("Add", [self._round(x, f"{name}/0"), self._round(other, f"{name}/1")], name)

    def concatenation(self, x: str, other: str, name: str) -> str:
        return self.node("Concat", [self._round(x, f"{name}/0"), self._round(other, f"{name}/1")], name, axis=1)

    def activation(self, x: str, kind: str, name: str) -> str:
        name = f"{name}/channels_first"
        return self.node("Sigmoid", [x], name) if kind == "sigmoid" else self.node("Softmax", [x], name, axis=1)

    def _inputs(self, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32], out: int, name: str) -> list[str]:
        filters, place = kernel.transpose(3, 2, 0, 1), f"{name}/kernel"
        bias_name = self._constant(bias, f"{name}/bias")
        x = self._round(x, f"{name}/0")
        if place not in self._ranges:
            return [x, self._constant(filters, place), bias_name]
        integers, scale = quantize_kernel(filters, self._ranges[place], out)
        inputs = [self._constant(integers, f"{place}/int8"), self._constant(scale.ravel(), f"{place}/scale")]
        return [x, self.node("DequantizeLinear", inputs, place, axis=out), bias_name]

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
