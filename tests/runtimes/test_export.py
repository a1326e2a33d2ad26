import json

import numpy as np
import onnxruntime
import pytest

import architectures
from braintumorseg import DataError, Preprocessing, Segmenter, build_resunet, load_pretrained, make_study
from braintumorseg.presets import Card
from braintumorseg.presets.writer import replace_quantization
from braintumorseg.runtimes import export as export_module
from braintumorseg.runtimes.keras import run as run_keras
from braintumorseg.zoo.quantize import observe
from command_line import run

pytestmark = pytest.mark.slow

PATHS = {"onnx": "a.onnx", "openvino": "a.xml", "litert": "a.tflite", "saved_model": "a"}


@pytest.fixture(scope="module")
def segmenter():
    model = build_resunet(filters=(4, 8))
    random = np.random.default_rng(0)
    weights = [
        random.uniform(0.5, 1, each.shape) if each.ndim == 1 else random.normal(0, 0.2, each.shape)
        for each in model.get_weights()
    ]
    model.set_weights(weights)
    return Segmenter(model, Preprocessing(size=64), threshold=0.4, min_voxels=3, name="mine", card=Card(licence="CC0"))


@pytest.mark.parametrize("kind", PATHS)
def test_every_format_is_the_keras_model_and_described(segmenter, tmp_path, kind):
    path = segmenter.export(tmp_path / "new" / PATHS[kind], format=kind)
    described = json.loads((tmp_path / "new" / "a.json").read_text())
    assert described["largest_difference_from_keras"] < 1e-4
    assert Preprocessing.from_config(described["preprocessing"]) == segmenter.preprocessing
    assert (described["threshold"], described["min_voxels"], described["multiple"]) == (0.4, 3, 2)
    hint = {"INFERENCE_PRECISION_HINT": "f32"}  # without it, CPUs that have bfloat16 give other probabilities
    assert described.get("compile_with") == (hint if kind == "openvino" else None)
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {PATHS[kind], "a.json"} | ({"a.bin"} if kind == "openvino" else set())
    with pytest.raises(DataError, match="already exists"):
        segmenter.export(path, format=kind)
    assert segmenter.export(path, format=kind, overwrite=True) == path


def test_what_is_on_disk_is_what_was_compared(segmenter, tmp_path):
    path = segmenter.export(tmp_path / "a.onnx", format="onnx")
    images = np.random.default_rng(0).normal(size=(2, 30, 44, 3)).astype(np.float32)
    found = onnxruntime.InferenceSession(path).run(None, {"images": images})[0]
    np.testing.assert_allclose(found, run_keras(segmenter.model, images, 2), atol=1e-4)


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_int8_is_exported_from_a_quantization(segmenter, tmp_path, kind):
    folder = segmenter.save(tmp_path / "mine")
    images = list(segmenter.preprocessing.apply(make_study(0, shape=(4, 64, 64))).images)
    replace_quantization(folder, observe(segmenter.network(), images))
    path = load_pretrained(folder).export(tmp_path / PATHS[kind], format=kind, precision="int8")
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["largest_difference_from_keras"] > 0
    assert described["precision"] == "int8"


def test_an_export_that_differs_is_not_written(segmenter, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "CLOSE", 0.0)
    with pytest.raises(
        DataError, match=r"a\.onnx: the export differs from the Keras model by up to .*; nothing was written"
    ):
        segmenter.export(tmp_path / "a.onnx", format="onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("a.onnx", {"format": "pytorch"}, "format must be one of 'onnx', 'openvino', 'litert', 'saved_model'"),
        ("a", {"format": "onnx"}, "path must be a name that ends in .onnx; got a"),
        ("a.pb", {"format": "saved_model"}, "path must be a folder's name, without suffix; got a.pb"),
        ("a.tflite", {"format": "litert", "precision": "int8"}, "precision must be 'float32' for litert; got 'int8'"),
        ("a.onnx", {"format": "onnx", "precision": "int8"}, "precision must be 'float32' for mine, of whose weights"),
    ],
)
def test_bad_arguments_are_named(segmenter, path, options, message):
    with pytest.raises(ValueError, match=message):
        segmenter.export(path, **options)


def test_command(segmenter, tmp_path):
    folder = segmenter.save(tmp_path / "mine")
    done = run("export", "--preset", folder, "--format", "onnx", "-o", tmp_path / "a.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a.json" in done.stdout
    again = run("export", "--preset", folder, "--format", "litert", "-o", tmp_path / "a.onnx")
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)


def test_a_place_that_is_taken_is_told_before_the_work(segmenter, tmp_path, monkeypatch):
    segmenter.export(tmp_path / "m.xml", format="openvino")
    described = (tmp_path / "m.json").read_text()
    folder = segmenter.save(tmp_path / "mine")
    monkeypatch.setattr(export_module, "_compare", None)  # the work
    with pytest.raises(DataError, match=r"m\.json: describes m\.xml; export to another name than m\.onnx"):
        load_pretrained(folder).export(tmp_path / "m.onnx", format="onnx")
    with pytest.raises(DataError, match=r"m\.json: describes m\.xml"):  # whose compile_with would be lost
        load_pretrained(folder).export(tmp_path / "m.onnx", format="onnx", overwrite=True)
    done = run("export", "--preset", folder, "--format", "onnx", "-o", tmp_path / "m.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert "m.json: describes m.xml; export to another name" in done.stderr
    assert (tmp_path / "m.json").read_text() == described
    with pytest.raises(DataError, match=r"m\.xml: already exists"):
        segmenter.export(tmp_path / "m.xml", format="openvino")
    (tmp_path / "n.json").write_text("[]")
    with pytest.raises(DataError, match=r"n\.json: already exists"):
        segmenter.export(tmp_path / "n.onnx", format="onnx")


@pytest.mark.parametrize(("format_", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml")])
def test_an_architecture_of_ones_own_is_exported(format_, suffix, tmp_path):
    """It is compared with Keras before it is put in its place."""
    model = architectures.with_weights(architectures.attention_unet())
    path = Segmenter(model, Preprocessing(32), name="mine").export(tmp_path / f"mine{suffix}", format=format_)
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["multiple"] == 4
    assert described["largest_difference_from_keras"] < 1e-4
