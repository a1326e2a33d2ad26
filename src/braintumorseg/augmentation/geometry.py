"""Moving images and masks together: one map of coordinates for everything, one resampling.

All functions are pure ``keras.ops`` on batches with the channels last, and take one parameter per sample, so that a
parameter of 0 (1 for a factor) leaves its sample as it is.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops


def pixel_grid(height: int, width: int) -> tuple[Any, Any]:
    """Row and column of each pixel, float32 ``(1, height, 1)`` and ``(1, 1, width)``."""
    rows, columns = ops.arange(height, dtype="float32"), ops.arange(width, dtype="float32")
    return rows[None, :, None], columns[None, None, :]


def affine(rows: Any, columns: Any, size: tuple[int, int], angle: Any, zoom: Any, shift: Any, flip: Any) -> Any:
    """Say where places of the output lie in the input whose content is flipped, then zoomed and turned, then shifted.

    Args:
        rows: Rows of the output, in pixels; any shape that broadcasts with ``(batch, height, width)``.
        columns: Columns of the output, the same.
        size: Height and width of the images.
        angle: ``(batch,)``, in degrees; positive turns the content counter-clockwise about the centre.
        zoom: ``(batch,)``: factor; above 1 enlarges the content about the centre.
        shift: ``(batch, 2)``: downwards and to the right, as shares of the height and the width.
        flip: ``(batch, 2)``: -1 flips upside down and left to right, 1 does not.

    Returns:
        Rows and columns of the input, each float32 ``(batch, height, width)``, in pixels.
    """
    radians = angle * (math.pi / 180)
    cosine, sine = (_spread(part / zoom) for part in (ops.cos(radians), ops.sin(radians)))
    middle = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    down = rows - (_spread(shift[:, 0]) * size[0] + middle[0])
    right = columns - (_spread(shift[:, 1]) * size[1] + middle[1])
    new_rows = _spread(flip[:, 0]) * (cosine * down + sine * right) + middle[0]
    new_columns = _spread(flip[:, 1]) * (cosine * right - sine * down) + middle[1]
    return new_rows, new_columns


def smooth_field(control: Any, height: int, width: int) -> Any:
    """Spread control values over an image by uniform cubic B-splines.

    The result is twice continuously differentiable and never exceeds the largest control value. As a displacement along
    both axes it cannot fold the image while control values stay below 0.48 of the control points' distance, which is
    ``1 / (points - 3)`` of the image (Choi and Lee 2000).

    Args:
        control: ``(batch, points, points)``, at least 4 points along each axis.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        Float32 array ``(batch, height, width)``.

    References:
        Choi, Lee: "Injectivity conditions of 2D and 3D uniform cubic B-spline functions", Graphical Models 62, 2000.
    """
    rows = _spline_basis(height, control.shape[1])
    columns = _spline_basis(width, control.shape[2])
    return ops.matmul(ops.matmul(rows, control), ops.transpose(columns))


def sample(signal: Any, masks: Any, rows: Any, columns: Any) -> tuple[Any, Any]:
    """Resample images and masks at the same places, both by bilinear interpolation.

    A pixel of the new mask is 1 where the interpolated mask is at least 0.5; of several classes, it belongs to the one, or to
    the background, that has most of it. Outside of the image both are 0.

    Args:
        signal: Float32 ``(batch, height, width, channels)``; counted from the floor, so that 0 is air.
        masks: ``(batch, height, width, classes)`` of classes that exclude each other, without the background, or
            ``(batch, height, width)``; 0 and 1.
        rows: ``(batch, height, width)``: row of the input for each pixel of the output, in pixels.
        columns: ``(batch, height, width)``: the same for the column.

    Returns:
        Signal and masks in the shapes and dtypes that they came in.
    """
    _, height, width, channels = signal.shape
    classes = masks.shape[3] if len(masks.shape) == 4 else 1
    cover = ops.reshape(ops.cast(masks, "float32"), (-1, height, width, classes))
    # A border of zeros stands for all that lies outside: coordinates beyond it are brought back onto it. After the last
    # row and column it is two pixels wide, so that coordinates on its first one have a neighbour too.
    layers = ops.pad(ops.concatenate([signal, cover], axis=-1), ((0, 0), (1, 2), (1, 2), (0, 0)))
    rows = ops.clip(rows + 1, 0.0, height + 1.0)
    columns = ops.clip(columns + 1, 0.0, width + 1.0)
    top, left = ops.floor(rows), ops.floor(columns)
    # Tiled over the channels, because broadcasting along a last axis of four costs more than a copy.
    down, right = (ops.tile(part[..., None], (1, 1, 1, channels + classes)) for part in (rows - top, columns - left))
    stride = width + 3
    start = ops.arange(ops.shape(signal)[0], dtype="int32")[:, None, None] * ((height + 3) * stride)
    index = start + ops.cast(top, "int32") * stride + ops.cast(left, "int32")
    flat = ops.reshape(layers, (-1, channels + classes))
    corners = (ops.take(flat, index + step, axis=0) for step in (0, 1, stride, stride + 1))
    upper_left, upper_right, lower_left, lower_right = corners
    upper = upper_left + right * (upper_right - upper_left)
    lower = lower_left + right * (lower_right - lower_left)
    moved = upper + down * (lower - upper)
    cover = moved[..., channels] >= 0.5 if classes == 1 else _largest_share(moved[..., channels:])
    return moved[..., :channels], ops.cast(ops.reshape(cover, ops.shape(masks)), masks.dtype)


def _largest_share(shares: Any) -> Any:
    """Return where each class has the largest share of a pixel, larger than that of the background too."""
    background = 1 - ops.sum(shares, axis=-1, keepdims=True)
    winner = ops.argmax(ops.concatenate([background, shares], axis=-1), axis=-1)
    return ops.equal(winner[..., None], ops.arange(1, shares.shape[-1] + 1, dtype=winner.dtype))


def _spline_basis(length: int, points: int) -> Any:
    """Weights ``(length, points)`` of the control points for each pixel; each row sums to 1."""
    position = ops.arange(length, dtype="float32") * ((points - 3) / max(length - 1, 1)) + 1
    distance = ops.abs(ops.expand_dims(position, 1) - ops.arange(points, dtype="float32"))
    # The cubic B-spline as a difference of cubes; they vanish beyond distances of 2 and 1.
    return (ops.relu(2 - distance) ** 3 - 4 * ops.relu(1 - distance) ** 3) / 6


def _spread(parameter: Any) -> Any:
    """``(batch,)`` to ``(batch, 1, 1)``."""
    return parameter[:, None, None]
