"""Named changes of a study by which studies differ from those that a segmenter was trained on; the mask moves along."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._core.checks import DataError
from braintumorseg._core.lower_end import find_lower_end
from braintumorseg.preprocessing.foreground import find_background, find_foreground
from braintumorseg.preprocessing.skull import strip_skull
from braintumorseg.study import Study

Change = Callable[[Study], Study]

_EMPTY_SLICES = 20  # below, and as many above
_FINER = 5  # slices of 5 mm, as FLAIR often has them, to 1 mm
_WHOLE = 0.999  # what is covered between voxels that are, but for rounding
_BIAS = 0.4
_NOISE = 0.05


def keep_sequences(study: Study, names: tuple[str, ...]) -> Study:
    """Drop the sequences that are not named; names that the study lacks change nothing."""
    kept = [name for name in study.sequences if name in names]
    if not kept:
        msg = f"{study.name}: has none of the sequences {', '.join(names)} that are to be kept"
        raise DataError(msg)
    return study.with_sequences(kept)


def add_air(study: Study) -> Study:
    """Add 20 empty slices below and above, and a third of air to height and width."""
    sides = [(_EMPTY_SLICES, _EMPTY_SLICES), *((length // 6, length // 6) for length in study.shape[1:])]
    return _pad(replace(study, slice_names=None), sides)


def crop_tight(study: Study) -> Study:
    """Cut rows and columns in which no slice of any sequence has foreground."""
    plane = _head_plane(study)
    if not plane.any():
        return study
    rows, columns = (_span(np.asarray(plane.any(axis=axis))) for axis in (1, 0))
    mask, covered = (None if each is None else each[:, rows, columns] for each in (study.mask, study.covered))
    return replace(study, volume=study.volume[:, rows, columns], mask=mask, covered=covered, geometry=None)


def interpolate_slices(study: Study) -> Study:
    """Put four slices between each two, linearly; the mask is where at least half of it is interpolated."""
    slices = study.shape[0]
    if slices == 1:
        return study
    places = np.arange(_FINER * (slices - 1) + 1)
    lower = np.minimum(places // _FINER, slices - 2)
    share = ((places - _FINER * lower) / _FINER).astype(np.float32)

    def between(array: NDArray[Any]) -> NDArray[np.float32]:
        weight = share.reshape(-1, *(1,) * (array.ndim - 1))
        return np.asarray((1 - weight) * array[lower] + weight * array[lower + 1], np.float32)

    mask = None if study.mask is None else between(study.mask) >= 0.5
    covered = None if study.covered is None else between(study.covered) >= _WHOLE
    spacing = None if study.spacing is None else (study.spacing[0] / _FINER, *study.spacing[1:])
    return replace(
        study,
        volume=between(study.volume),
        mask=mask,
        covered=covered,
        spacing=spacing,
        geometry=None,
        slice_names=None,
    )


def scale(study: Study, factor: float) -> Study:
    """Multiply every intensity."""
    return replace(study, volume=study.volume * np.float32(factor))


def shift(study: Study, share: float) -> Study:
    """Add a share of each sequence's range, from its lowest ordinary to its highest value."""
    low, high = _range(study)
    return replace(study, volume=study.volume + np.float32(share) * (high - low))


def apply_gamma(study: Study, gamma: float) -> Study:
    """Raise each sequence, on its own range from 0 to 1, to a power; padding becomes 0."""
    low, high = _range(study)
    span = np.where(high > low, high - low, np.float32(1))
    # What lies below the lower end is padding or an outlier, and has no power.
    rise = np.maximum(study.volume - low, 0)
    volume: NDArray[np.float32] = low + span * np.power(rise / span, np.float32(gamma))
    return replace(study, volume=volume)


def apply_bias_field(study: Study) -> Study:
    """Multiply what rises above the background by a smooth field, one for all sequences, from 0.6 to 1.4."""
    coarse = _random("bias field", study).standard_normal((3, 4, 4))
    places = np.meshgrid(
        *(np.linspace(0, cells - 1, length) for cells, length in zip(coarse.shape, study.shape, strict=True)),
        indexing="ij",
    )
    field = ndimage.map_coordinates(coarse, places, order=3, mode="nearest")
    field = 1 - _BIAS + 2 * _BIAS * (field - field.min()) / np.ptp(field)
    air = _air(study)
    return replace(study, volume=air + (study.volume - air) * field[..., None].astype(np.float32))


def add_noise(study: Study) -> Study:
    """Add Gaussian noise of 5 % of each sequence's 99.5th percentile over its foreground, not below its lower end."""
    random = _random("noise", study)
    volume = study.volume.copy()
    for channel, air in enumerate(_air(study)):
        image = study.volume[..., channel]
        head = image[find_foreground(image)]
        deviation = _NOISE * (float(np.percentile(head, 99.5)) - float(air)) if head.size else 0.0
        noise = deviation * random.standard_normal(study.shape, np.float32)
        volume[..., channel] = np.maximum(image + noise, find_lower_end(image))
    return replace(study, volume=volume)


