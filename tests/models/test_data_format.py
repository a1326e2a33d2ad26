"""Channels come last, whatever Keras's configuration says, and what has them first is named."""

import keras
import numpy as np
import pytest

from braintumorseg import build_resunet, build_unet, load_pretrained
from braintumorseg.losses import Dice
from braintumorseg.models import build_classifier

BUILDS = {
    "unet": lambda **options: build_unet(filters=(4, 8), dropout=0.1, **options),
    "resunet": lambda **options: build_resunet(filters=(4, 8), normalization="group", **options),
    "encoder": lambda **options: build_classifier(filters=(4, 8), **options),
    "resnet18": lambda **options: build_classifier("resnet18", **options),
}


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_another_data_format_builds_the_same_network(build):
    def layers(model):
        return [(type(layer), layer.get_config()) for layer in model.layers]

    expected = build()
    keras.config.set_image_data_format("channels_first")
    try:
        model = build()
    finally:
        keras.config.set_image_data_format("channels_last")

    seeds = {"seed", "kernel_initializer", "bias_initializer"}  # initialisers hold seeds of their own
    for (kind, config), (other_kind, other) in zip(layers(expected), layers(model), strict=True):
        assert kind is other_kind
        assert {key: value for key, value in config.items() if key not in seeds} == {
            key: value for key, value in other.items() if key not in seeds
        }
    assert model.output_shape == expected.output_shape
    model.set_weights(expected.get_weights())
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(model(images), expected(images), atol=1e-6)


def test_a_preset_predicts_under_another_data_format(channels_first):
    model = load_pretrained("unet-lgg").model

    assert model(np.zeros((1, 32, 32, 3), "float32")).shape == (1, 32, 32, 1)


def test_a_saved_model_opens_under_another_data_format(tmp_path):
    model = build_unet(filters=(4, 8))
    model.save(tmp_path / "model.keras")
    keras.config.set_image_data_format("channels_first")
    try:
        loaded = keras.models.load_model(tmp_path / "model.keras")
    finally:
        keras.config.set_image_data_format("channels_last")

    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(loaded(images), model(images), atol=1e-6)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 64, 64), (3, None, None)])
def test_an_input_shape_with_channels_first_is_named(build, shape):
    with pytest.raises(
        ValueError, match=r"input_shape must be \(height, width, channels\).* whose channels come first"
    ):
        build(input_shape=shape)


def test_images_with_channels_first_are_named():
    """By Keras, which knows the channels of the input."""
    with pytest.raises(ValueError, match=r"expected shape=\(None, None, None, 3\), found shape=\(2, 3, 32, 32\)"):
        build_unet(filters=(4, 8)).predict(np.zeros((2, 3, 32, 32), "float32"), verbose=0)


def test_masks_with_classes_first_are_named():
    with pytest.raises(ValueError, match=r"classes come last.*np\.moveaxis\(mask, 1, -1\)"):
        Dice()(np.zeros((2, 1, 32, 32), "float32"), np.zeros((2, 32, 32, 1), "float32"))
