import hashlib
import json
import shutil

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from braintumorseg import DataError, Preprocessing, build_resunet
from braintumorseg.models import topology
from braintumorseg.models.functional import compose_graph
from braintumorseg.presets import Card, Score
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE
from braintumorseg.presets.reader import build_model, read_preset, read_weights
from braintumorseg.presets.writer import write_preset

CARD = Card("s", "d", "p", "r", "l", "i", "x", (Score("Dice", "mean", "phantoms", 0.5),))
REFERENCE = {
    "source": "ten phantoms",
    "studies": 10,
    "quantiles": {"symmetry": [0, 0.1, 0.2, 0.3, 1]},
    "spread": 1.5,
    "gap": 1,
}


def with_score(**changes):
    config = CARD.get_config()
    return config | {"scores": [config["scores"][0] | changes]}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A preset's folder, and its model."""
    keras.utils.set_random_seed(0)
    model = build_resunet(filters=(4, 8), dropout=0.1)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    options = {"name": "tiny", "preprocessing": Preprocessing(size=32), "threshold": 0.4, "min_voxels": 3, "card": CARD}
    folder = tmp_path_factory.mktemp("presets") / "tiny"
    write_preset(folder, model, **options)
    return folder, model


@pytest.fixture
def written(original, tmp_path):
    """A copy that a test may damage, and the model."""
    folder, model = original
    return shutil.copytree(folder, tmp_path / "tiny"), model


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
    ],
)
def test_other_configurations_are_refused(written, changes, message):
    folder, _ = written
    change(folder, **changes)
    with pytest.raises(DataError, match=message):
        load(folder)


def architecture(**options):
    return compose_graph(topology.resunet(**{"filters": (4, 8)} | options))


WEIGHTS = {"file": WEIGHTS_FILE, "sha256": "0" * 64, "parameters": 10_000}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"architecture": architecture(filters=(8, 100))},
            "architecture must be one of at most 10000 weights, as stated; got at least 1",
        ),
        ({"architecture": {"name": "resunet", "filters": [4, 8]}}, "the model must be a functional one"),
        ({"architecture": "resunet"}, "the model must be a functional one"),
        ({"architecture": architecture() | {"name": ["resunet"]}}, "name of the model must be a text"),
        ({"architecture": architecture() | {"layers": 3}}, "layers must be a list of 1 to 2000"),
        ({"architecture": architecture() | {"code": "import os"}}, "keys of the model must be among"),
        (
            {"weights": {**WEIGHTS, "parameters": 2**27 + 1}},
            "weights.parameters must be at least 1 and at most 134217728",
        ),
        ({"weights": {**WEIGHTS, "parameters": -1}}, "weights.parameters must be an integer of at least 1"),
        ({"weights": {**WEIGHTS, "file": "../model.safetensors"}}, "weights.file must be 'model.safetensors'"),
        ({"weights": {**WEIGHTS, "sha256": "0" * 63}}, "weights.sha256 must be 64 hexadecimal digits"),
        ({"weights": {**WEIGHTS, "url": "http://x"}}, "weights must be a table with exactly the keys"),
        (
            {"preprocessing": Preprocessing(sequences=("flair",)).get_config() | {"size": 10**9}},
            "preprocessing.size must be .*at most 4096",
        ),
        ({"name": ""}, "name must be a text of up to 100 characters"),
        ({"name": {"a": 1}}, "name must be a text of up to 100 characters"),
        ({"threshold": "0.5"}, "threshold must be more than 0 and at most 1"),
        ({"threshold": float("nan")}, "NaN is not a number of JSON"),
        ({"min_voxels": 0.5}, "min_voxels must be an integer of at least 0"),
        ({"card": CARD.get_config() | {"licence": ["MIT"]}}, "licence of the card must be a text"),
        (
            {"card": CARD.get_config() | {"patients": {"a": "high"}}},
            "a of the card must be a number",
        ),
        ({"card": with_score(measure=1)}, "measure of the card must be a text"),
        ({"card": with_score(value="high")}, "value of the card must be a number"),
        ({"card": with_score(tta=1)}, "tta must be True or False; got 1"),
        ({"card": with_score(precision="int4")}, "precision must be one of None, 'float32', 'int8'; got 'int4'"),
        ({"card": with_score(more=1)}, "score of the card must be a table with exactly the keys"),
        ({"card": CARD.get_config() | {"scores": ["Dice"]}}, "score of the card must be a table"),
        ({"reference": []}, "reference must be a table with exactly the keys"),
        ({"reference": REFERENCE | {"code": 1}}, "reference must be a table with exactly the keys"),
        ({"reference": REFERENCE | {"source": "x" * 201}}, "reference.source must be a text of up to 200 characters"),
        ({"reference": REFERENCE | {"studies": 9}}, "reference.studies must be an integer of at least 10"),
        ({"reference": REFERENCE | {"spread": 0}}, "reference.spread must be more than 0"),
        ({"reference": REFERENCE | {"gap": "1"}}, "reference.gap must be more than 0"),
        ({"reference": REFERENCE | {"quantiles": {"a": [1, 2]}}}, "reference.quantiles must be .* 5 rising numbers"),
        ({"reference": REFERENCE | {"quantiles": {"a": [5, 4, 3, 2, 1]}}}, "reference.quantiles must be"),
        ({"reference": REFERENCE | {"quantiles": {"a": [0, 0, 0, 0, True]}}}, "reference.quantiles must be"),
        (
            {"reference": REFERENCE | {"quantiles": {str(number): [0] * 5 for number in range(201)}}},
            "reference.quantiles must be a table of up to 200 features",
        ),
    ],
)
def test_configuration_from_elsewhere_is_bounded(written, changes, message):
    folder, _ = written
    change(folder, **{"weights": WEIGHTS} | changes)
    with pytest.raises(DataError, match=rf"braintumorseg\.json: is not a preset's configuration: .*({message})"):
        read_preset(folder)


@pytest.mark.parametrize(
    "text", ["[]", "null", '"x"', "[" * 100_000, "1" * 5000, "\ud800".encode("utf-8", "surrogatepass")]
)
def test_any_other_text_is_refused(written, text):
    folder, _ = written
    (folder / CONFIG_FILE).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=r"braintumorseg\.json: "):
        read_preset(folder)


def test_large_files_are_not_read(written):
    folder, _ = written
    preset = read_preset(folder)
    with (folder / WEIGHTS_FILE).open("r+b") as file:
        file.truncate(2**40)  # takes no room on the disk, and would take a tebibyte of memory
    with pytest.raises(
        DataError, match=rf"{WEIGHTS_FILE}: expected at most \d+ bytes, as {preset.parameters} weights take"
    ):
        read_weights(folder, preset)
    with (folder / CONFIG_FILE).open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match=r"braintumorseg\.json: expected a configuration of at most 4194304 bytes"):
        read_preset(folder)
