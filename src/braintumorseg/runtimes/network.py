"""A network as data: the name of an architecture with its weights, which any engine can build from.

An engine says how its runtime writes a convolution, a sum and so on (``Operations``); ``Network.trace`` walks through the
architecture's layers, which ``models.topology`` describes. Normalisations by batch statistics, which are constants once a model
is trained, are folded into the convolutions before them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg._core.forked import check_not_stranded
from braintumorseg._core.optional import lazy
from braintumorseg.models.graph import EPSILON, Graph, Node
from braintumorseg.models.topology import GRAPHS, describe

if TYPE_CHECKING:
    import keras

_models = lazy("braintumorseg.models")
_keras = lazy("keras")

Weights = Mapping[str, NDArray[np.float32]]
Tensor = TypeVar("Tensor")


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
        quantization: What int8 needs beside the weights, see ``runtimes.quantization``; ``None`` if it was never measured.
    """

    name: str
    architecture: Mapping[str, Any]
    weights: Weights = field(repr=False)
    quantization: Weights | None = field(default=None, repr=False)

    @cached_property
    def graph(self) -> Graph | None:
        """The layers, from which every engine can build the network; ``None`` for an architecture that only Keras can.

        Raises:
            DataError: If the arguments are not those of the architecture.
        """
        try:
            return describe(self.architecture)
        except ValueError as error:
            msg = f"preset {self.name}: {error}"
            raise DataError(msg) from error

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return self._described.channels

    @property
    def classes(self) -> int:
        """Number of output channels."""
        return self._described.classes

    @property
    def multiple(self) -> int:
        """What height and width must be a multiple of."""
        return self._described.multiple

    @property
    def fixed(self) -> tuple[int | None, int | None]:
        """The one height and width that the model takes; ``None`` for any."""
        return self._described.size

    def same_weights(self, weights: Weights) -> bool:
        """Tell whether other weights are these, to the last bit."""
        return weights.keys() == self.weights.keys() and all(
            np.array_equal(array, weights[path]) for path, array in self.weights.items()
        )

    def __call__(self) -> keras.Model:
        """Build the Keras model from our own code and give it the weights.

        Raises:
            DataError: If the architecture is unknown, or a weight is missing, unknown or of another shape.
            RuntimeError: If the backend of Keras was loaded before this process was forked.
        """
        check_keras()
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
        self._check_weights({path: tuple(weight.shape) for path, weight in variables_of(model).items()})
        for path, variable in variables_of(model).items():
            variable.assign(self.weights[path])
        return model

    def trace(self, operations: Operations[Tensor], images: Tensor) -> Tensor:
        """Write the network in a runtime's own operations, from images to probabilities.

        Raises:
            DataError: If the architecture is unknown, or weights are missing, of another shape or left over.
        """
        graph = self._described
        self._check_weights(graph.shapes)
        norms = {node.inputs[0]: node.name for node in graph.nodes if node.kind == "batch_norm"}
        tensors = {graph.nodes[0].name: images}
        for node in graph.nodes[1:]:
            inputs = [tensors[name] for name in node.inputs]
            tensors[node.name] = self._write(operations, node, inputs, norms.get(node.name))
        return tensors[graph.nodes[-1].name]

    def _write(self, operations: Operations[Tensor], node: Node, inputs: Sequence[Tensor], norm: str | None) -> Tensor:
        """Write one layer; ``norm`` is the normalisation by batch statistics that is folded into a convolution."""
        name, (x, *others) = node.name, inputs
        match node.kind:
            case "conv":
                return operations.convolution(x, *self._fold(node, norm), name)
            case "up_conv":
                return operations.upsampling(x, self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"], name)
            case "group_norm":
                scale, offset = (self.weights[f"{name}/{kind}"] for kind in ("gamma", "beta"))
                return operations.group_normalization(x, node.settings["groups"], scale, offset, name)
            case "relu":
                return operations.relu(x, name)
            case "max_pool":
                return operations.halving(x, name)
            case "add":
                return operations.addition(x, others[0], name)
            case "concat":
                return operations.concatenation(x, others[0], name)
            case "activation":
                return operations.activation(x, node.settings["function"], name)
        return x  # dropout, which acts in training only, and normalisations that are folded

    def _fold(self, node: Node, norm: str | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return kernel and bias of a convolution together with the normalisation that follows it."""
        kernel = self.weights[f"{node.name}/kernel"]
        if norm is None:
            return kernel, self.weights.get(f"{node.name}/bias", np.zeros(node.channels, np.float32))
        scale, offset, mean, variance = (
            self.weights[f"{norm}/{kind}"] for kind in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        factor = scale / np.sqrt(variance + np.float32(EPSILON))
        return kernel * factor, offset - mean * factor

    @property
    def _described(self) -> Graph:
        if self.graph is None:
            known, name = ", ".join(GRAPHS), self.architecture.get("name")
            msg = f"preset {self.name}: unknown architecture {name!r}; known are {known}"
            raise DataError(msg)
        return self.graph

    def _check_weights(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse weights that are missing, of another shape or left over."""
        given = {path: array.shape for path, array in self.weights.items()}
        if shapes != given:
            wrong = sorted(path for path in shapes.keys() | given.keys() if shapes.get(path) != given.get(path))
            name = self.architecture.get("name")
            msg = (
                f"preset {self.name}: {len(wrong)} weights do not fit the architecture {name}, the first is {wrong[0]}"
            )
            raise DataError(msg)


def check_keras() -> None:
    """Refuse to touch a Keras model where its backend's threads stayed behind in a parent process.

    Raises:
        RuntimeError: If the backend was loaded before this process was forked.
    """
    check_not_stranded(_keras.config.backend())


def variables_of(model: keras.Model) -> dict[str, Any]:
    """Return the model's weights by path; the state of random generators is not one of them."""
    return {variable.path: variable for variable in model.weights if not variable.path.endswith("seed_generator_state")}


def output_of(model: keras.Model) -> tuple[int, str | None]:
    """Return the number of a model's output channels, and the function that they have passed, such as ``"softmax"``."""
    last = model.layers[-1]
    function = "softmax" if isinstance(last, _keras.layers.Softmax) else last.get_config().get("activation")
    return int(model.output_shape[-1]), function if isinstance(function, str) else None


def fingerprint_of(arrays: Weights) -> str:
    """Return a SHA-256 of named arrays, which is the same for all of the same names and values."""
    digest = hashlib.sha256()
    for path in sorted(arrays):
        digest.update(path.encode() + np.ascontiguousarray(arrays[path]).tobytes())
    return digest.hexdigest()


def weights_of(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Return copies of the model's weights by path.

    Raises:
        RuntimeError: If the backend of Keras was loaded before this process was forked.
    """
    check_keras()
    return {path: np.asarray(variable).astype(np.float32) for path, variable in variables_of(model).items()}
