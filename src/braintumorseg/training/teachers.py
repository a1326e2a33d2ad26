"""What finished models find in the training studies, kept beside these."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braintumorseg._checks import DataError
from braintumorseg._files import replacing
from braintumorseg.cache import CachedStudy
from braintumorseg.card import Card
from braintumorseg.engines.network import Weights
from braintumorseg.engines.openvino import Runner
from braintumorseg.preprocessing import Preprocessing
from braintumorseg.segmenter import Segmenter
from braintumorseg.zoo.load import load_pretrained

_BATCH_SIZE = 8


class Teachers:
    """Presets that a run learns from.

    Attributes:
        recipes: What each teacher's card says of its training.

    Args:
        presets: Their names or folders.
        preprocessing: The run's, which must be theirs but for the size.

    Raises:
        DataError: If a preset can't be loaded, or has another preprocessing or several classes.
    """

    def __init__(self, presets: Sequence[str], preprocessing: Preprocessing) -> None:
        segmenters = [_load(preset, preprocessing) for preset in presets]
        self._networks = [segmenter.network() for segmenter in segmenters]
        self.recipes = [describe_origin(segmenter) for segmenter in segmenters]

    @property
    def hashes(self) -> list[str]:
        """SHA-256 of each teacher's weights."""
        return [hash_weights(network.weights) for network in self._networks]

    def teach(self, studies: Sequence[CachedStudy], folder: Path) -> list[CachedStudy]:
        """Return studies with what the teachers find in them; where there are none, as they are.

        Args:
            studies: Prepared studies.
            folder: Where the results are kept, one file a study.

        Raises:
            DataError: If a result can't be written.
        """
        if not self._networks:
            return list(studies)
        runners = [Runner(network, "float32") for network in self._networks]
        identity = hashlib.sha256("".join(self.hashes).encode()).hexdigest()
        return [replace(study, taught=_taught(study, runners, folder, identity)) for study in studies]


def describe_origin(segmenter: Segmenter) -> str:
    """Return how a model was made, as its card says, or its name where that is not stated."""
    recipe = segmenter.card.recipe if segmenter.card else Card.recipe
    return segmenter.name if recipe == Card.recipe else recipe


def hash_weights(weights: Weights) -> str:
    """Return a SHA-256 of weights in the order given."""
    return hashlib.sha256(b"".join(np.asarray(weight).tobytes() for weight in weights.values())).hexdigest()


def _load(preset: str, preprocessing: Preprocessing) -> Segmenter:
    try:
        segmenter = load_pretrained(preset)
    except ValueError as error:
        msg = f"teacher.presets: {error}"
        raise DataError(msg) from error
    if replace(segmenter.preprocessing, size=preprocessing.size) != preprocessing:
        msg = f"teacher.presets: {preset} has another preprocessing than the configuration: {segmenter.preprocessing}"
        raise DataError(msg)
    classes = segmenter.network().classes
    if classes != 1:
        msg = f"teacher.presets: {preset} has {classes} classes; a teacher has one"
        raise DataError(msg)
    return segmenter


def _taught(study: CachedStudy, runners: Sequence[Runner], folder: Path, identity: str) -> NDArray[np.float16]:
    """Return the mean of the teachers' probabilities, ``(slices, size, size)``, computed once and then read from disk."""
    images = hashlib.sha256(study.images.tobytes()).hexdigest()
    file = folder / f"{study.name}-{hashlib.sha256((identity + images).encode()).hexdigest()[:16]}.npy"
    taught = _read(file, study.targets.shape)
    if taught is None:
        taught = np.mean([_probabilities(run, study.images) for run in runners], axis=0).astype(np.float16)
        with replacing(file, overwrite=True) as beside, beside.open("wb") as opened:
            np.save(opened, taught)
    return taught


def _read(file: Path, shape: tuple[int, ...]) -> NDArray[np.float16] | None:
    """Map a result from disk; ``None`` if there is none, or it is not whole."""
    try:
        values: NDArray[np.float16] = np.load(file, mmap_mode="r")
    except Exception:  # damaged bytes make the reader raise anything
        return None
    return values if values.shape == shape and values.dtype == np.float16 else None


def _probabilities(run: Runner, images: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the mean of a model's probabilities for the images and for their mirror images."""
    straight = np.asarray(images, np.float32)
    mirrored = run(np.ascontiguousarray(straight[:, :, ::-1]), _BATCH_SIZE)[:, :, ::-1]
    return np.asarray((run(straight, _BATCH_SIZE) + mirrored)[..., 0] / 2, np.float32)
