"""What a prediction is judged by: features of the images that a network saw, and of what it made of them.

All of it is read off the network's own grid from a sample of the pixels, so that it costs a few milliseconds. Features of the
images look at the middle of the head alone, which is brain with its skull or without; so a scan is not far from others merely
because its skull was removed, or its slices are thin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SURE = ("certainty", "level")
"""Features of what was found that are high where it is a tumour."""
OUTPUT_FEATURES = frozenset({*SURE, "peak", "tumour share", "true share", "inside", "outside", "distance", "shortfall"})
"""Names of features of what was found, and of what follows from all of them; all others are of the images."""

_FLAIR = "flair"
_FLOOR = -1.99  # air, in the units of Preprocessing, but for rounding
_HEAD = -1.6  # brighter than a fifth of the head's median
_PERCENTILES = (5, 25, 50, 75, 95)

_SLICES = 12  # in the sample at most
_STEP = 2  # pixels, from one of the sample to the next
_COARSE = 4  # the same for the outline of the head
_FULL = 0.75  # slices of the sample show at least this share of the largest slice of the head
_RADIUS = 0.28  # of the disc in the middle, as a share of the square's side


def gather_evidence(
    images: NDArray[np.float32], sequences: Sequence[str], probabilities: NDArray[np.float32], threshold: float
) -> dict[str, float]:
    """Measure a prediction on the network's grid.

    Args:
        images: What the network saw, ``(slices, size, size, sequences)``, as ``Preprocessing.apply`` makes it.
        sequences: Name of the sequence in each channel.
        probabilities: What it gave, ``(slices, size, size)``.
        threshold: A pixel is tumour where its probability is at least this.

    Returns:
        Features of the images, as ``describe_images`` names them, and of the output, as ``describe_output`` does.
    """
    return describe_images(images, sequences) | describe_output(images, sequences, probabilities, threshold)


def describe_images(images: NDArray[np.float32], sequences: Sequence[str]) -> dict[str, float]:
    """Measure images in the middle of the head.

    Args:
        images: ``(slices, size, size, sequences)``, as ``Preprocessing.apply`` makes it.
        sequences: Name of the sequence in each channel.

    Returns:
        ``"head share"``: the head's share of its fullest slice; of the FLAIR, ``"symmetry"``: its correlation with its mirror
        image; and of each sequence, ``"flair p5"`` and other percentiles, ``"flair roughness"`` (the mean step from one pixel
        to the next) and ``"t1 with flair"`` (their correlation). Copies of the FLAIR and constant sequences have none.
    """
    size = images.shape[1]
    first = sequences.index(_FLAIR) if _FLAIR in sequences else 0
    areas = (images[:, ::_COARSE, ::_COARSE, first] > _HEAD).mean(axis=(1, 2))
    full = np.flatnonzero(areas >= _FULL * areas.max())
    chosen = full[np.linspace(0, len(full) - 1, min(_SLICES, len(full))).round().astype(int)]
    places = np.arange(0, size, _STEP)
    sample = images[chosen][:, places]  # all columns, for the steps between neighbours
    middle = (size - 1) / 2
    rows, columns = (places - middle) / size, (np.arange(size) - middle) / size
    disc = rows[:, None] ** 2 + columns**2 <= _RADIUS**2
    sparse = disc[:, ::_STEP]
    row = {"head share": float(areas.max())}
    flair = sample[:, :, ::_STEP, first][:, sparse]
    for channel, name in enumerate(sequences):
        values = sample[:, :, ::_STEP, channel][:, sparse]
        if not values.std() or (channel != first and np.array_equal(values, flair)):
            continue
        levels = np.percentile(values, _PERCENTILES)
        row |= {f"{name} p{share}": float(level) for share, level in zip(_PERCENTILES, levels, strict=True)}
        steps = np.abs(np.diff(sample[..., channel], axis=2))[:, disc[:, 1:] & disc[:, :-1]]
        row[f"{name} roughness"] = float(steps.mean())
        if channel != first:
            row[f"{name} with {sequences[first]}"] = _correlation(values, flair)
        else:
            row["symmetry"] = _correlation(values, sample[:, :, ::-_STEP, channel][:, sparse])
    return row


def describe_output(
    images: NDArray[np.float32], sequences: Sequence[str], probabilities: NDArray[np.float32], threshold: float
) -> dict[str, float]:
    """Measure what a network found.

    Returns:
        ``"peak"``: the highest probability; ``"tumour share"``: the size of what was found as a share of the head's. Where
        something was found, ``"certainty"``: its Dice if the probabilities were true; ``"inside"``: the mean probability in it;
        ``"outside"``: the share of it that lies in air; ``"level"``: the mean of the FLAIR in it.
    """
    found = probabilities >= threshold
    voxels = int(np.count_nonzero(found))
    air = images[:, ::_COARSE, ::_COARSE].max(axis=-1) <= _FLOOR
    head = 1 - float(air.mean())
    row = {
        "peak": float(probabilities.max()),
        "tumour share": voxels / found.size / head if head else float(voxels > 0),
    }
    if voxels:
        inside, everywhere = (float(each.sum(dtype=np.float64)) for each in (probabilities[found], probabilities))
        in_air = float(np.count_nonzero(air & found[:, ::_COARSE, ::_COARSE]) * _COARSE**2 / voxels)
        row |= {"certainty": 2 * inside / (voxels + everywhere), "inside": inside / voxels, "outside": min(in_air, 1.0)}
        if _FLAIR in sequences:
            row["level"] = float(images[..., sequences.index(_FLAIR)][found].mean(dtype=np.float64))
    return row


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    one, other = (each - each.mean() for each in (one.ravel(), other.ravel()))
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale else 0.0
