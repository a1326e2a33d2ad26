"""The configurable pipeline: which transforms are drawn, how strongly and how often, from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from braintumorseg._core.checks import check_in, check_integer, check_range, wrong
from braintumorseg.augmentation.draws import Draws
from braintumorseg.augmentation.geometry import affine, pixel_grid, sample, smooth_field
from braintumorseg.augmentation.intensity import (
    add_noise,
    adjust_contrast,
    adjust_gamma,
    apply_bias_field,
    blur,
    drop_sequences,
    fade_lesion,
    join_floor,
    split_floor,
)
from braintumorseg.study import SEQUENCES

TRANSFORMS = (
    "rotation",
    "zoom",
    "shift",
    "elastic",
    "gamma",
    "contrast",
    "brightness",
    "bias_field",
    "noise",
    "blur",
    "lesion_contrast",
)
"""The transforms that ``probability`` speaks of."""
_PROBABILITY = 0.5
_ARGUMENTS = (
    "flip_left_right",
    "flip_up_down",
    *TRANSFORMS,
    "sequence_dropout",
    "flair_alone",
    "flair_dropout",
    "probability",
    "sequences",
    "reference",
    "seed",
)
# Control points of the random fields along each axis: n points span the image with n - 3 pieces of the spline.
_ELASTIC_POINTS = 9
_BIAS_POINTS = 5  # a coil's gain varies slowly
_LIMITS = {
    "rotation": 180,
    "shift": 1,
    "elastic": 0.48 / (_ELASTIC_POINTS - 3),  # beyond it, a field may fold the image
    "blur": 1,
    "lesion_contrast": 1,
}


# Our own, as Keras's layers can't be replayed from (seed, step), and its RandomElasticTransform draws one field for the
# images and another for their masks.
@keras.saving.register_keras_serializable("braintumorseg")
class Augmentation(keras.layers.Layer):
    """Random changes of training batches: images and masks move together, intensities change in the head only.

    A value is the most that its transform does; each sample draws its own amount, evenly up to it, in both directions.
    A value of 0 (``False``) switches the transform off; with all of them off, what comes in goes out. All of a batch's
    randomness follows from ``(seed, step)``: a training that resumes at a step sees the very batches that it would have
    seen, and no state needs to be stored.

    Images must be normalised by ``Preprocessing``: the head varies by about 1, air is each channel's lowest value.
    Flips, rotation, zoom, shift and elastic deformation are composed into one resampling, bilinear for both; a pixel of
    the mask is 1 where the interpolated mask is at least 0.5. What comes into view from outside is
    air. Sequence dropout comes last, so that a channel it replaces is an exact copy of the FLAIR, as in a study that lacks
    the sequence.

    With Keras on TensorFlow it runs inside ``tf.data``: number the batches over all epochs, and hand the number over::

        numbered = dataset.repeat(epochs).batch(16).enumerate()
        numbered.map(lambda step, batch: augment(*batch, step=step), num_parallel_calls=tf.data.AUTOTUNE)

    On JAX and PyTorch, call it on the batches.

    Args:
        flip_left_right: Flip half of the samples left to right.
        flip_up_down: Flip half of the samples upside down.
        rotation: Degrees.
        zoom: Factors from ``1 / (1 + zoom)`` to ``1 + zoom``.
        shift: Share of the height and the width.
        elastic: Displacement as a share of the height and the width, at most 0.08, so that no field folds the image;
            the field reaches it at its peaks, and about a quarter of it on average (root mean square).
        gamma: Exponents from ``1 / (1 + gamma)`` to ``1 + gamma``, of intensities counted from the floor in units of the
            head's median, as preprocessing sees a study that went through such a change.
        contrast: Factors from ``1 / (1 + contrast)`` to ``1 + contrast``, about the head's median.
        brightness: Offset in the images' units.
        bias_field: Gains from ``1 / (1 + bias_field)`` to ``1 + bias_field``, smooth over the image, above the floor.
        noise: Standard deviation of Gaussian noise, in the images' units.
        blur: Standard deviation of the kernel, in pixels, at most 1.
        lesion_contrast: Factors from ``1 - lesion_contrast`` to ``1 + lesion_contrast / 4`` of how far the tumour lies from
            the brain around it, for each channel; the mask says where the tumour is.
        sequence_dropout: Share of samples in which one or more of the other sequences are replaced by the reference, FLAIR:
            each subset with the same chance.
        flair_alone: Share of further samples whose other sequences are all replaced by FLAIR.
        flair_dropout: Share of further samples without FLAIR. One or more of the other sequences stay, each such subset with
            the same chance. The first of ``sequences`` that stays is copied in the place of those that don't.
        probability: Share of samples that each transform touches, flips and what becomes of sequences aside: one number, or a
            table of some of the names ``rotation`` to ``lesion_contrast``; names left out keep 0.5.
        sequences: What the images' channels hold, in order.
        reference: The sequence that stands for FLAIR above, in a model that has another one.
        seed: Any integer from 0.

    Raises:
        ValueError: If an argument is not as stated.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.augmentation import Augmentation
        >>> augment = Augmentation(rotation=10, elastic=0.02, sequence_dropout=0.2, seed=1)
        >>> images, masks = np.zeros((4, 64, 64, 3), "float32"), np.zeros((4, 64, 64, 1), "float32")
        >>> images, masks = augment(images, masks, step=0)
        >>> tuple(images.shape), tuple(masks.shape)
        ((4, 64, 64, 3), (4, 64, 64, 1))
    """

    def __init__(
        self,
        *,
        flip_left_right: bool = True,
        flip_up_down: bool = False,
        rotation: float = 15.0,
        zoom: float = 0.15,
        shift: float = 0.05,
        elastic: float = 0.06,
        gamma: float = 0.3,
        contrast: float = 0.2,
        brightness: float = 0.2,
        bias_field: float = 0.5,
        noise: float = 0.1,
        blur: float = 1.0,
        lesion_contrast: float = 0.0,
        sequence_dropout: float = 0.0,
        flair_alone: float = 0.0,
        flair_dropout: float = 0.0,
        probability: float | Mapping[str, float] = _PROBABILITY,
        sequences: Sequence[str] = SEQUENCES,
        reference: str = "flair",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **{"dtype": "float32", **kwargs})
        self.flip_left_right = flip_left_right
        self.flip_up_down = flip_up_down
        self.rotation = rotation
        self.zoom = zoom
        self.shift = shift
        self.elastic = elastic
        self.gamma = gamma
        self.contrast = contrast
        self.brightness = brightness
        self.bias_field = bias_field
        self.noise = noise
        self.blur = blur
        self.lesion_contrast = lesion_contrast
        self.sequence_dropout = sequence_dropout
        self.flair_alone = flair_alone
        self.flair_dropout = flair_dropout
        self.probability = probability if isinstance(probability, (int, float)) else dict(probability)
        self.sequences = tuple(sequences)
        self.reference = reference
        self.seed = seed
        self._check()

    def call(self, images: Any, masks: Any, *, step: Any) -> tuple[Any, Any]:
        """Augment one batch.

        Args:
            images: Floating point ``(batch, height, width, channels)``; height, width and channels known before the call.
            masks: ``(batch, height, width, classes)`` of classes that exclude each other, without the background, or
                ``(batch, height, width)``; 0 and 1, any dtype.
            step: Number of the batch since training began, over all epochs: an integer from 0, or a scalar tensor. The
                same number gives the same changes.

        Returns:
            Images, float32, and masks in their own dtype, in the shapes that they came in.

        Raises:
            ValueError: If a shape, a dtype or the step is not as stated.
        """
        self._check_batch(images, masks, step)
        images = ops.cast(images, "float32")
        draws = Draws(self.seed, step, ops.shape(images)[0], self._probabilities)
        if self._moves or self._changes_intensities:
            signal, floor = split_floor(images)
            if self._moves:
                signal, masks = self._move(signal, masks, draws)
            if self._changes_intensities:
                signal = self._change_intensities(signal, masks, floor, draws)
            images = join_floor(signal, floor)
        if self._drops_sequences:
            images = self._drop_sequences(images, draws)
        return images, masks

    @property
    def _moves(self) -> bool:
        return any((self.flip_left_right, self.flip_up_down, self.rotation, self.zoom, self.shift, self.elastic))

    @property
    def _changes_intensities(self) -> bool:
        amounts = (self.gamma, self.contrast, self.brightness, self.bias_field, self.noise, self.blur)
        return any((*amounts, self.lesion_contrast))

    @property
    def _drops_sequences(self) -> bool:
        return self.sequence_dropout + self.flair_alone + self.flair_dropout > 0

    def _move(self, signal: Any, masks: Any, draws: Draws) -> tuple[Any, Any]:
        _, height, width, _ = signal.shape
        rows, columns = pixel_grid(height, width)
        if self.elastic:
            amount = self.elastic * ops.abs(draws.amount("elastic"))
            control = draws.uniform("elastic_control", 2, _ELASTIC_POINTS, _ELASTIC_POINTS) * amount[:, :, None, None]
            rows = rows + height * smooth_field(control[:, 0], height, width)
            columns = columns + width * smooth_field(control[:, 1], height, width)
        flipped = ops.logical_and(draws.uniform("flip", 2) < 0, [self.flip_up_down, self.flip_left_right])
        rows, columns = affine(
            rows,
            columns,
            (height, width),
            angle=self.rotation * draws.amount("rotation")[:, 0],
            zoom=_factor(self.zoom, draws.amount("zoom"))[:, 0],
            shift=self.shift * draws.amount("shift", 2),
            flip=ops.where(flipped, -1.0, 1.0),
        )
        return sample(signal, masks, rows, columns)

    def _change_intensities(self, signal: Any, masks: Any, floor: Any, draws: Draws) -> Any:
        _, height, width, channels = signal.shape
        if self.lesion_contrast:
            amount = draws.amount("lesion_contrast", channels)
            more = ops.where(amount > 0, amount / 4, amount)
            signal = fade_lesion(signal, masks, 1 + self.lesion_contrast * more)
        if self.blur:
            signal = blur(signal, self.blur * ops.abs(draws.amount("blur"))[:, 0])
        if self.gamma:
            signal = adjust_gamma(signal, _factor(self.gamma, draws.amount("gamma", channels)), floor)
        if self.bias_field:
            amount = float(np.log1p(self.bias_field)) * draws.amount("bias_field")
            control = draws.uniform("bias_field_control", _BIAS_POINTS, _BIAS_POINTS) * amount[:, :, None]
            signal = apply_bias_field(signal, smooth_field(control, height, width))
        noise = 0.0
        if self.noise:
            deviation = self.noise * ops.abs(draws.amount("noise"))[:, :, None, None]
            noise = deviation * draws.normal("noise_field", height, width, channels)
        if self.contrast or self.brightness:
            factor = _factor(self.contrast, draws.amount("contrast", channels))
            return adjust_contrast(signal, factor, self.brightness * draws.amount("brightness", channels), floor, noise)
        return add_noise(signal, noise) if self.noise else signal

    def _drop_sequences(self, images: Any, draws: Draws) -> Any:
        flair = self.sequences.index(self.reference)
        others = len(self.sequences) - 1
        draw = (draws.uniform("sequence_dropout", 2) + 1) / 2
        # The subset is a binary number from 1: bit k says whether the k-th of the other sequences is dropped.
        subset = 1 + ops.cast(draw[:, 1] * (2**others - 1), "int32")
        subset = ops.where(draw[:, 0] < self.sequence_dropout, subset, 0)
        subset = ops.where(draw[:, 0] >= 1 - self.flair_alone, 2**others - 1, subset)
        bits = [2 ** (index - (index > flair)) if index != flair else 0 for index in range(others + 1)]
        dropped = ops.bitwise_and(subset[:, None], bits) > 0
        if not self.flair_dropout:
            return drop_sequences(images, dropped, flair)
        # Which of the others stay is a binary number too, from 1.
        share = (draws.uniform("flair_dropout", 1)[:, 0] + 1) / 2
        first = self.sequence_dropout
        without = ops.logical_and(draw[:, 0] >= first, draw[:, 0] < first + self.flair_dropout)
        stays = 1 + ops.cast(share * (2**others - 1), "int32")
        missing = ops.bitwise_and(stays[:, None], bits) == 0
        dropped = ops.where(without[:, None], missing, dropped)
        source = ops.where(without, ops.argmin(ops.cast(missing, "int32"), axis=1), flair)
        return drop_sequences(images, dropped, source)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data that JSON can hold."""
        config: dict[str, Any] = super().get_config()
        return config | {name: _plain(getattr(self, name)) for name in _ARGUMENTS}

    def _check(self) -> None:
        for name in ("flip_left_right", "flip_up_down"):
            check_in(name, getattr(self, name), (False, True))
        for name in TRANSFORMS:
            check_range(name, getattr(self, name), 0, _LIMITS.get(name))
        check_range("sequence_dropout", self.sequence_dropout, 0, 1)
        check_range("flair_alone", self.flair_alone, 0, 1 - self.sequence_dropout)
        check_range("flair_dropout", self.flair_dropout, 0, 1 - self.sequence_dropout - self.flair_alone)
        check_integer("seed", self.seed, 0)
        if self._drops_sequences and (self.reference not in self.sequences or len(self.sequences) < 2):
            needs = f"{self.reference} and others where sequence_dropout, flair_alone or flair_dropout is above 0"
            msg = wrong("sequences", needs, self.sequences)
            raise ValueError(msg)
        table = self.probability if isinstance(self.probability, dict) else dict.fromkeys(TRANSFORMS, self.probability)
        for name, share in table.items():
            check_in("each name in probability", name, TRANSFORMS)
            check_range("probability", share, 0, 1)
        self._probabilities = dict.fromkeys(TRANSFORMS, _PROBABILITY) | table

    def _check_batch(self, images: Any, masks: Any, step: Any) -> None:
        """Check what is known before a batch is computed: ranks, static sizes and dtypes."""
        shape, mask_shape = tuple(images.shape), tuple(masks.shape)
        channels = len(self.sequences) if self._drops_sequences else "channels"
        if len(shape) != 4 or None in shape[1:] or (self._drops_sequences and shape[3] != channels):
            msg = wrong("images", f"(batch, height, width, {channels}), all but batch known", f"shape {shape}")
            raise ValueError(msg)
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(images.dtype)):
            msg = wrong("images", "normalised floating point numbers", f"dtype {images.dtype}")
            raise ValueError(msg)
        if mask_shape[1:3] != shape[1:3] or len(mask_shape) > 4 or mask_shape[3:] == (None,):
            allowed = f"(batch, {shape[1]}, {shape[2]}) with or without a last axis of classes"
            msg = wrong("masks", allowed, f"shape {mask_shape}")
            raise ValueError(msg)
        if not hasattr(step, "dtype"):
            check_integer("step", step, 0)
        elif not keras.backend.is_int_dtype(keras.backend.standardize_dtype(step.dtype)):
            msg = wrong("step", "an integer", f"dtype {step.dtype}")
            raise ValueError(msg)


def _factor(limit: float, amount: Any) -> Any:
    """Turn an amount from -1 to 1 into a factor from ``1 / (1 + limit)`` to ``1 + limit``, even in its logarithm."""
    return ops.exp(float(np.log1p(limit)) * amount)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
