"""A segmenter on disk and back."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from braintumorseg import (
    DataError,
    Preprocessing,
    Segmenter,
    build_resunet,
    build_unet,
    list_pretrained,
    load_pretrained,
)
from braintumorseg.presets import Card, Drop, Score, bundled
from braintumorseg.presets.preset import CARD_FILE, CONFIG_FILE, INT8_FILE, WEIGHTS_FILE

CARD = Card("s", "d", "p", "r", "l", "i", "x", (Score("Dice", "m", "p", 0.5, 0.4),), {"a": 0.5}, (Drop("c", 0.5, 0.1),))


def make(seed=0, **options):
    keras.utils.set_random_seed(seed)
    model = build_unet(filters=(4, 8), dropout=0.1)
    return Segmenter(
        model,
        Preprocessing(size=32, ceiling=3.0),
        **{"threshold": 0.35, "min_voxels": 3, "name": "mine", "card": CARD} | options,
    )


def test_everything_comes_back(phantom, tmp_path):
    segmenter = make()
    folder = segmenter.save(tmp_path / "new" / "mine")
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]
    again = load_pretrained(folder)
    for name in ("preprocessing", "threshold", "min_voxels", "name", "card"):
        assert getattr(again, name) == getattr(segmenter, name)
    for before, after in zip(segmenter.model.weights, again.model.weights, strict=True):
        assert before.path == after.path
        if "seed" not in before.path:
            np.testing.assert_array_equal(before, after)
    expected, found = segmenter.predict(phantom), again.predict(phantom)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.mask, expected.mask)


@pytest.mark.parametrize("name", list_pretrained().index)
def test_a_released_preset_is_written_as_it_was(name):
    """Byte for byte, and so with the same SHA-256."""
    folder = load_pretrained(name).save("copy")
    for file in (CONFIG_FILE, WEIGHTS_FILE, INT8_FILE):
        assert (folder / file).read_bytes() == (bundled.BUNDLED / name / file).read_bytes()


def test_without_a_card_nothing_is_stated():
    card = load_pretrained(make(card=None).save("mine")).card
    assert card == Card()
    assert {card.data, card.licence, card.recipe} == {""}
    assert card.scores == ()


def test_trained_weights_are_those_that_are_saved(phantom):
    segmenter = make()
    segmenter.model.compile("adam", "binary_crossentropy")
    random = np.random.default_rng(0)
    segmenter.model.train_on_batch(random.normal(size=(2, 8, 8, 3)), random.integers(0, 2, (2, 8, 8, 1)))
    again = load_pretrained(segmenter.save("mine"))
    np.testing.assert_array_equal(again.predict(phantom).probabilities, segmenter.predict(phantom).probabilities)


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_nothing_is_overwritten_unless_it_is_said():
    make().save("mine")
    before = contents("mine")
    with pytest.raises(DataError, match=r"mine/braintumorseg\.json: already exists; pass overwrite=True"):
        make(seed=1).save("mine")
    assert contents("mine") == before
    make(seed=1).save("mine", overwrite=True)
    assert contents("mine") != before
    load_pretrained("mine")


def test_the_card_of_what_is_overwritten_does_not_stay():
    folder = make().save("mine")
    (folder / CARD_FILE).write_text("Dice 0.9")
    (folder / "notes.txt").write_text("mine")
    (folder / CONFIG_FILE).unlink()
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(DataError, match=r"CARD\.md: already exists"):
        make().save("mine")
    make().save("mine", overwrite=True)
    assert sorted(contents("mine")) == sorted([CONFIG_FILE, WEIGHTS_FILE, "notes.txt"])


@pytest.mark.parametrize("failing", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_full_disk_leaves_the_old_preset(monkeypatch, failing):
    make().save("mine")
    before = contents("mine")
    write = Path.write_bytes

    def full(path, data):
        if path.name.endswith(failing):
            write(path, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"can't be written \(No space left on device\)"):
        make(seed=1).save("mine", overwrite=True)
    assert contents("mine") == before


def test_each_file_is_written_once(monkeypatch):
    """The quantization too: the configuration need not be read and written again for it."""
    segmenter, written = load_pretrained("resunet-lgg-small"), []

    def replace(path, target):
        written.append(Path(target).name)
        return original(path, target)

    original = Path.replace
    monkeypatch.setattr(Path, "replace", replace)
    segmenter.save("mine")
    assert sorted(written) == sorted([CONFIG_FILE, WEIGHTS_FILE, INT8_FILE])
    assert written[-1] == CONFIG_FILE


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/.*: can't be written"):
        make().save(tmp_path / "file")


def test_a_model_of_other_layers_is_refused(tmp_path):
    inputs = keras.Input((32, 32, 3))
    turned = keras.layers.Permute((2, 1, 3), name="turned")(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(turned), name="mine")
    with pytest.raises(
        ValueError, match=r"^the layer 'turned' must be of a class that presets can hold .*; got 'Permute'$"
    ):
        Segmenter(model, Preprocessing(size=32)).save(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_classes_and_logits_come_back():
    model = build_resunet(filters=(4, 8), classes=3, activation=None, normalization="group")
    again = load_pretrained(Segmenter(model, Preprocessing(size=32)).save("three")).model
    images = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(again(images), model(images))


def test_the_hash_is_that_of_the_file():
    folder = make().save("mine")
    config = json.loads((folder / CONFIG_FILE).read_text())
    (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes() + b" ")
    with pytest.raises(DataError, match=config["weights"]["sha256"]):
        load_pretrained(folder)


@pytest.mark.parametrize("options", [{}, {"classes": 4, "channels": ("flair", "t1ce")}], ids=["as it is", "adapted"])
def test_the_model_opens_in_plain_keras(options, tmp_path):
    """In a process without this package, and without custom objects."""
    segmenter = load_pretrained("resunet-lgg", **options)
    model = segmenter.model
    images = np.random.default_rng(0).normal(size=(1, 32, 32, model.input_shape[-1])).astype(np.float32)
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "io.npz", images=images, expected=keras.ops.convert_to_numpy(model(images)))
    script = (
        "import sys, keras, numpy as np\n"
        "data, model = np.load('io.npz'), keras.models.load_model('m.keras')\n"
        "np.testing.assert_allclose(model(data['images']), data['expected'], atol=1e-5)\n"
        "assert not [name for name in sys.modules if name.startswith('braintumorseg')]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
