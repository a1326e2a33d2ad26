"""Run a network through OpenVINO on the CPU: built from the weights in its own operations, without TensorFlow or Keras."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as opset

from braintumorseg._core.forked import check_not_stranded
from braintumorseg.models.graph import EPSILON
from braintumorseg.runtimes.network import Network, Weights
from braintumorseg.runtimes.padding import pad
from braintumorseg.runtimes.quantization import LEVELS, quantize_kernel

INPUT, OUTPUT = "images", "probabilities"
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
"""What a network is compiled with; without it, CPUs that have bfloat16 compute in that."""


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
    """The operations that ``Network.trace`` asks for; inside, channels come before height and width.

    With a quantization, values are rounded where it says so, kernels of such convolutions too: OpenVINO then computes
    these in integers of 8 bits.
    """

    def __init__(self, quantization: Weights | None) -> None:
        self._ranges = quantization or {}
        self._rounded: dict[tuple[Any, ...], Any] = {}

    def channels_first(self, images: Any) -> Any:
        return opset.transpose(self._round(images, "channels_first/0"), [0, 3, 1, 2], name="channels_first")

    def convolution(self, x: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> Any:
        same = [kernel.shape[0] // 2, kernel.shape[1] // 2]
        filters = self._kernel(kernel.transpose(3, 2, 0, 1), 0, name)
        x = opset.convolution(self._round(x, f"{name}/0"), filters, [1, 1], same, same, [1, 1], name=name)
        return _add_bias(x, bias, name)

    def upsampling(self, x: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> Any:
        filters = self._kernel(kernel.transpose(3, 2, 0, 1), 1, name)
        x = opset.convolution_backprop_data(self._round(x, f"{name}/0"), filters, [2, 2], name=name)
        return _add_bias(x, bias, name)

    def group_normalization(
        self, x: Any, groups: int, scale: NDArray[np.float32], offset: NDArray[np.float32], name: str
    ) -> Any:
        return opset.group_normalization(x, _constant(scale), _constant(offset), groups, EPSILON, name=name)

    def relu(self, x: Any, name: str) -> Any:
        return opset.relu(self._round(x, f"{name}/0"), name=name)

    def halving(self, x: Any, name: str) -> Any:
        x = self._round(x, f"{name}/0")
        return opset.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2], name=name).output(0)

    def addition(self, x: Any, other: Any, name: str) -> Any:
        return opset.add(self._round(x, f"{name}/0"), self._round(other, f"{name}/1"), name=name)

    def concatenation(self, x: Any, other: Any, name: str) -> Any:
        return opset.concat([self._round(x, f"{name}/0"), self._round(other, f"{name}/1")], 1, name=name)

    def activation(self, x: Any, kind: str, name: str) -> Any:
        return opset.sigmoid(x, name=name) if kind == "sigmoid" else opset.softmax(x, 1, name=name)

    def _kernel(self, kernel: NDArray[np.float32], out: int, name: str) -> Any:
        if f"{name}/kernel" not in self._ranges:
            return _constant(kernel)
        integers, scale = quantize_kernel(kernel, self._ranges[f"{name}/kernel"], out)
        return opset.multiply(opset.convert(opset.constant(integers), np.float32), _constant(scale))

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


def _add_bias(x: Any, bias: NDArray[np.float32], name: str) -> Any:
    return opset.add(x, _constant(bias.reshape(1, -1, 1, 1)), name=f"{name}/bias")


def _constant(array: Any) -> Any:
    return opset.constant(np.ascontiguousarray(array, np.float32))
