"""Augmentation of training batches: images and masks together, all randomness from ``(seed, step)`` alone."""

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
from braintumorseg.augmentation.pipeline import TRANSFORMS, Augmentation

__all__ = [
    "TRANSFORMS",
    "Augmentation",
    "add_noise",
    "adjust_contrast",
    "adjust_gamma",
    "affine",
    "apply_bias_field",
    "blur",
    "drop_sequences",
    "fade_lesion",
    "join_floor",
    "pixel_grid",
    "sample",
    "smooth_field",
    "split_floor",
]
