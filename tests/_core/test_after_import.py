"""A compiled model opens in plain Keras after ``import braintumorseg`` alone, in whichever order the two are imported."""

import subprocess
import sys

import keras
import pytest

from braintumorseg import build_unet
from braintumorseg.augmentation import Augmentation
from braintumorseg.losses import Dice, FocalTversky, WeightedSum
from braintumorseg.metrics import DiceScore, IoU

OPEN = """
config = keras.models.load_model("compiled.keras").get_compile_config()
print(config["loss"]["class_name"], [metric["class_name"] for metric in config["metrics"]])
"""


@pytest.fixture
def compiled(tmp_path):
    model = build_unet(filters=(4, 8))
    loss = WeightedSum([(Dice(), 1.0), (FocalTversky(), 0.5)])
    model.compile("adam", loss, metrics=[DiceScore(), IoU()])
    model.save(tmp_path / "compiled.keras")


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("imports", ["import braintumorseg, keras", "import keras, braintumorseg"])
def test_compiled_model_opens(compiled, imports):
    done = run(imports + OPEN)
    assert done.stdout.split("\n")[0] == "WeightedSum ['DiceScore', 'IoU']", done.stderr


def test_without_this_package_the_model_does_not_open(compiled):
    """So that the test above can fail."""
    assert "WeightedSum" in run("import keras" + OPEN).stderr


def test_layer_opens(tmp_path):
    layers = [keras.Input((16, 16, 3)), keras.layers.Conv2D(1, 1)]
    keras.Sequential(layers).save(tmp_path / "plain.keras")
    config = keras.saving.serialize_keras_object(Augmentation(seed=3))
    done = run(f"import braintumorseg, keras\nprint(keras.saving.deserialize_keras_object({config!r}).seed)")
    assert done.stdout.strip() == "3", done.stderr


def test_keras_keeps_its_own_loader_and_a_failed_import_is_tried_again(tmp_path):
    (tmp_path / "fragile.py").write_text("import os\nif not os.environ.get('WHOLE'): raise ImportError('broken')\n")
    script = """
import os, sys
sys.path.insert(0, ".")
from braintumorseg._core.after_import import import_after
import_after("fragile", ["colorsys"])
before = "colorsys" in sys.modules
try:
    import fragile
except ImportError as error:
    print(error)
os.environ["WHOLE"] = "1"
import fragile
print(before, "colorsys" in sys.modules, type(fragile.__loader__).__name__, type(fragile.__spec__.loader).__name__)
"""
    done = run(script)
    assert done.stdout.split("\n")[:2] == ["broken", "False True SourceFileLoader SourceFileLoader"], done.stderr
