"""Every engine computes what the Keras model does."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from braintumorseg import DataError, Preprocessing, Segmenter, build_resunet, build_unet, load_pretrained
from braintumorseg.models import architecture, architecture_of, build_classifier
from braintumorseg.runtimes import onnxruntime, openvino
from braintumorseg.runtimes.keras import run
from braintumorseg.runtimes.network import Network, weights_of

ENGINES = {"openvino": openvino.Runner, "onnxruntime": onnxruntime.Runner}
BUILDS = [
    (build_resunet, {"filters": (4, 6, 8), "dropout": 0.1}),
    (build_resunet, {"filters": (8, 8), "normalization": "group", "activation": None, "classes": 2}),
    (build_unet, {"filters": (4, 6, 8), "activation": "softmax", "classes": 3}),
    (build_unet, {"filters": (12, 16), "normalization": "group", "input_shape": (48, 40, 2)}),
]


def images(height, width, count=3, channels=3):
    return np.random.default_rng(0).normal(size=(count, height, width, channels)).astype(np.float32)


def with_weights(model, seed=0):
    """Give a model weights that leave no layer without effect."""
    random = np.random.default_rng(seed)
    drawn = [
        random.uniform(0.5, 1, weight.shape) if weight.ndim == 1 else random.normal(0, 0.2, weight.shape)
        for weight in model.get_weights()
    ]
    model.set_weights(drawn)
    return model


def network_of(model):
    return Network("mine", architecture_of(model), weights_of(model))


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: f"{build[0].__name__}-{len(build[1])}")
def model(request):
    build, arguments = request.param
    return with_weights(build(**arguments))


@pytest.mark.parametrize("engine", ENGINES)
def test_is_the_keras_model(model, engine):
    stack = images(30, 37, channels=model.input_shape[-1])
    expected = run(model, stack, 2)
    found = ENGINES[engine](network_of(model), "float32")(stack, 2)
    assert found.dtype == np.float32
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_trained_weights_are_the_same_model(engine, phantom):
    """On a study, where probabilities from 0 to 1 occur."""
    segmenter = load_pretrained("resunet-lgg-small")
    found = segmenter.predict(phantom, engine=engine, precision="float32")
    expected = segmenter.predict(phantom, engine="keras")
    assert (found.engine, found.precision, expected.engine) == (engine, "float32", "keras")
    assert expected.probabilities.max() > 0.9
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=0, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_size_and_images_that_are_views_change_nothing(engine):
    runner = ENGINES[engine](network_of(with_weights(build_resunet(filters=(4, 8)))), "float32")
    stack = images(16, 16, count=5)
    expected = runner(stack, 1)
    np.testing.assert_allclose(runner(stack, 16), expected, atol=1e-6)
    np.testing.assert_allclose(runner(stack[:, :, ::-1], 2), runner(stack[:, :, ::-1].copy(), 5), atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_larger_images_than_a_fixed_size_are_refused(engine):
    runner = ENGINES[engine](network_of(build_resunet((32, 32, 3), filters=(4, 8))), "float32")
    with pytest.raises(ValueError, match="size must be at most 32, the fixed input size of this model; got 40"):
        runner(images(40, 32), 2)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("encoder_1_norm_1/beta"), "the first is encoder_1_norm_1/beta"),
        (lambda w: w.pop("logits/kernel"), "the first is logits/kernel"),
        (lambda w: w.update(more=w["logits/bias"]), "1 weights do not fit the architecture resunet, the first is more"),
        (
            lambda w: w.update({"bottleneck_conv_2/kernel": w["bottleneck_conv_1/kernel"]}),
            "do not fit the architecture",
        ),
        (lambda w: w.update({"decoder_1_up/bias": w["logits/bias"][None]}), "the first is decoder_1_up/bias"),
        (lambda w: w.update({"logits/kernel": w["logits/bias"]}), "the first is logits/kernel"),
        (lambda w: w.update({"encoder_1_norm_1/gamma": w["bottleneck_norm_1/gamma"]}), "do not fit the architecture"),
    ],
)
def test_weights_that_do_not_fit_are_named(engine, change, message):
    network = network_of(build_resunet(filters=(4, 8)))
    change(network.weights)
    with pytest.raises(DataError, match=message):
        ENGINES[engine](network, "float32")


def test_unknown_architecture_is_refused():
    network = network_of(build_resunet(filters=(4, 8)))
    with pytest.raises(DataError, match=r"preset mine: unknown architecture 'os\.system'; known are resunet, unet"):
        openvino.build(Network("mine", {"name": "os.system"}, network.weights))


def test_weights_that_were_trained_meanwhile_are_those_that_predict(phantom):
    segmenter = load_pretrained("resunet-lgg-small")
    before = segmenter.predict(phantom).probabilities
    logits = segmenter.model.get_layer("logits")
    logits.set_weights([-weight for weight in logits.get_weights()])
    after = segmenter.predict(phantom)
    assert after.engine == "openvino"
    assert np.abs(after.probabilities - before).max() > 0.1
    expected = segmenter.predict(phantom, engine="keras").probabilities
    np.testing.assert_allclose(after.probabilities, expected, atol=1e-4)


def test_a_model_of_another_architecture_runs_on_keras_alone(phantom):
    inputs = keras.Input((None, None, 3))
    segmenter = Segmenter(
        keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs)), Preprocessing(32)
    )
    assert segmenter.predict(phantom).engine == "keras"
    with pytest.raises(ValueError, match="engine must be 'auto' or 'keras' for a model of other layers"):
        segmenter.predict(phantom, engine="openvino")


def build_plain(
    input_shape=(None, None, 3),
    classes=1,
    filters=(4, 8),
    activation="sigmoid",
    dropout=0.0,
    normalization="batch",
):
    """A builder as CONTRIBUTING asks for, of names as the released ones have, that ``topology`` does not describe."""
    inputs = x = keras.Input(input_shape, name="images")
    for width, block in zip(filters, ("encoder_1", "bottleneck"), strict=True):
        for step in (1, 2):
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=f"{block}_conv_{step}")(x)
    x = keras.layers.Conv2D(classes, 1, name="logits")(x)
    return keras.Model(inputs, keras.layers.Activation(activation, name="probabilities")(x), name="plain")


@pytest.fixture
def added(monkeypatch):
    """An architecture that was added as CONTRIBUTING says."""
    for table in (architecture.ARCHITECTURES, architecture.BUILDERS):
        monkeypatch.setitem(table, "plain", build_plain)
    return Segmenter(build_plain(), Preprocessing(32), name="mine")


@pytest.mark.parametrize("from_disk", [False, True])
def test_an_added_architecture_runs_on_keras(added, phantom, tmp_path, from_disk):
    segmenter = load_pretrained(added.save(tmp_path / "mine")) if from_disk else added
    found = segmenter.predict(phantom)
    assert (found.engine, found.precision) == ("keras", "float32")
    expected = added.predict(phantom, engine="keras")
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    for engine in ("openvino", "onnxruntime"):
        with pytest.raises(
            ValueError, match="engine must be 'auto' or 'keras' for the architecture 'plain', which only K"
        ):
            segmenter.predict(phantom, engine=engine)


def test_an_added_architecture_is_exported_by_keras_alone(added, tmp_path):
    described = added.export(tmp_path / "mine", format="saved_model").with_suffix(".json").read_text()
    assert json.loads(described)["multiple"] == 1
    with pytest.raises(
        ValueError, match="format must be 'litert' or 'saved_model' for the architecture 'plain'; got 'onnx'"
    ):
        added.export(tmp_path / "other.onnx", format="onnx")


def test_a_classifier_of_slices_is_no_segmenter(phantom):
    with pytest.raises(
        ValueError, match=r"model must be one of one output channel, .* got an output of shape \(None, 1\)"
    ):
        Segmenter(build_classifier(filters=(4, 8)), Preprocessing(32)).predict(phantom)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "tensorrt"}, "engine must be one of 'auto', 'keras', 'openvino', 'onnxruntime'; got 'tensorrt'"),
        ({"precision": "int4"}, "precision must be one of None, 'float32', 'int8'; got 'int4'"),
        ({"engine": "keras", "precision": "int8"}, "precision must be 'float32' for the engine keras; got 'int8'"),
        ({"precision": "int8"}, "precision must be 'float32' for segmenter, of whose weights there is no quantization"),
    ],
)
def test_what_no_engine_can_do_is_refused(options, message, phantom):
    with pytest.raises(ValueError, match=message):
        Segmenter(build_resunet(filters=(4, 8)), Preprocessing(32)).predict(phantom, **options)


def test_prediction_imports_neither_tensorflow_nor_keras(tmp_path):
    script = (
        "import sys\n"
        "import nibabel, numpy\n"
        "from braintumorseg import load_pretrained, make_study, write_segmentation\n"
        "study = make_study(seed=0, shape=(4, 96, 96))\n"
        "found = load_pretrained('resunet-lgg').predict(study)\n"
        "write_segmentation(found, 'mask.nii.gz')\n"
        "from braintumorseg.cli import main\n"
        "flair = study.sequence('flair').transpose(2, 1, 0)\n"
        "nibabel.save(nibabel.Nifti1Image(flair, numpy.diag([2.5, 2.5, 5.5, 1])), 'study.nii.gz')\n"
        "sys.argv = ['braintumorseg', 'predict', 'study.nii.gz', '-o', 'out']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print([name for name in ('tensorflow', 'keras', 'torch', 'jax') if name in sys.modules], found.engine)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[] openvino"
