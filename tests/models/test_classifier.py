import keras
import numpy as np
import pytest

from braintumorseg import build_resunet, build_unet
from braintumorseg.models import build_classifier


def trainable(model):
    """Weights of the backbone that are trained."""
    return sum(
        int(np.prod(each.shape)) for each in model.trainable_weights if not each.path.startswith("probabilities")
    )


@pytest.mark.parametrize(
    ("backbone", "parameters"),
    [
        ("resnet18", 11_176_512),  # of the published network, 11,689,512, without its 512 x 1000 + 1000 of the head
        ("resnet50", 23_508_032),  # of 25,557,032, without 2048 x 1000 + 1000
    ],
)
def test_residual_networks_have_the_published_size(backbone, parameters):
    model = build_classifier(backbone)
    assert trainable(model) == parameters
    assert model.output_shape == (None, 1)


@pytest.mark.parametrize("backbone", ["encoder", "resnet18", "resnet50"])
def test_output_is_a_probability_for_any_size(backbone):
    model = build_classifier(backbone, filters=(4, 8))
    images = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype("float32")
    output = np.asarray(model(images))
    assert output.shape == (2, 1)
    assert ((output >= 0) & (output <= 1)).all()
    softmax = build_classifier(backbone, filters=(4, 8), classes=3)
    np.testing.assert_allclose(np.asarray(softmax(images)).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_encoder_takes_over_a_resunet_s_weights(normalization):
    keras.utils.set_random_seed(0)
    trained = build_resunet(filters=(4, 8, 16), normalization=normalization)
    model = build_classifier(filters=(4, 8, 16), normalization=normalization, weights=trained)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    expected = keras.Model(trained.input, trained.get_layer("bottleneck_relu_2").output)(images)
    found = keras.Model(model.input, model.get_layer("bottleneck_relu_2").output)(images)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-6)
    pooled = np.asarray(keras.Model(model.input, model.get_layer("pooled").output)(images))
    np.testing.assert_allclose(pooled[:, :16], np.asarray(expected).max(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(pooled[:, 16:], np.asarray(expected).mean(axis=(1, 2)), atol=1e-6)


def test_opens_in_plain_keras(tmp_path):
    model = build_classifier(filters=(4, 8), dropout=0.2)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    images = np.zeros((1, 16, 16, 3), "float32")
    np.testing.assert_array_equal(again(images), model(images))


def test_a_step_of_training_changes_all_weights():
    keras.utils.set_random_seed(0)
    model = build_classifier(filters=(4, 8))
    model.compile("adam", "binary_crossentropy")
    before = {weight.path: np.asarray(weight).copy() for weight in model.trainable_weights}
    random = np.random.default_rng(0)
    model.train_on_batch(random.normal(size=(4, 16, 16, 3)), random.integers(0, 2, (4, 1)))
    assert [
        path for path, value in before.items() if np.array_equal(value, {w.path: w for w in model.weights}[path])
    ] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "vgg"}, "backbone must be one of"),
        ({"input_shape": (None, None, None)}, "input_shape must be"),
        ({"classes": 0}, "classes must be an integer of at least 1"),
        (
            {"weights": build_unet(filters=(4, 8)), "filters": (4, 8)},
            "weights must be a model with encoder_1_shortcut_conv",
        ),
        (
            {"weights": build_resunet(filters=(4, 8), pooling="stride"), "filters": (4, 8)},
            "weights must be a model of pooling='max'",
        ),
        ({"weights": build_resunet(filters=(4, 8)), "filters": (4, 16)}, "weights must be a model with bottleneck"),
        ({"weights": build_resunet(filters=(4, 8)), "backbone": "resnet18"}, "weights must be None for this backbone"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_classifier(**arguments)