def flip(study: Study) -> Study:
    """Mirror the columns: left and right."""
    mask, covered = (None if each is None else each[:, :, ::-1] for each in (study.mask, study.covered))
    return replace(study, volume=study.volume[:, :, ::-1], mask=mask, covered=covered, geometry=None)


def rotate(study: Study, degrees: float) -> Study:
    """Turn every slice about its middle, from rows towards columns, in mm where the spacing is known."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lengths = np.array(study.spacing[1:] if study.spacing else (1.0, 1.0))
    return _move(study, turn * lengths / lengths[:, None])


def zoom(study: Study, factor: float) -> Study:
    """Enlarge every slice about its middle; the voxel size stays, so that the head grows."""
    return _move(study, factor * np.eye(2))


CHANGES: Mapping[str, Change] = {
    "only FLAIR": partial(keep_sequences, names=("flair",)),
    "FLAIR and T1ce": partial(keep_sequences, names=("flair", "t1ce")),
    "FLAIR and T1": partial(keep_sequences, names=("t1", "flair")),
    "skull removed, background 0": partial(strip_skull, background="zero"),
    "skull removed, background minimum": partial(strip_skull, background="minimum"),
    "air added": add_air,
    "cropped tight": crop_tight,
    "slices interpolated": interpolate_slices,
    "intensities scaled": partial(scale, factor=3),
    "intensities shifted": partial(shift, share=1 / 3),
    "gamma 0.7": partial(apply_gamma, gamma=0.7),
    "gamma 1.4": partial(apply_gamma, gamma=1.4),
    "bias field of 40 %": apply_bias_field,
    "noise of 5 %": add_noise,
    "left-right flip": flip,
    "rotation by +10 degrees": partial(rotate, degrees=10),
    "rotation by -10 degrees": partial(rotate, degrees=-10),
    "zoom by 0.85": partial(zoom, factor=0.85),
    "zoom by 1.15": partial(zoom, factor=1.15),
}
"""What a study may be changed by; each is a pure function, and what it draws follows from the study's name."""


def _random(change: str, study: Study) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{change}, {study.name}".encode()))


def _range(study: Study) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each sequence's lowest ordinary value, and its highest one."""
    low = [find_lower_end(study.volume[..., channel]) for channel in range(len(study.sequences))]
    return np.array(low, np.float32), study.volume.max(axis=(0, 1, 2))


def _air(study: Study) -> NDArray[np.float32]:
    """Return the background's value of each sequence."""
    return np.array(
        [find_background(study.volume[..., channel]) for channel in range(len(study.sequences))], np.float32
    )


def _head_plane(study: Study) -> NDArray[np.bool_]:
    """Return where any slice of any sequence has foreground, ``(height, width)``."""
    heads = [find_foreground(study.volume[..., channel]).any(axis=0) for channel in range(len(study.sequences))]
    return np.asarray(np.any(heads, axis=0))


def _span(profile: NDArray[np.bool_]) -> slice:
    full = np.flatnonzero(profile)
    return slice(int(full[0]), int(full[-1]) + 1)


def _pad(study: Study, sides: list[tuple[int, int]]) -> Study:
    """Put air around the volume: how much before and after slices, rows and columns."""
    channels = [
        np.pad(study.volume[..., channel], sides, constant_values=air) for channel, air in enumerate(_air(study))
    ]
    mask = None if study.mask is None else np.pad(study.mask, sides)
    covered = None if study.covered is None else np.pad(study.covered, [*sides, (0, 0)], constant_values=True)
    return replace(study, volume=np.stack(channels, axis=-1), mask=mask, covered=covered, geometry=None)


def _move(study: Study, matrix: NDArray[np.float64]) -> Study:
    """Move every slice by ``matrix`` about its middle, linearly, on a frame that is padded where the head would leave it."""
    middle = (np.array(study.shape[1:]) - 1) / 2
    moved = (np.argwhere(_head_plane(study)) - middle) @ matrix.T
    beyond = np.ceil(np.abs(moved).max(axis=0, initial=0) - middle)
    study = _pad(study, [(0, 0), *((int(pad), int(pad)) for pad in np.clip(beyond, 0, None))])
    middle = (np.array(study.shape[1:]) - 1) / 2
    backwards = np.eye(3)
    backwards[1:, 1:] = np.linalg.inv(matrix)
    offset = np.array([0, *(middle - backwards[1:, 1:] @ middle)])

    def sample(image: NDArray[Any], outside: float) -> NDArray[np.float32]:
        smooth: NDArray[np.float32] = ndimage.affine_transform(
            image.astype(np.float32), backwards, offset, order=1, mode="grid-constant", cval=outside
        )
        return smooth

    channels = [sample(study.volume[..., channel], float(air)) for channel, air in enumerate(_air(study))]
    mask = None if study.mask is None else sample(study.mask, 0) >= 0.5
    covered = study.covered
    if covered is not None:
        covered = np.stack([sample(each, 1) >= _WHOLE for each in np.moveaxis(covered, -1, 0)], axis=-1)
    return replace(study, volume=np.stack(channels, axis=-1), mask=mask, covered=covered)
