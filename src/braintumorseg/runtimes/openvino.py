"""Run a network through OpenVINO on the CPU: built from the weights in its own operations, without TensorFlow or Keras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as opset

from braintumorseg._core.forked import check_not_stranded
from braintumorseg.runtimes.lowering import Weights
from braintumorseg.runtimes.network import Network
from braintumorseg.runtimes.operations import Margins, Pair
from braintumorseg.runtimes.padding import pad
from braintumorseg.runtimes.quantization import LEVELS, quantize_kernel

INPUT, OUTPUT = "images", "probabilities"
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
"""What a network is compiled with; without it, CPUs that have bfloat16 compute in that."""

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exponential": opset.exp,
    "hard_silu": opset.hswish,
    "mish": opset.mish,
    "relu": opset.relu,
    "sigmoid": opset.sigmoid,
    "silu": opset.swish,
    "softplus": opset.softplus,
    "softsign": opset.softsign,
    "sqrt": opset.sqrt,
    "tanh": opset.tanh,
}
_REDUCTIONS = {"maximum": opset.reduce_max, "mean": opset.reduce_mean, "sum": opset.reduce_sum}
_SELU = 1.6732632423543772, 1.0507009873554805  # alpha and scale of Klambauer et al. 2017


class Runner:
    """A network, compiled for each size of image that it meets; a copy in another process compiles anew."""

    def __init__(self, network: Network, precision: str) -> None:
        check_not_stranded("openvino")
        self._network, self._precision = network, precision
        self._model = build(network, precision)
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[Runner], tuple[Network, str]]:
        return Runner, (self._network, self._precision)

    def prepare(self, height: int, width: int) -> None:
        """Compile for one size of image, so that the first ones need not wait."""
        shape = pad(np.empty((1, height, width, 1), np.float32), self._network.fixed, self._network.multiple).shape
        self._compile(shape[1], shape[2])

    def __call__(self, images: NDArray[np.float32], batch_size: int) -> NDArray[np.float32]:
        """Return the network's output for a stack of images; arguments and result are those of ``runtimes.keras.run``.

        Each core has a slice of its own, which is faster than all of them sharing one, and needs less memory.
        """
        count, height, width, _ = images.shape
        padded = np.ascontiguousarray(pad(images, self._network.fixed, self._network.multiple), np.float32)
        compiled = self._compile(*padded.shape[1:3])
        output = np.empty((*padded.shape[:3], self._network.classes), np.float32)
        side_by_side = min(batch_size, count, int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))
        requests = [compiled.create_infer_request() for _ in range(side_by_side)]
        for index in range(count):
            request = requests[index % side_by_side]
            request.wait()
            request.set_input_tensor(openvino.Tensor(padded[index : index + 1], shared_memory=True))
            request.set_output_tensor(openvino.Tensor(output[index : index + 1], shared_memory=True))
            request.start_async()
        for request in requests:
            request.wait()
        return output[:, :height, :width]

    def _compile(self, height: int, width: int) -> Any:
        check_not_stranded("openvino")  # before the lock, which a thread may have held that stayed behind
        with self._lock:
            if (height, width) not in self._compiled:
                model = self._model.clone()
                model.reshape([1, height, width, self._network.channels])
                options = {**EXACT, "PERFORMANCE_HINT": "THROUGHPUT"}
                self._compiled[height, width] = openvino.Core().compile_model(model, "CPU", options)
            return self._compiled[height, width]


def build(network: Network, precision: str = "float32") -> openvino.Model:
    """Write a network as a model of OpenVINO, from images ``(batch, height, width, channels)`` of any size.

    Args:
        network: The network.
        precision: ``"float32"``, or ``"int8"`` for a network that has a quantization.

    Raises:
        DataError: If the weights do not fit the architecture.
    """
    operations = _Operations(network.quantization if precision == "int8" else None)
    images = opset.parameter([-1, -1, -1, network.channels], np.float32, name=INPUT)
    images.output(0).set_names({INPUT})
    output = network.trace(operations, operations.channels_first(images))
    output = opset.transpose(output, [0, 2, 3, 1])
    output.output(0).set_names({OUTPUT})
    return openvino.Model([opset.result(output)], [images], network.name)


class _Operations:
    """The operations of OpenVINO.

    With a quantization, values are rounded where it says so, kernels of such convolutions too: OpenVINO then computes
    these in integers of 8 bits.
    """

    def __init__(self, quantization: Weights | None) -> None:
        self._ranges = quantization or {}
        self._rounded: dict[tuple[Any, ...], Any] = {}

    def channels_first(self, images: Any) -> Any:
        return opset.transpose(self._round(images, "channels_first/0"), [0, 3, 1, 2], name="channels_first")

    def convolution(
        self,
        x: Any,
        kernel: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        name: str,
        *,
        strides: Pair = (1, 1),
        padding: Any = ((0, 0), (0, 0)),
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> Any:
        auto = "same_upper" if padding == "same" else "explicit"
        (top, bottom), (left, right) = ((0, 0), (0, 0)) if padding == "same" else padding
        filters = self._kernel(kernel.transpose(3, 2, 0, 1), 0, name, groups)
        operation = opset.convolution if groups == 1 else opset.group_convolution
        x = operation(
            self._round(x, f"{name}/0"),
            filters,
            list(strides),
            [top, left],
            [bottom, right],
            list(dilation),
            auto,
            name=name,
        )
        return _add_bias(x, bias, name)

    def transposed_convolution(
        self,
        x: Any,
        kernel: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        name: str,
        *,
        strides: Pair,
        crops: Margins,
        more: Pair,
    ) -> Any:
        filters = self._kernel(kernel.transpose(3, 2, 0, 1), 1, name)
        (top, bottom), (left, right) = crops
        x = opset.convolution_backprop_data(
            self._round(x, f"{name}/0"),
            filters,
            list(strides),
            pads_begin=[top, left],
            pads_end=[bottom, right],
            output_padding=list(more),
            name=name,
        )
        return _add_bias(x, bias, name)

    def pooling(self, x: Any, kind: str, name: str, *, size: Pair, strides: Pair, same: bool) -> Any:
        x, auto = self._round(x, f"{name}/0"), "same_upper" if same else "explicit"
        if kind == "maximum":
            options = {"auto_pad": auto, "name": name}
            return opset.max_pool(x, list(strides), [1, 1], [0, 0], [0, 0], list(size), **options).output(0)
        return opset.avg_pool(x, list(strides), [0, 0], [0, 0], list(size), exclude_pad=True, auto_pad=auto, name=name)

    def reduction(self, x: Any, kind: str, axes: Sequence[int], name: str) -> Any:
        return _REDUCTIONS[kind](self._round(x, f"{name}/0"), list(axes), keep_dims=True, name=name)

    def upsampling(self, x: Any, name: str, *, factors: Pair, smooth: bool) -> Any:
        scales, axes = np.array(factors, np.float32), np.array([2, 3])
        options = (
            {"mode": "linear_onnx", "coordinate_transformation_mode": "half_pixel"}
            if smooth
            else {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        )
        return opset.interpolate(
            self._round(x, f"{name}/0"), scales, shape_calculation_mode="scales", axes=axes, name=name, **options
        )

    def padding(self, x: Any, margins: Margins, name: str) -> Any:
        (top, bottom), (left, right) = margins
        zero = _constant(0)
        return opset.pad(
            self._round(x, f"{name}/0"), [0, 0, top, left], [0, 0, bottom, right], "constant", zero, name=name
        )

    def cropping(self, x: Any, margins: Margins, name: str) -> Any:
        (top, bottom), (left, right) = margins
        end = [-side if side else np.iinfo(np.int64).max for side in (bottom, right)]
        return opset.slice(
            self._round(x, f"{name}/0"), [top, left], np.array(end, np.int64), [1, 1], np.array([2, 3]), name=name
        )

    def concatenation(self, tensors: Sequence[Any], name: str) -> Any:
        return opset.concat([self._round(x, f"{name}/{place}") for place, x in enumerate(tensors)], 1, name=name)

    def arithmetic(self, kind: str, x: Any, other: Any, name: str) -> Any:
        other = _constant(other) if isinstance(other, np.ndarray) else self._round(other, f"{name}/1")
        return getattr(opset, kind)(self._round(x, f"{name}/0"), other, name=name)

    def function(self, kind: str, x: Any, name: str, *, alpha: float = 0.0) -> Any:
        x = self._round(x, f"{name}/0")
        match kind:
            case "softmax" | "log_softmax":
                return getattr(opset, kind)(x, 1, name=name)
            case "elu":
                return opset.elu(x, alpha, name=name)
            case "leaky_relu":
                return opset.prelu(x, _constant([alpha]), name=name)
            case "selu":
                return opset.selu(x, *map(_constant, _SELU), name=name)
            case "gelu":
                return opset.gelu(x, "erf", name=name)
            case "hard_sigmoid":
                return opset.hard_sigmoid(x, _constant(1 / 6), _constant(0.5), name=name)
        return _FUNCTIONS[kind](x, name=name)

    def clipping(self, x: Any, low: float, high: float, name: str) -> Any:
        return opset.clamp(self._round(x, f"{name}/0"), low, high, name=name)

    def above(self, x: Any, threshold: float, name: str) -> Any:
        x = self._round(x, f"{name}/0")
        return opset.select(opset.greater(x, _constant(threshold)), x, _constant(0), name=name)

    def slopes(self, x: Any, slopes: NDArray[np.float32], name: str) -> Any:
        return opset.prelu(self._round(x, f"{name}/0"), _constant(slopes), name=name)

    def group_normalization(
        self,
        x: Any,
        groups: int,
        scale: NDArray[np.float32],
        offset: NDArray[np.float32],
        epsilon: float,
        name: str,
    ) -> Any:
        return opset.group_normalization(x, _constant(scale), _constant(offset), groups, epsilon, name=name)

    def _kernel(self, kernel: NDArray[np.float32], out: int, name: str, groups: int = 1) -> Any:
        """Return a kernel, in integers where the quantization has a scale; ``out`` is its axis of output channels."""
        shape = kernel.shape if groups == 1 else (groups, kernel.shape[0] // groups, *kernel.shape[1:])
        if f"{name}/kernel" not in self._ranges:
            return _constant(kernel.reshape(shape))
        integers, scale = quantize_kernel(kernel, self._ranges[f"{name}/kernel"], out)
        ones = scale.shape if groups == 1 else (*shape[:2], 1, 1, 1)
        return opset.multiply(
            opset.convert(opset.constant(integers.reshape(shape)), np.float32), _constant(scale.reshape(ones))
        )

    def _round(self, x: Any, place: str) -> Any:
        """Round to one of 256 values between the bounds that were measured at this place."""
        if place not in self._ranges:
            return x
        low, high = (float(bound) for bound in self._ranges[place])
        source = x if isinstance(x, openvino.Output) else x.output(0)
        key = (source.get_node().get_name(), source.get_index(), low, high)
        if key not in self._rounded:  # one for all that take these values
            bounds = [_constant(np.float32(bound)) for bound in (low, high, low, high)]
            self._rounded[key] = opset.fake_quantize(x, *bounds, LEVELS)
        return self._rounded[key]


def _add_bias(x: Any, bias: NDArray[np.float32] | None, name: str) -> Any:
    if bias is None:
        return x
    return opset.add(x, _constant(bias.reshape(1, -1, 1, 1)), name=f"{name}/bias")


def _constant(array: Any) -> Any:
    return opset.constant(np.asarray(array, np.float32, order="C"))
