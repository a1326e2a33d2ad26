"""Changing intensities of normalised images while the air outside of the head stays what it is.

Images are signed: around 0 in the head, varying by about 1, and the air at one lowest value per channel, the floor. The
functions take the ``signal``: the height above the floor, 0 in air and positive in the head. They are pure ``keras.ops`` on
batches with the channels last. Whatever their parameters, none gives a signal below 0, and all leave air at 0, save
blur, which reaches two pixels over the head's edge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

# In units of the signal, in which the head's median is 2: darker is air or liquor, brighter is scalp.
_BRAIN = (1.0, 3.0)
_NEIGHBOURHOOD = 1 / 12  # standard deviation of the Gaussian, as a share of the image
_COARSE = 24  # points of the coarse grid along each axis


def split_floor(images: Any) -> tuple[Any, Any]:
    """Take images apart into signal and floor; ``join_floor`` puts them together.

    Args:
        images: ``(batch, height, width, channels)``.

    Returns:
        The signal, of the images' shape, and the floor ``(batch, channels)``: the lowest value of each channel.
    """
    floor = ops.min(ops.min(images, axis=1), axis=1)
    return images - _spread(floor, images), floor


def join_floor(signal: Any, floor: Any) -> Any:
    """Undo ``split_floor``."""
    return signal + _spread(floor, signal)


def adjust_gamma(signal: Any, exponent: Any, floor: Any) -> Any:
    """Raise the signal to a power, in units of what normalisation put at 0: the head's median.

    It stays, and so does air. A power commutes with a median, so this is what ``Preprocessing`` makes of a study all of whose
    intensities, counted from its air, were raised to the same power.

    Args:
        signal: ``(batch, height, width, channels)``.
        exponent: ``(batch, channels)``; above 1 stretches what is brighter than the median, below 1 what is darker.
        floor: ``(batch, channels)``: the value that the signal is counted from. Where it is too near to 0 to be that of air
            (a hundredth of the image's highest signal), that highest signal is the unit.
    """
    highest = ops.max(ops.max(signal, axis=1), axis=1)
    level = ops.maximum(ops.where(-floor > highest / 100, -floor, highest), 1e-6)
    # signal * (signal / level) ** (exponent - 1): exactly the signal where the exponent is 1, exactly 0 in air.
    logarithm = ops.log(ops.maximum(signal, 1e-6)) - _spread(ops.log(level), signal)
    return signal * ops.exp(_spread(exponent - 1, signal) * logarithm)


def adjust_contrast(signal: Any, factor: Any, offset: Any, floor: Any, noise: Any = 0.0) -> Any:
    """Stretch intensities about the head's median, which normalisation put at 0, move them, and add noise.

    The change fades in over the first standard deviation above the floor, so that nothing jumps at the head's edge.

    Args:
        signal: ``(batch, height, width, channels)``.
        factor: ``(batch, channels)``: contrast; above 1 stretches.
        offset: ``(batch, channels)``: brightness, in the images' units.
        floor: ``(batch, channels)``: the value that the signal is counted from.
        noise: Of the signal's shape, in the images' units.
    """
    # The change of an intensity x = signal + floor is (factor - 1) * x + offset.
    constant = (factor - 1) * floor + offset
    change = _spread(factor - 1, signal) * signal + _spread(constant, signal) + noise
    return ops.relu(signal + change * ops.minimum(signal, 1.0))


def apply_bias_field(signal: Any, log_gain: Any) -> Any:
    """Multiply all channels by one smooth gain, as an uneven receiver coil does.

    Args:
        signal: ``(batch, height, width, channels)``.
        log_gain: ``(batch, height, width)``: natural logarithm of the gain.
    """
    return signal * ops.expand_dims(ops.exp(log_gain), -1)


def add_noise(signal: Any, noise: Any) -> Any:
    """Add noise inside the head, fading in over the first standard deviation above the floor.

    Args:
        signal: ``(batch, height, width, channels)``.
        noise: The same shape, in the images' units.
    """
    return ops.relu(signal + noise * ops.minimum(signal, 1.0))


def blur(signal: Any, deviation: Any) -> Any:
    """Blur by a kernel whose standard deviation is the one asked for, up to 1 pixel.

    The kernel mixes the identity with the 5x5 binomial kernel, whose variance is 1 pixel squared along each axis.

    Args:
        signal: ``(batch, height, width, channels)``.
        deviation: ``(batch,)``, in pixels, 0 to 1.
    """
    channels = signal.shape[-1]
    line = ops.convert_to_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = ops.tile(ops.reshape(line[:, None] * line, (5, 5, 1, 1)), (1, 1, channels, 1))
    blurred = ops.depthwise_conv(signal, kernel, padding="same", data_format="channels_last")
    return signal + ops.reshape(deviation**2, (-1, 1, 1, 1)) * (blurred - signal)


def fade_lesion(signal: Any, masks: Any, factor: Any) -> Any:
    """Change how far the tumour lies from the brain around it: contrast between lesion and surroundings alone.

    The brain around is a mean of what lies near the tumour and outside of it, weighted by a Gaussian of a twelfth of the
    image. The mask's edge is blurred by a pixel, so that no line is drawn that a model could learn.

    Args:
        signal: ``(batch, height, width, channels)``.
        masks: ``(batch, height, width, classes)`` or ``(batch, height, width)``, 0 and 1.
        factor: ``(batch, channels)``: below 1 fades the tumour towards the brain around it, above 1 lifts it off.
    """
    _, height, width, _ = signal.shape
    cover = ops.cast(masks, "float32")
    if len(masks.shape) == 4 and masks.shape[3] != 1:
        cover = ops.max(cover, axis=-1)
    cover = ops.reshape(cover, (-1, height, width, 1))
    soft = blur(cover, ops.ones_like(cover[:, 0, 0, 0]))
    # Neither air nor dark liquor is brain, and bright scalp weighs as much as brain does.
    brain = ops.cast(signal > _BRAIN[0], "float32") * ops.cast(soft < 1e-3, "float32")
    weight, total = (_neighbourhood(each) for each in (brain, brain * ops.minimum(signal, _BRAIN[1])))
    local = total / ops.maximum(weight, 1e-6)
    known = ops.cast(weight > 1e-3, "float32")  # a tumour that fills the image has no brain around it
    return ops.relu(signal + _spread(factor - 1, signal) * soft * known * (signal - local))


def _neighbourhood(values: Any) -> Any:
    """Return the sum around each pixel, weighted by a Gaussian; by way of a coarse grid, as the result is smooth."""
    _, height, width, channels = values.shape
    (row_sums, rows), (column_sums, columns) = _coarse_basis(height), _coarse_basis(width)
    coarse = ops.matmul(row_sums, ops.reshape(values, (-1, height, width * channels)))
    coarse = ops.matmul(column_sums, ops.reshape(coarse, (-1, width, channels)))
    fine = ops.reshape(ops.matmul(columns, coarse), (-1, _COARSE, width * channels))
    return ops.reshape(ops.matmul(rows, fine), (-1, height, width, channels))


def _coarse_basis(length: int) -> tuple[Any, Any]:
    """Return two matrices: Gaussian sums at the points of the coarse grid, and linear interpolation between these."""
    places, points = np.arange(length), np.linspace(0, length - 1, _COARSE)
    distance = (places - points[:, None]) / (length * _NEIGHBOURHOOD)
    sums = np.exp(-(distance**2) / 2)
    between = np.stack([np.interp(places, points, each) for each in np.eye(_COARSE)], axis=1)
    return ops.convert_to_tensor(sums, "float32"), ops.convert_to_tensor(between, "float32")


def drop_sequences(images: Any, dropped: Any, replacement: Any) -> Any:
    """Replace whole channels by another one, as preprocessing does for a sequence that a study lacks.

    Args:
        images: ``(batch, height, width, channels)``.
        dropped: Boolean ``(batch, channels)``: the channels to replace.
        replacement: Index of the channel that is copied in their place; for all samples, or ``(batch,)``.
    """
    dropped = _spread(ops.cast(dropped, images.dtype), images)
    channels = images.shape[-1]
    if isinstance(replacement, int):
        copy = images[..., replacement : replacement + 1]
    else:
        copy = ops.sum(
            images * _spread(ops.one_hot(replacement, channels, dtype=images.dtype), images), -1, keepdims=True
        )
    # Tiled, because what broadcasts on both sides of a product at once costs five times as much.
    copies = ops.tile(copy, (1, 1, 1, channels))
    return images * (1 - dropped) + copies * dropped


def _spread(parameter: Any, images: Any) -> Any:
    """Spread ``(batch, channels)`` to ``(batch, 1, width, channels)``: whole rows broadcast much quicker than pixels."""
    return ops.tile(parameter[:, None, None, :], (1, 1, images.shape[2], 1))
