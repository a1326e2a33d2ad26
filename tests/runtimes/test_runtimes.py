"""Every engine computes what the Keras model does."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from braintumorseg import DataError, Preprocessing, Segmenter, build_resunet, build_unet, load_pretrained
from braintumorseg.models import build_classifier, graph_of
from braintumorseg.runtimes import onnxruntime, openvino
from braintumorseg.runtimes.keras import run
from braintumorseg.runtimes.network import Network, weights_of

ENGINES = {"openvino": openvino.Runner, "onnxruntime": onnxruntime.Runner}
BUILDS = [
    (build_resunet, {"filters": (4, 6, 8), "attention": True, "pooling": "stride", "dropout": 0.1}),
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
    return Network("mine", graph_of(model), weights_of(model))


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


class Halved(keras.layers.Layer):
    """A layer of one's own."""

    def call(self, inputs):
        return inputs / 2


def other(x):
    return Halved(name="halved")(x)


def nested(x):
    inner = keras.Input((None, None, 3))
    return keras.Model(inner, keras.layers.Conv2D(3, 1)(inner), name="inner")(x)


def shared(x):
    layer = keras.layers.Conv2D(3, 1, name="shared")
    return layer(layer(x))


OTHERS = [
    (other, "the layer 'halved' must be of a class that presets can hold .*; got 'Halved'"),
    (
        lambda x: keras.layers.Lambda(lambda x: x / 2, name="function")(x),
        "the layer 'function' must be of a class that presets can hold .*; got 'Lambda'",
    ),
    (nested, r"the layer 'inner' must be .*; got 'Functional', a model in the model \(take its layers' outputs"),
    (shared, "the layer 'shared' must be called once"),
    (
        keras.layers.UpSampling2D(1, interpolation="bicubic", name="up"),
        "interpolation of the layer 'up' must be one of",
    ),
    (keras.layers.Permute((2, 1, 3), name="turned"), "the layer 'turned' must be of a class that presets can hold"),
]


@pytest.mark.parametrize(("change", "message"), OTHERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_model_of_another_layer_runs_on_keras_alone(change, message, phantom, tmp_path):
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Conv2D(1, 1, activation="sigmoid")(change(inputs))
    segmenter = Segmenter(keras.Model(inputs, outputs), Preprocessing(32))
    assert segmenter.predict(phantom).engine == "keras"
    for engine in ("openvino", "onnxruntime"):
        with pytest.raises(
            ValueError, match=rf"^engine must be 'auto' or 'keras' for .* can run \({message}.*got '{engine}'$"
        ):
            segmenter.predict(phantom, engine=engine)
    for write in (segmenter.save, lambda path: segmenter.export(path / "x.onnx", format="onnx")):
        with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
            write(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []
    assert len(segmenter.fingerprint()) == 64


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
