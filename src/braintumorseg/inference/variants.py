"""Variants of a study, mirrored or with fewer sequences, and how far a model's answers to them lie apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.optional import lazy

_measures = lazy("braintumorseg.measures")  # a prediction without variants needs none of it

Images = NDArray[np.float32]
Run = Callable[[Images], Images]

MIRRORED = "mirrored"
"""Name of the variant that is the mirror image, left to right."""


def run_without_sequences(
    run: Run, images: Images, channels: Sequence[str], references: Sequence[str] = ("flair",)
) -> dict[str, Images]:
    """Predict a prepared study without each sequence but one, the reference, and without all of them.

    They are filled with the reference as ``Preprocessing`` fills what a study lacks. A sequence that is a copy of it already
    can't be dropped.

    Args:
        run: The model: images ``(slices, size, size, channels)`` to probabilities of tumour ``(slices, size, size)``.
        images: What ``Preprocessing.apply`` made of the study.
        channels: Name of the sequence in each channel of the images.
        references: The first of these that is a channel is the reference: ``Preprocessing.fill_from``.

    Returns:
        Probabilities ``(slices, size, size)`` of each variant by its name, such as ``"without t1"``.
    """
    outputs: dict[str, Images] = {}
    reference = next((name for name in references if name in channels), None)
    if reference is None:
        return outputs
    filling = images[..., channels.index(reference)]
    others = [place for place, _ in enumerate(channels) if not np.array_equal(images[..., place], filling)]
    drops = [[place] for place in others] + ([others] if len(others) > 1 else [])
    for drop in drops:
        fewer = images.copy()
        fewer[..., drop] = filling[..., None]
        outputs[f"without {' and '.join(channels[place] for place in drop)}"] = run(fewer)
    return outputs


def measure_spread(probabilities: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return how far probabilities of the same voxels lie apart: twice their standard deviation.

    Args:
        probabilities: Arrays of one shape, 0 to 1.

    Returns:
        Float32 array of that shape: 0 where all agree, 1 where half of them say 0 and the others 1.
    """
    deviation: NDArray[np.float32] = np.std(np.stack(probabilities), axis=0, dtype=np.float32)
    return np.minimum(2 * deviation, np.float32(1))  # rounding may lift the double of 0.5 just above 1


def measure_agreement(mask: NDArray[np.bool_], variants: dict[str, NDArray[np.bool_]]) -> dict[str, float]:
    """Return the Dice of each variant's mask with the mask that was found; two empty masks agree, at 1."""
    return {name: _measures.dice(mask, variant) for name, variant in variants.items()}
