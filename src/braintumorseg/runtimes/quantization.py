"""The table that a network in 8 bits needs beside its weights, and how numbers become integers by it.

A quantization is a table of arrays: ``"<layer>/0"`` (and ``"<layer>/1"`` of a second input) the lowest and the highest value
that the input is rounded between, and ``"<layer>/kernel"`` the largest magnitude of each output channel's kernel. It is kept
as numbers, and engines write the network by it from their own operations: no file of a runtime's own has to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong

LEVELS = 256  # of 8 bits
KERNEL_LEVEL = 64
"""Largest integer of a kernel, half of what 8 bits hold. CPUs without VNNI add two products in 16 bits and cut off what is
too large; with 255 for a value and 64 for a kernel nothing is, so that all CPUs find the same."""


def check_quantization(quantization: Mapping[str, NDArray[Any]], kernels: Mapping[str, int]) -> None:
    """Raise ``ValueError`` unless all arrays are as described above and fit a network's layers.

    Args:
        quantization: The table.
        kernels: Number of output channels of each layer that has a kernel, see ``Graph.kernels``.
    """
    for place, array in quantization.items():
        layer, _, kind = place.rpartition("/")
        length, fits = 2, array.dtype == np.float32 and array.ndim == 1 and bool(np.isfinite(array).all())
        if kind == "kernel":
            length = kernels.get(layer, 0)
            fits = fits and bool((array >= 0).all())
        else:
            fits = fits and kind.isdecimal() and bool((array[:-1] < array[1:]).all())
        if not fits or len(array) != length:
            msg = wrong(place, f"{length} finite numbers that fit the network", f"{array.dtype} of shape {array.shape}")
            raise ValueError(msg)


def quantize_kernel(
    kernel: NDArray[np.float32], bounds: NDArray[np.float32], out: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a kernel as integers from -64 to 64 with their scale, one for each output channel (axis ``out``)."""
    shape: Sequence[int] = [-1 if axis == out else 1 for axis in range(kernel.ndim)]
    scale = np.maximum(bounds / KERNEL_LEVEL, np.finfo(np.float32).tiny).astype(np.float32).reshape(shape)
    return np.clip(np.rint(kernel / scale), -KERNEL_LEVEL, KERNEL_LEVEL).astype(np.int8), scale


def quantize_range(low: float, high: float) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return scale and zero of integers from 0 to 255 that stand for the numbers from ``low`` to ``high``."""
    scale = (high - low) / (LEVELS - 1)
    zero = min(max(round(-low / scale), 0), LEVELS - 1)
    return np.array(scale, np.float32), np.array(zero, np.uint8)
