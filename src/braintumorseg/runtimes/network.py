"""A network as data: the name of an architecture with its weights, which any engine can build from.

An engine says how its runtime writes a convolution, a sum and so on (``Operations``); ``Network.trace`` says in which order
the architecture uses them. Normalisations by batch statistics, which are constants once a model is trained, are folded into the
convolutions before them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg._core.optional import lazy

if TYPE_CHECKING:
    import keras

_models = lazy("braintumorseg.models")

Weights = Mapping[str, NDArray[np.float32]]
Tensor = TypeVar("Tensor")

EPSILON = 1e-3
"""What Keras adds to variances."""
_RESIDUAL = {"resunet": True, "unet": False}
_ACTIVATION = "sigmoid"  # of the builders, where a configuration names none


class Operations(Protocol[Tensor]):
    """What a runtime has to know. Kernels are ``(height, width, in, out)``, or ``(height, width, out, in)`` to upsample."""

    def convolution(self, x: Tensor, kernel: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> Tensor:
        """Convolve, the same size out as in."""

    def upsampling(self, x: Tensor, kernel: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> Tensor:
        """Double height and width by a transposed convolution."""

    def group_normalization(
        self, x: Tensor, groups: int, scale: NDArray[np.float32], offset: NDArray[np.float32], name: str
    ) -> Tensor:
        """Normalise over groups of channels."""

    def relu(self, x: Tensor, name: str) -> Tensor:
        """Set what is below 0 to 0."""

    def halving(self, x: Tensor, name: str) -> Tensor:
        """Halve height and width by the maximum of 2x2 pixels."""

    def addition(self, x: Tensor, other: Tensor, name: str) -> Tensor:
        """Add."""

    def concatenation(self, x: Tensor, other: Tensor, name: str) -> Tensor:
        """Join along the channels."""

    def activation(self, x: Tensor, kind: str, name: str) -> Tensor:
        """Apply ``"sigmoid"``, or ``"softmax"`` over the channels."""


@dataclass(frozen=True, eq=False)
class Network:
    """An architecture with its weights.

    Attributes:
        name: Of the preset or segmenter, for messages.
        architecture: ``name`` of the architecture and arguments of its builder.
        weights: Array of each weight by its path in the Keras model.
        quantization: What int8 needs beside the weights, see ``engines.quantization``; ``None`` where nobody measured it.
    """

    name: str
    architecture: Mapping[str, Any]
    weights: Weights = field(repr=False)
    quantization: Weights | None = field(default=None, repr=False)

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return int(self._kernel("encoder_1_conv_1/kernel").shape[2])

    @property
    def classes(self) -> int:
        """Number of output channels."""
        return int(self._kernel("logits/kernel").shape[3])

    @property
    def levels(self) -> int:
        """Number of resolutions."""
        return 1 + sum(re.fullmatch(r"encoder_\d+_conv_1/kernel", path) is not None for path in self.weights)

    @property
    def multiple(self) -> int:
        """What height and width must be a multiple of."""
        return 1 << (self.levels - 1)

    @property
    def fixed(self) -> tuple[int | None, int | None]:
        """The one height and width that the model takes; ``None`` for any."""
        height, width, _ = self.architecture.get("input_shape") or (None, None, None)
        return height, width

    def same_weights(self, weights: Weights) -> bool:
        """Tell whether other weights are these, to the last bit."""
        return weights.keys() == self.weights.keys() and all(
            np.array_equal(array, weights[path]) for path, array in self.weights.items()
        )

    def __call__(self) -> keras.Model:
        """Build the Keras model from our own code and give it the weights.

        Raises:
            DataError: If the architecture is unknown, or a weight is missing, unknown or of another shape.
        """
        arguments = dict(self.architecture)
        name = arguments.pop("name", None)
        if name not in _models.BUILDERS:
            msg = f"preset {self.name}: unknown architecture {name!r}; known are {', '.join(_models.BUILDERS)}"
            raise DataError(msg)
        try:
            model = _models.BUILDERS[name](**arguments)
        except (TypeError, ValueError) as error:
            msg = f"preset {self.name}: the architecture {name} can't be built: {error}"
            raise DataError(msg) from error
        shapes = {path: tuple(weight.shape) for path, weight in variables_of(model).items()}
        given = {path: array.shape for path, array in self.weights.items()}
        if shapes != given:
            self._misfit(path for path in shapes.keys() | given.keys() if shapes.get(path) != given.get(path))
        for path, variable in variables_of(model).items():
            variable.assign(self.weights[path])
        return model

    def trace(self, operations: Operations[Tensor], images: Tensor) -> Tensor:
        """Write the network in a runtime's own operations, from images to probabilities.

        Raises:
            DataError: If the architecture is unknown, or weights are missing, of another shape or left over.
        """
        if self.architecture.get("name") not in _RESIDUAL:
            known, name = ", ".join(_RESIDUAL), self.architecture.get("name")
            msg = f"preset {self.name}: unknown architecture {name!r}; known are {known}"
            raise DataError(msg)
        tracer = _Tracer(self, operations)
        output: Tensor = tracer.network(images)
        if tracer.unused:
            self._misfit(tracer.unused)
        return output

    def _kernel(self, path: str) -> NDArray[np.float32]:
        kernel = self._weight(path)
        if kernel.ndim != 4:
            self._misfit([path])
        return kernel

    def _weight(self, path: str) -> NDArray[np.float32]:
        if path not in self.weights:
            self._misfit([path])
        return self.weights[path]

    def _misfit(self, paths: Any) -> NoReturn:
        wrong = sorted(paths)
        name = self.architecture.get("name")
        msg = f"preset {self.name}: {len(wrong)} weights do not fit the architecture {name}, the first is {wrong[0]}"
        raise DataError(msg)


class _Tracer:
    """Walks through an architecture; the layers have the names that they have in the Keras model."""

    def __init__(self, network: Network, operations: Any) -> None:
        self._network, self._do = network, operations
        self._residual = _RESIDUAL[network.architecture["name"]]
        self.unused = set(network.weights)

    def network(self, x: Any) -> Any:
        skips = []
        flow = _Flow(x, self._network.channels)
        for level in range(1, self._network.levels):
            skips.append(self._block(flow, f"encoder_{level}"))
            flow = skips[-1].then(self._do.halving, f"encoder_{level}_pool")
        flow = self._block(flow, "bottleneck")
        for level in range(self._network.levels - 1, 0, -1):
            name, skip = f"decoder_{level}", skips[level - 1]
            kernel = self._take(f"{name}_up/kernel", 2, 2, None, flow.channels)
            up = self._do.upsampling(flow.tensor, kernel, self._take(f"{name}_up/bias", kernel.shape[2]), f"{name}_up")
            joint = self._do.concatenation(up, skip.tensor, f"{name}_skip")
            flow = self._block(_Flow(joint, kernel.shape[2] + skip.channels), name)
        kernel = self._take("logits/kernel", 1, 1, flow.channels, None)
        x = self._do.convolution(flow.tensor, kernel, self._take("logits/bias", kernel.shape[3]), "logits")
        activation = self._network.architecture.get("activation", _ACTIVATION)
        return x if activation is None else self._do.activation(x, activation, "probabilities")

    def _block(self, flow: _Flow, name: str) -> _Flow:
        shortcut = flow
        if self._residual and f"{name}_shortcut_conv/kernel" in self.unused:
            shortcut = self._convolution(flow, 1, f"{name}_shortcut_conv", f"{name}_shortcut_norm")
        flow = self._convolution(flow, 3, f"{name}_conv_1", f"{name}_norm_1").then(self._do.relu, f"{name}_relu_1")
        flow = self._convolution(flow, 3, f"{name}_conv_2", f"{name}_norm_2")
        if self._residual:
            if shortcut.channels != flow.channels:
                self._network._misfit([f"{name}_conv_2/kernel"])
            flow = _Flow(self._do.addition(flow.tensor, shortcut.tensor, f"{name}_add"), flow.channels)
        return flow.then(self._do.relu, f"{name}_relu_2")

    def _convolution(self, flow: _Flow, size: int, name: str, norm: str) -> _Flow:
        kernel = self._take(f"{name}/kernel", size, size, flow.channels, None)
        width = kernel.shape[3]
        scale, offset = self._take(f"{norm}/gamma", width), self._take(f"{norm}/beta", width)
        if f"{norm}/moving_mean" in self.unused:
            factor = scale / np.sqrt(self._take(f"{norm}/moving_variance", width) + np.float32(EPSILON))
            bias = offset - self._take(f"{norm}/moving_mean", width) * factor
            return _Flow(self._do.convolution(flow.tensor, kernel * factor, bias, name), width)
        x = self._do.convolution(flow.tensor, kernel, np.zeros(width, np.float32), name)
        return _Flow(self._do.group_normalization(x, math.gcd(8, width), scale, offset, norm), width)

    def _take(self, path: str, *shape: int | None) -> NDArray[np.float32]:
        """Return a weight of this shape, ``None`` for any length."""
        self.unused.discard(path)
        weight = self._network._weight(path)
        fits = len(shape) == weight.ndim and all(
            want in (None, have) for want, have in zip(shape, weight.shape, strict=True)
        )
        if not fits:
            self._network._misfit([path])
        return weight


class _Flow(NamedTuple):
    """A tensor of a runtime and its number of channels."""

    tensor: Any
    channels: int

    def then(self, operation: Any, name: str) -> _Flow:
        return _Flow(operation(self.tensor, name), self.channels)


def variables_of(model: keras.Model) -> dict[str, Any]:
    """Return the model's weights by path; the state of random generators is not one of them."""
    return {variable.path: variable for variable in model.weights if not variable.path.endswith("seed_generator_state")}


def weights_of(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Return copies of the model's weights by path."""
    return {path: np.asarray(variable).astype(np.float32) for path, variable in variables_of(model).items()}
