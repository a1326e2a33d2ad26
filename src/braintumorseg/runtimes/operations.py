"""What a runtime has to know: the operations that the layers of a network are written in, see ``runtimes.lowering``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Tensor = TypeVar("Tensor")
Array = NDArray[np.float32]
Pair = tuple[int, int]
Margins = tuple[Pair, Pair]
"""``((top, bottom), (left, right))``."""
Arithmetic = Literal["add", "subtract", "multiply", "divide", "maximum", "minimum"]
Function = Literal[
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "leaky_relu",
    "log_softmax",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "sqrt",
    "tanh",
]
"""Functions of one tensor, by Keras's names; ``alpha`` is of ``elu`` and ``leaky_relu``. The softmax is over the channels."""


class Operations(Protocol[Tensor]):
    """The operations of a runtime. Tensors are ``(batch, channels, height, width)``; a vector of channels has one pixel."""

    def convolution(
        self,
        x: Tensor,
        kernel: Array,
        bias: Array | None,
        name: str,
        *,
        strides: Pair = (1, 1),
        padding: Margins | Literal["same"] = ((0, 0), (0, 0)),
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> Tensor:
        """Convolve with a kernel ``(height, width, in / groups, out)``; ``"same"`` pads as TensorFlow does."""

    def transposed_convolution(
        self, x: Tensor, kernel: Array, bias: Array | None, name: str, *, strides: Pair, crops: Margins, more: Pair
    ) -> Tensor:
        """Convolve the other way round, with a kernel ``(height, width, out, in)``.

        The margins ``crops`` are cut off, and ``more`` rows and columns are added at the end.
        """

    def pooling(
        self, x: Tensor, kind: Literal["maximum", "mean"], name: str, *, size: Pair, strides: Pair, same: bool
    ) -> Tensor:
        """Take the maximum or the mean of windows; padding, if the size divided by the strides is kept, counts for nothing."""

    def reduction(self, x: Tensor, kind: Literal["maximum", "mean", "sum"], axes: Sequence[int], name: str) -> Tensor:
        """Take the maximum, the mean or the sum along axes, which are kept with one value."""

    def upsampling(self, x: Tensor, name: str, *, factors: Pair, smooth: bool) -> Tensor:
        """Enlarge images, each pixel repeated or, if smooth, by bilinear interpolation between the pixels' centres."""

    def padding(self, x: Tensor, margins: Margins, name: str) -> Tensor:
        """Add margins of 0."""

    def cropping(self, x: Tensor, margins: Margins, name: str) -> Tensor:
        """Cut margins off."""

    def concatenation(self, tensors: Sequence[Tensor], name: str) -> Tensor:
        """Join along the channels."""

    def arithmetic(self, kind: Arithmetic, x: Tensor, other: Tensor | Array, name: str) -> Tensor:
        """Compute with two tensors, or with a tensor and a constant that fits it: a number or ``(1, channels, 1, 1)``."""

    def function(self, kind: Function, x: Tensor, name: str, *, alpha: float = 0.0) -> Tensor:
        """Apply a function to each number."""

    def clipping(self, x: Tensor, low: float, high: float, name: str) -> Tensor:
        """Set what is below ``low`` to that, and what is above ``high``."""

    def above(self, x: Tensor, threshold: float, name: str) -> Tensor:
        """Set what is not above a threshold to 0."""

    def slopes(self, x: Tensor, slopes: Array, name: str) -> Tensor:
        """Multiply what is below 0 by a slope of its channel."""

    def group_normalization(
        self, x: Tensor, groups: int, scale: Array, offset: Array, epsilon: float, name: str
    ) -> Tensor:
        """Normalise over groups of channels."""
