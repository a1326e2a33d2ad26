import keras
import pytest

from braintumorseg import build_resunet, build_unet
from braintumorseg.models import ARCHITECTURES, architecture_of

OPTIONS = [
    {},
    {"filters": (4, 8, 16), "attention": True, "pooling": "stride"},
    {"filters": (4, 8), "normalization": "group", "pooling": "stride"},
    {"filters": (4, 8), "classes": 3, "activation": "softmax"},
    {"filters": (4, 8, 9), "activation": None, "dropout": 0.1, "normalization": "group", "input_shape": (32, 64, 2)},
    {"filters": (3, 5)},  # as many filters as channels: the residual block has no shortcut of its own
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_builds_the_same_model(name, options):
    model = ARCHITECTURES[name](**options)
    architecture = architecture_of(model)
    assert architecture.pop("name") == name
    assert ARCHITECTURES[name](**architecture).get_config()["layers"] == model.get_config()["layers"]
    for key, value in options.items():
        assert architecture[key] == (list(value) if isinstance(value, tuple) else value)


def test_a_model_that_keras_saved_has_one_too(tmp_path):
    model = build_resunet(filters=(4, 8), dropout=0.2, classes=2)
    model.save(tmp_path / "model.keras")
    assert architecture_of(keras.models.load_model(tmp_path / "model.keras")) == architecture_of(model)


def test_training_changes_nothing_of_it():
    model, policy = build_unet(filters=(4, 8)), keras.mixed_precision.dtype_policy()
    expected = architecture_of(model)
    model.layers[1].trainable = False
    assert architecture_of(model) == expected
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        assert architecture_of(build_unet(filters=(4, 8))) == expected
    finally:
        keras.mixed_precision.set_dtype_policy(policy)


def lookalike(name):
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.Conv2D(1, 1, name="logits")(inputs), name=name)


def leaky():
    """The layers of a U-Net, with another activation."""

    def change(layer):
        return keras.layers.LeakyReLU(name=layer.name) if isinstance(layer, keras.layers.ReLU) else layer

    return keras.models.clone_model(build_unet(filters=(4, 8)), clone_function=change)


@pytest.mark.parametrize("make", [lambda: lookalike("unet"), lambda: lookalike("mine"), leaky])
def test_other_models_are_refused(make):
    with pytest.raises(ValueError, match=r"model must be one that build_resunet, build_unet built; got another model"):
        architecture_of(make())
