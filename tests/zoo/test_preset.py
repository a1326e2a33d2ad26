import hashlib
import json

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from braintumorseg import Card, DataError, Figure, Preprocessing, build_resunet, build_unet
from braintumorseg.zoo.preset import CONFIG_FILE, WEIGHTS_FILE, build_model, read_preset, read_weights, write_preset

CARD = Card("s", "d", "p", "r", "l", "i", "x", (Figure("Dice", "mean", "phantoms", 0.5),))
ARCHITECTURE = {"name": "resunet", "filters": [4, 8], "dropout": 0.1}


@pytest.fixture
def written(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_resunet(filters=(4, 8), dropout=0.1)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    options = {"name": "tiny", "preprocessing": Preprocessing(size=32), "threshold": 0.4, "min_voxels": 3, "card": CARD}
    write_preset(tmp_path / "tiny", model, architecture=ARCHITECTURE, **options)
    return tmp_path / "tiny", model


def load(folder):
    preset = read_preset(folder)
    return build_model(preset, read_weights(folder, preset))


def change(folder, **changes):
    config = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**config, **changes}))


def test_round_trip(written):
    folder, model = written
    preset = read_preset(folder)
    assert (preset.name, preset.threshold, preset.min_voxels) == ("tiny", 0.4, 3)
    assert preset.preprocessing == Preprocessing(size=32)
    assert preset.card == CARD
    assert preset.parameters == model.count_params()
    images = np.random.default_rng(1).normal(size=(2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_array_equal(load(folder)(images), model(images))


def test_only_the_two_files_are_left(written):
    folder, _ = written
    assert sorted(path.name for path in folder.iterdir()) == sorted([CONFIG_FILE, WEIGHTS_FILE])


def test_flipped_bit_is_found(written):
    folder, _ = written
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    content[-5] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(
        DataError, match=r"model\.safetensors: damaged .* of tiny: expected SHA-256 [0-9a-f]{64}, found"
    ):
        load(folder)


def test_truncated_weights_are_found(written):
    folder, _ = written
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="expected SHA-256"):
        load(folder)


def rehash(folder):
    """Make the hash right again, so that what lies behind it is checked."""
    config = json.loads((folder / CONFIG_FILE).read_text())
    config["weights"]["sha256"] = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    (folder / CONFIG_FILE).write_text(json.dumps(config))


def test_weights_of_another_kind_of_file_are_refused(written):
    folder, _ = written
    (folder / WEIGHTS_FILE).write_bytes(b"pickle")
    rehash(folder)
    with pytest.raises(DataError, match="is not a safetensors file"):
        load(folder)


@pytest.mark.parametrize("damage", ["missing", "extra", "shape"])
def test_weights_must_be_exactly_those_of_the_architecture(written, damage):
    folder, _ = written
    arrays = load_file(folder / WEIGHTS_FILE)
    if damage == "missing":
        del arrays["logits/bias"]
    elif damage == "extra":
        arrays["logits/more"] = np.zeros(1, np.float32)
    else:
        arrays["logits/bias"] = np.zeros(2, np.float32)
    save_file(arrays, folder / WEIGHTS_FILE)
    rehash(folder)
    with pytest.raises(
        DataError, match=r"preset tiny: 1 weights do not fit the architecture resunet, the first is logits/"
    ):
        load(folder)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_missing_file_is_named(written, name):
    folder, _ = written
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: can't be read \(No such file or directory\)"):
        load(folder)


def test_text_that_is_not_json_is_refused(written):
    folder, _ = written
    (folder / CONFIG_FILE).write_text("{")
    with pytest.raises(DataError, match=r"braintumorseg\.json: is not a preset's configuration"):
        read_preset(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "expected format 1"),
        ({"code": "import os"}, "expected format 1 with the keys"),
        ({"preprocessing": {"size": 32}}, "config must be a table with exactly the keys"),
        ({"weights": {}}, "is not a preset's configuration"),
        ({"card": {"summary": ""}}, "card must be a table with exactly the keys"),
        ({"architecture": {"name": "os.system"}}, "unknown architecture 'os.system'; known are resunet, unet"),
        ({"architecture": {"name": "resunet", "layers": 3}}, "the architecture resunet can't be built"),
        ({"architecture": {"name": "resunet", "filters": [1]}}, "can't be built: filters must be at least two"),
    ],
)
def test_other_configurations_are_refused(written, changes, message):
    folder, _ = written
    change(folder, **changes)
    with pytest.raises(DataError, match=message):
        load(folder)


def test_wrong_architecture_is_refused_when_writing(tmp_path):
    options = {"name": "tiny", "preprocessing": Preprocessing(), "threshold": 0.5, "min_voxels": 0, "card": CARD}
    with pytest.raises(DataError, match="weights do not fit the architecture resunet"):
        write_preset(tmp_path / "a", build_unet(filters=(4, 8)), architecture=ARCHITECTURE, **options)
    assert not (tmp_path / "a").exists()
