"""Trained weights that a run starts from."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import keras
import numpy as np

from braintumorseg._core.checks import DataError
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.presets.card import Card
from braintumorseg.runtimes.network import variables_of, weights_of
from braintumorseg.training.config import TrainConfig
from braintumorseg.zoo.load import load_pretrained


def load_start(config: TrainConfig) -> Segmenter | None:
    """Return the preset that a run starts from, if any.

    Raises:
        DataError: If there is no such preset, or it has another model or another preprocessing.
    """
    if not config.start:
        return None
    try:
        segmenter = load_pretrained(config.start)
    except ValueError as error:
        msg = f"start: {error}"
        raise DataError(msg) from error
    if replace(segmenter.preprocessing, size=config.preprocessing.size) != config.preprocessing:
        msg = f"start: {config.start} has another preprocessing than the configuration: {segmenter.preprocessing}"
        raise DataError(msg)
    if _shapes(segmenter.model) != _shapes(config.build_model()):
        msg = f"start: {config.start} is another model than the configuration's, {config.architecture}"
        raise DataError(msg)
    return segmenter


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Give a model the weights of another one of the same architecture."""
    given = variables_of(source)
    for path, weight in variables_of(target).items():
        weight.assign(given[path])


def hash_weights(model: keras.Model) -> str:
    """Return the SHA-256 of a model's weights, in their order."""
    return hashlib.sha256(b"".join(np.asarray(weight).tobytes() for weight in weights_of(model).values())).hexdigest()


def describe_origin(segmenter: Segmenter) -> str:
    """Return a preset's name, licence, data and recipe: the provenance of weights that are made from it."""
    card = segmenter.card or Card()
    licence, data, recipe = card.stated("licence"), card.stated("data"), card.stated("recipe")
    return f"{segmenter.name} (licence: {licence}; data: {data}; recipe: {recipe})"


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {path: tuple(weight.shape) for path, weight in variables_of(model).items()}
