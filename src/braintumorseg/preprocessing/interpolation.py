"""Linear interpolation of stacks of slices, as products with matrices of which only a band is not zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_BLOCK = 16  # places of the result in one product: few enough that these reach a narrow band of the source


def resample(
    stack: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return ``rows @ each @ columns.T`` of each slice of a stack.

    Each place of the result depends on a few of the source, so that most of a matrix is 0. Products of blocks of it with
    what they reach are an eighth of the arithmetic, and too small for BLAS to start threads, which would go on waiting,
    and keep cores from the network, after their work is done.

    Args:
        stack: Array ``(slices, height, width)``.
        rows: Matrix ``(new height, height)``, as :func:`interpolation` gives it.
        columns: Matrix ``(new width, width)``.

    Returns:
        Float32 array ``(slices, new height, new width)``.
    """
    slices, height, _ = stack.shape
    narrow = np.empty((slices, height, len(columns)), np.float32)
    for block, part, reach in blocks(columns):
        np.matmul(stack[:, :, reach], part.T, out=narrow[:, :, block])
    resampled = np.empty((slices, len(rows), len(columns)), np.float32)
    for block, part, reach in blocks(rows):
        np.matmul(part, narrow[:, reach], out=resampled[:, block])
    return resampled


def blocks(matrix: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float32], slice]]:
    """Cut a matrix into blocks of rows; yield which rows, what of them is not zero, and which columns that is."""
    for start in range(0, len(matrix), _BLOCK):
        block = slice(start, start + _BLOCK)
        reach = reached(matrix[block])
        yield block, matrix[block, reach], reach


def reached(matrix: NDArray[np.float32]) -> slice:
    """Return the span of the source's places that have a weight; the first one alone if none has."""
    places = np.flatnonzero(matrix.any(axis=0))
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 1)


def interpolation(length: int, source: int, origin: float, step: float) -> NDArray[np.float32]:
    """Return the matrix ``(length, source)`` of linear interpolation at ``origin + step * i``.

    The triangle widens with ``step`` where the result is coarser, which averages instead of skipping. Places outside
    the source count as 0.
    """
    centres = origin + step * np.arange(length)[:, None]
    reach = max(1.0, step)
    pad = int(np.ceil(2 * reach)) + 1
    places = np.arange(-pad, source + pad)[None, :]
    clipped = np.clip(centres, -pad + reach, source - 1 + pad - reach)  # far outside: any place outside will do
    weights = np.clip(1 - np.abs(places - clipped) / reach, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights[:, pad : pad + source], np.float32)
