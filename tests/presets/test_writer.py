"""Presets onto disk: all in one go, and parts of them replaced."""

import json

import keras
import numpy as np
import pytest

from braintumorseg import DataError, Preprocessing, build_unet
from braintumorseg.findings import Reference
from braintumorseg.presets import Card, Score
from braintumorseg.presets.preset import CARD_FILE, CONFIG_FILE, INT8_FILE, WEIGHTS_FILE, compose_preset
from braintumorseg.presets.reader import read_network, read_preset
from braintumorseg.presets.writer import replace_card, replace_quantization, replace_reference, write_preset

QUANTIZATION = {"logits/0": np.array([-1, 1], np.float32), "logits/kernel": np.array([0.5], np.float32)}
REFERENCE = Reference("ten phantoms", 10, {"symmetry": (0.0, 0.1, 0.2, 0.3, 1.0)}, 1.5, 1.0)
CARD = Card(summary="Finds spots.", scores=(Score("Dice", "mean", "phantoms", 0.5, tta=True, precision="int8"),))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_unet(filters=(4, 8))


def write(folder, model, **options):
    return write_preset(
        folder,
        model,
        **{
            "name": "mine",
            "preprocessing": Preprocessing(size=32),
            "threshold": 0.4,
            "min_voxels": 3,
            "card": CARD,
        }
        | options,
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_weights_quantization_and_json_are_written_in_one_go(model, tmp_path):
    preset = write(tmp_path / "mine", model, quantization=QUANTIZATION)
    assert names(tmp_path / "mine") == sorted([CONFIG_FILE, WEIGHTS_FILE, INT8_FILE])
    assert preset == read_preset(tmp_path / "mine")
    assert (preset.precision, preset.card) == ("int8", CARD)
    network = read_network(tmp_path / "mine", preset)
    for place, bounds in QUANTIZATION.items():
        np.testing.assert_array_equal(network.quantization[place], bounds)
    assert (tmp_path / "mine" / CONFIG_FILE).read_bytes() == compose_preset(preset)


def test_order_of_calls_does_not_matter(model, tmp_path):
    """One function composes the JSON, whichever way a preset comes about."""
    at_once = write(tmp_path / "a", model, quantization=QUANTIZATION)
    write(tmp_path / "b", model, card=Card())
    replace_quantization(tmp_path / "b", QUANTIZATION)
    assert replace_card(tmp_path / "b", CARD) == at_once
    write(tmp_path / "c", model, card=Card())
    replace_card(tmp_path / "c", CARD)
    assert replace_quantization(tmp_path / "c", QUANTIZATION) == at_once
    for folder in ("b", "c"):
        for file in (CONFIG_FILE, WEIGHTS_FILE, INT8_FILE):
            assert (tmp_path / folder / file).read_bytes() == (tmp_path / "a" / file).read_bytes()


def test_a_new_model_drops_the_old_quantization_and_the_old_page(model, tmp_path):
    write(tmp_path, model, quantization=QUANTIZATION)
    (tmp_path / CARD_FILE).write_text("Dice 0.9")
    preset = write(tmp_path, model)
    assert names(tmp_path) == sorted([CONFIG_FILE, WEIGHTS_FILE])
    assert preset.precision == read_preset(tmp_path).precision == "float32"


def test_a_quantization_is_taken_away(model, tmp_path):
    write(tmp_path, model, quantization=QUANTIZATION)
    assert replace_quantization(tmp_path, None) == write(tmp_path / "other", model)
    assert not (tmp_path / INT8_FILE).exists()
    assert "int8" not in json.loads((tmp_path / CONFIG_FILE).read_text())


def test_a_card_is_replaced_and_all_else_stays(model, tmp_path):
    write(tmp_path, model, quantization=QUANTIZATION)
    before = {file: (tmp_path / file).read_bytes() for file in (WEIGHTS_FILE, INT8_FILE)}
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    replace_card(tmp_path, Card(summary="Finds others."))
    assert {file: (tmp_path / file).read_bytes() for file in before} == before
    after = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert {**after, "card": 0} == {**config, "card": 0}
    assert after["card"]["summary"] == "Finds others."


def test_a_reference_is_replaced_and_taken_away_and_all_else_stays(model, tmp_path):
    without = write(tmp_path / "a", model, quantization=QUANTIZATION)
    assert read_preset(tmp_path / "a").reference is None
    at_once = write(tmp_path / "b", model, quantization=QUANTIZATION, reference=REFERENCE)
    assert replace_reference(tmp_path / "a", REFERENCE) == at_once == read_preset(tmp_path / "b")
    for file in (CONFIG_FILE, WEIGHTS_FILE, INT8_FILE):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert replace_card(tmp_path / "a", Card()).reference == REFERENCE
    assert replace_reference(tmp_path / "b", None) == without


def test_a_quantization_of_other_weights_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match="logits/kernel must be 1 finite numbers that fit the network"):
        write(tmp_path / "mine", model, quantization={"logits/kernel": np.ones(2, np.float32)})
    assert not (tmp_path / "mine").exists()


def test_a_folder_without_a_preset_has_nothing_to_replace(tmp_path):
    for call in (lambda: replace_card(tmp_path, CARD), lambda: replace_quantization(tmp_path, None)):
        with pytest.raises(DataError, match=r"braintumorseg\.json: can't be read"):
            call()
    assert names(tmp_path) == []
