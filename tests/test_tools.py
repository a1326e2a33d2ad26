"""The scripts that made what is released."""

import runpy
from functools import partial
from pathlib import Path

import keras
import numpy as np

from braintumorseg import Preprocessing, Segmenter, TrainConfig, lgg_split, load_pretrained
from braintumorseg.card import Card
from braintumorseg.models import build_unet
from cases import write_case
from command_line import call

TOOL = Path(__file__).parents[1] / "tools" / "average_presets.py"
TEXTS = ("summary", "data", "split", "licence", "intended_use", "limits")


def save(folder, seed, filters=(4, 8)):
    keras.utils.set_random_seed(seed)
    card = Card(**dict.fromkeys(TEXTS, "test"), recipe=f"run {seed}")
    model = build_unet((None, None, 3), filters=filters)
    Segmenter(model, Preprocessing(size=32), name="mine", threshold=0.5 - seed / 10, card=card).save(folder)
    return load_pretrained(folder)


def average(*arguments):
    return call(partial(runpy.run_path, str(TOOL), run_name="__main__"), TOOL, *arguments)


def test_presets_are_averaged_by_their_shares(tmp_path):
    one, other = save(tmp_path / "one", 1), save(tmp_path / "other", 2)
    done = average(tmp_path / "one", tmp_path / "other", "--shares", 3, 1, "--out", tmp_path / "mean")
    assert done.returncode == 0, done.stderr
    mean = load_pretrained(tmp_path / "mean")
    for path, weight in mean.network().weights.items():
        expected = 0.75 * one.network().weights[path] + 0.25 * other.network().weights[path]
        np.testing.assert_allclose(weight, expected, atol=1e-6)
    assert mean.threshold == other.threshold
    assert mean.card.recipe == "weighted mean of weights: 0.75 (run 1) and 0.25 (run 2)"


def test_what_can_t_be_averaged_is_refused(tmp_path):
    save(tmp_path / "one", 1), save(tmp_path / "wide", 2, (4, 16))
    for arguments in ((tmp_path / "one", tmp_path / "wide"), (tmp_path / "one", "--shares", 1, 2)):
        refused = average(*arguments, "--out", tmp_path / "mean")
        assert refused.returncode == 2
        assert "must be of the architecture" in refused.stderr or "one number from 0 for each preset" in refused.stderr
    assert not (tmp_path / "mean").exists()


def test_statistics_of_normalisation_are_measured_on_training_patients(tmp_path):
    """Weights stay the mean of both; statistics become those of the mean, and not the mean of both."""
    one, other = save(tmp_path / "one", 1), save(tmp_path / "other", 2)
    for seed, patient in enumerate(lgg_split("train")[:2]):
        write_case(tmp_path / "data" / patient, seed)
    recipe = TrainConfig(
        "mine",
        {"name": "unet", "filters": [4, 8]},
        steps=2,
        batch_size=4,
        round_steps=1,
        preprocessing=one.preprocessing,
    )
    recipe.write(tmp_path / "recipe.toml")
    data = ("--data", tmp_path / "data", "--recipe", tmp_path / "recipe.toml", "--batches", 2)
    done = average(tmp_path / "one", tmp_path / "other", *data, "--out", tmp_path / "mean")
    assert done.returncode == 0, done.stderr
    mean = load_pretrained(tmp_path / "mean")
    for path, weight in mean.network().weights.items():
        expected = (one.network().weights[path] + other.network().weights[path]) / 2
        assert np.allclose(weight, expected, atol=1e-6) != ("moving" in path), path
    assert mean.card.recipe.endswith(f"; statistics of normalisation measured on 2 batches of mine, {recipe.digest()}")


def test_statistics_need_data_and_a_recipe(tmp_path):
    refused = average(tmp_path / "one", "--data", tmp_path, "--out", tmp_path / "mean")
    assert refused.returncode == 2
    assert "--data and --recipe: expected both or neither" in refused.stderr
