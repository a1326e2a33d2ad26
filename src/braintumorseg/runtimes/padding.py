"""Images of a size that a model can't take, padded to the next one that it can."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong


def pad(images: NDArray[np.float32], fixed: tuple[int | None, int | None], multiple: int) -> NDArray[np.float32]:
    """Pad images at the bottom and the right with their lowest value, which is that of air.

    Args:
        images: Array ``(slices, height, width, channels)``.
        fixed: Height and width that the model takes; ``None`` for any multiple.
        multiple: What height and width must be multiples of.

    Raises:
        ValueError: If the model takes one fixed size, and the images are larger.
    """
    below, right = (_padding(side, one, multiple) for side, one in zip(images.shape[1:3], fixed, strict=True))
    if below or right:
        return np.pad(images, ((0, 0), (0, below), (0, right), (0, 0)), constant_values=images.min())
    return images


def _padding(side: int, fixed: int | None, multiple: int) -> int:
    if fixed is None:
        return -side % multiple
    if side > fixed:
        msg = wrong("size", f"at most {fixed}, the fixed input size of this model", side)
        raise ValueError(msg)
    return fixed - side
