"""A small preset, as files."""

import hashlib

import keras
import numpy as np

from braintumorseg import Preprocessing, build_resunet
from braintumorseg.presets import Card, Score
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE
from braintumorseg.presets.writer import write_preset

NAME = "hf://owner/tiny"
"""Where the fixture ``commit`` publishes it."""

CARD = Card(
    summary="Finds ellipsoids.",
    data="phantoms",
    split="by seed",
    recipe="none",
    licence="CC BY 4.0",
    intended_use="tests",
    limits="phantoms alone",
    scores=(Score("Dice", "mean over patients", "3 phantoms", 0.75, 0.5, 0.875),),
)


def write_tiny(folder, name="tiny", seed=0, threshold=0.4):
    """Write a preset of a few thousand weights that anybody can tell from one of another seed."""
    keras.utils.set_random_seed(seed)
    model = build_resunet(filters=(8, 16))
    random = np.random.default_rng(seed)
    model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    write_preset(
        folder,
        model,
        name=name,
        preprocessing=Preprocessing(size=32),
        threshold=threshold,
        min_voxels=3,
        card=CARD,
    )
    return folder


def hashes(folder):
    """SHA-256 of each of a preset's files."""
    return {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in (CONFIG_FILE, WEIGHTS_FILE)}
