"""A network as data: its layers with their weights, which any engine can build from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg._core.forked import check_not_stranded
from braintumorseg._core.optional import lazy
from braintumorseg.models.graph import Graph
from braintumorseg.runtimes.lowering import Weights, lower
from braintumorseg.runtimes.operations import Operations, Tensor

if TYPE_CHECKING:
    import keras

_build = lazy("braintumorseg.models.build")
_keras = lazy("keras")


@dataclass(frozen=True, eq=False)
class Network:
    """The layers of a network with their weights.

    Attributes:
        name: Of the preset or segmenter, for messages.
        graph: The layers.
        weights: Array of each weight by its path in the Keras model.
        quantization: What int8 needs beside the weights, see ``runtimes.quantization``; ``None`` if it was never measured.
    """

    name: str
    graph: Graph
    weights: Weights = field(repr=False)
    quantization: Weights | None = field(default=None, repr=False)

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return self.graph.channels

    @property
    def classes(self) -> int:
        """Number of output channels."""
        return self.graph.classes

    @property
    def multiple(self) -> int:
        """What height and width must be a multiple of."""
        return self.graph.multiple

    @property
    def fixed(self) -> tuple[int | None, int | None]:
        """The one height and width that the model takes; ``None`` for any."""
        return self.graph.size

    def same_weights(self, weights: Weights) -> bool:
        """Tell whether other weights are these, to the last bit."""
        return weights.keys() == self.weights.keys() and all(
            np.array_equal(array, weights[path]) for path, array in self.weights.items()
        )

    def check_weights(self) -> None:
        """Refuse weights that are missing, of another shape or left over.

        Raises:
            DataError: If there are such weights; the first is named.
        """
        shapes, given = self.graph.shapes, {path: array.shape for path, array in self.weights.items()}
        if shapes != given:
            wrong = sorted(path for path in shapes.keys() | given.keys() if shapes.get(path) != given.get(path))
            msg = (
                f"preset {self.name}: {len(wrong)} weights do not fit the architecture {self.graph.name}, "
                f"the first is {wrong[0]}"
            )
            raise DataError(msg)

    def __call__(self) -> keras.Model:
        """Build the Keras model from our own code and give it the weights.

        Raises:
            DataError: If a weight is missing, unknown or of another shape.
            RuntimeError: If the backend of Keras was loaded before this process was forked.
        """
        check_keras()
        self.check_weights()
        model = _build.build(self.graph)
        for path, variable in variables_of(model).items():
            variable.assign(self.weights[path])
        for layer in model.layers:
            if isinstance(layer, _keras.layers.Normalization):  # it computes with what it makes of its weights
                layer.finalize_state()
        return model

    def trace(self, operations: Operations[Tensor], images: Tensor) -> Tensor:
        """Write the network in a runtime's own operations, from images to probabilities.

        Raises:
            DataError: If weights are missing, of another shape or left over.
        """
        self.check_weights()
        return lower(self.graph, self.weights, operations, images)


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
