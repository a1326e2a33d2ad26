"""Each class of layers, and networks of them that no engine was written for, compute on every engine what they do in Keras."""

import keras
import numpy as np
import pytest
from keras import layers

import architectures
from architectures import drawn, network_of, with_weights
from braintumorseg import Preprocessing, Segmenter, load_pretrained, make_study
from braintumorseg.models import graph_of
from braintumorseg.models.layers import ACTIVATIONS, KINDS
from braintumorseg.runtimes import onnxruntime, openvino
from braintumorseg.runtimes.keras import run_eagerly

ENGINES = {"openvino": openvino.Runner, "onnxruntime": onnxruntime.Runner}
CHANNELS = 6


def differences(model, stack):
    """The largest difference of each engine from Keras, from a model and from one that was built of its graph."""
    network = network_of(model)
    expected = run_eagerly(model, stack)
    assert np.ptp(expected) > 1e-3
    found = {name: engine(network, "float32")(stack, 2) for name, engine in ENGINES.items()}
    found["rebuilt"] = run_eagerly(network(), stack)
    return {name: np.abs(each - expected).max() for name, each in found.items()}


def alone(*made):
    """A model of the layers given, one after the other, of any size of image."""
    inputs = x = keras.Input((None, None, CHANNELS))
    for layer in made:
        x = layer(x)
    return keras.Model(inputs, x)


def merged(layer, count=2):
    inputs = keras.Input((None, None, CHANNELS))
    return keras.Model(inputs, layer([inputs, *(layers.Conv2D(CHANNELS, 1)(inputs) for _ in range(count - 1))]))


def squeezed(*made, keepdims=False):
    """Layers on the pooled image, which then weigh the image."""
    inputs = keras.Input((None, None, CHANNELS))
    x = layers.GlobalAveragePooling2D(keepdims=keepdims)(inputs)
    for layer in made:
        x = layer(x)
    return keras.Model(inputs, layers.Multiply()([inputs, x]))


def operations():
    inputs = keras.Input((None, None, CHANNELS))
    x = keras.ops.sigmoid((2.0 - inputs) * 3.0 - 0.5) / 4.0 + inputs
    return keras.Model(inputs, keras.ops.maximum(x, inputs - x) * inputs)


ONE_LAYER = {
    "Conv2D": lambda: alone(layers.Conv2D(4, 3, padding="same")),
    "Conv2D even": lambda: alone(layers.Conv2D(4, (4, 2), padding="same", use_bias=False)),
    "Conv2D strided": lambda: alone(layers.Conv2D(4, 3, strides=2, padding="same"), layers.UpSampling2D()),
    "Conv2D strides": lambda: alone(layers.Conv2D(4, 5, (4, 2), "same"), layers.UpSampling2D((4, 2))),
    "Conv2D strided 1x1": lambda: alone(layers.Conv2D(4, 1, strides=2, padding="same"), layers.UpSampling2D()),
    "Conv2D strided valid": lambda: alone(layers.Conv2D(4, 2, strides=2), layers.UpSampling2D()),
    "Conv2D valid": lambda: alone(layers.ZeroPadding2D(2), layers.Conv2D(4, 5, activation="tanh")),
    "Conv2D dilated": lambda: alone(layers.Conv2D(4, 3, padding="same", dilation_rate=(2, 3))),
    "Conv2D groups": lambda: alone(layers.Conv2D(4, 3, padding="same", groups=2)),
    "DepthwiseConv2D": lambda: alone(layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)),
    "DepthwiseConv2D strided": lambda: alone(
        layers.DepthwiseConv2D(3, 2, padding="same", use_bias=False), layers.UpSampling2D()
    ),
    "DepthwiseConv2D dilated": lambda: alone(layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)),
    "SeparableConv2D": lambda: alone(layers.SeparableConv2D(4, 3, padding="same", depth_multiplier=2)),
    "Conv2DTranspose": lambda: alone(layers.MaxPooling2D(), layers.Conv2DTranspose(4, 2, strides=2)),
    "Conv2DTranspose 3": lambda: alone(layers.MaxPooling2D(), layers.Conv2DTranspose(4, 3, 2, "same")),
    "Conv2DTranspose 4": lambda: alone(layers.MaxPooling2D(), layers.Conv2DTranspose(4, 4, 2, "same")),
    "Conv2DTranspose 5": lambda: alone(layers.MaxPooling2D(3), layers.Conv2DTranspose(4, 5, 3, "same")),
    "Conv2DTranspose small": lambda: alone(layers.MaxPooling2D(3), layers.Conv2DTranspose(4, 2, 3, "same")),
    "Conv2DTranspose valid": lambda: alone(
        layers.MaxPooling2D(), layers.Conv2DTranspose(4, 3, 2), layers.Cropping2D(((0, 1), (1, 0)))
    ),
    "Conv2DTranspose small valid": lambda: alone(layers.MaxPooling2D(3), layers.Conv2DTranspose(4, 2, 3)),
    "Conv2DTranspose stride 1": lambda: alone(layers.Conv2DTranspose(4, 3, padding="same", activation="elu")),
    "Dense": lambda: squeezed(layers.Dense(CHANNELS, activation="softmax"), layers.Reshape((1, 1, CHANNELS))),
    "Dense of pixels": lambda: alone(layers.Dense(4, use_bias=False)),
    "UpSampling2D": lambda: alone(layers.MaxPooling2D((2, 3)), layers.UpSampling2D((2, 3))),
    "UpSampling2D bilinear": lambda: alone(layers.MaxPooling2D(2), layers.UpSampling2D(2, interpolation="bilinear")),
    "UpSampling2D bilinear 4": lambda: alone(layers.MaxPooling2D(4), layers.UpSampling2D(4, interpolation="bilinear")),
    "MaxPooling2D": lambda: alone(layers.MaxPooling2D(3, 2, "same"), layers.UpSampling2D()),
    "MaxPooling2D stride 1": lambda: alone(layers.MaxPooling2D(3, 1, "same")),
    "MaxPooling2D 4": lambda: alone(layers.MaxPooling2D((4, 2)), layers.UpSampling2D((4, 2))),
    "AveragePooling2D": lambda: alone(layers.AveragePooling2D(3, 2, "same"), layers.UpSampling2D()),
    "AveragePooling2D stride 1": lambda: alone(layers.AveragePooling2D(3, 1, "same")),
    "AveragePooling2D valid": lambda: alone(layers.AveragePooling2D(2), layers.UpSampling2D()),
    "GlobalAveragePooling2D": lambda: squeezed(layers.Reshape((1, 1, CHANNELS))),
    "GlobalAveragePooling2D keepdims": lambda: squeezed(keepdims=True),
    "GlobalMaxPooling2D": lambda: merged_pool(),
    "BatchNormalization": lambda: alone(layers.BatchNormalization(axis=3, epsilon=1e-2)),
    "BatchNormalization folded": lambda: alone(layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()),
    "BatchNormalization after relu": lambda: alone(
        layers.Conv2D(4, 1, activation="relu"), layers.BatchNormalization(center=False)
    ),
    "BatchNormalization depthwise": lambda: alone(
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2), layers.BatchNormalization(scale=False)
    ),
    "BatchNormalization transposed": lambda: alone(
        layers.Conv2DTranspose(4, 3, padding="same"), layers.BatchNormalization(center=False, scale=False)
    ),
    "LayerNormalization": lambda: alone(layers.LayerNormalization()),
    "LayerNormalization bare": lambda: alone(layers.LayerNormalization(center=False, scale=False, epsilon=0.1)),
    "GroupNormalization": lambda: alone(layers.GroupNormalization(3)),
    "GroupNormalization instance": lambda: alone(layers.GroupNormalization(-1, center=False)),
    "UnitNormalization": lambda: alone(layers.UnitNormalization()),
    "Normalization": lambda: alone(layers.Normalization()),
    **{f"Activation {name}": lambda name=name: alone(layers.Activation(name)) for name in ACTIVATIONS},
    "ReLU": lambda: alone(layers.ReLU()),
    "ReLU 6": lambda: alone(layers.ReLU(1.5)),
    "ReLU leaky": lambda: alone(layers.ReLU(negative_slope=0.2)),
    "ReLU all": lambda: alone(layers.ReLU(max_value=1.0, negative_slope=0.2, threshold=0.5)),
    "ReLU threshold": lambda: alone(layers.ReLU(threshold=0.5)),
    "LeakyReLU": lambda: alone(layers.LeakyReLU(0.1)),
    "PReLU": lambda: alone(layers.PReLU(shared_axes=[1, 2])),
    "ELU": lambda: alone(layers.ELU(0.7)),
    "Softmax": lambda: alone(layers.Softmax()),
    "Dropout": lambda: alone(layers.Dropout(0.5)),
    "SpatialDropout2D": lambda: alone(layers.SpatialDropout2D(0.5)),
    "GaussianNoise": lambda: alone(layers.GaussianNoise(0.5)),
    "GaussianDropout": lambda: alone(layers.GaussianDropout(0.5)),
    "Identity": lambda: alone(layers.Identity()),
    "ZeroPadding2D": lambda: alone(layers.ZeroPadding2D(((1, 0), (2, 3))), layers.Cropping2D(((0, 1), (5, 0)))),
    "Cropping2D": lambda: alone(layers.ZeroPadding2D(3), layers.Cropping2D(((1, 5), (0, 6)))),
    "Rescaling": lambda: alone(layers.Rescaling(2, offset=[0.1 * number for number in range(CHANNELS)])),
    "Reshape": lambda: squeezed(layers.Dense(CHANNELS), layers.Reshape((1, 1, CHANNELS)), layers.Conv2D(1, 1)),
    "Add": lambda: merged(layers.Add(), 3),
    "Subtract": lambda: merged(layers.Subtract()),
    "Multiply": lambda: merged(layers.Multiply(), 4),
    "Average": lambda: merged(layers.Average(), 3),
    "Maximum": lambda: merged(layers.Maximum()),
    "Minimum": lambda: merged(layers.Minimum(), 3),
    "Concatenate": lambda: merged(layers.Concatenate(), 3),
    "operations": operations,
}


def merged_pool():
    inputs = keras.Input((None, None, CHANNELS))
    pooled = layers.Concatenate()([layers.GlobalMaxPooling2D()(inputs), layers.GlobalAveragePooling2D()(inputs)])
    weight = layers.Reshape((1, 1, CHANNELS))(layers.Dense(CHANNELS)(layers.LayerNormalization()(pooled)))
    return keras.Model(inputs, layers.Add()([inputs, weight]))


def test_every_kind_of_layer_is_tried():
    assert {name.split()[0] for name in ONE_LAYER} - {"operations"} == KINDS.keys() - {"InputLayer"}


@pytest.mark.parametrize("name", ONE_LAYER)
def test_one_layer_is_that_of_keras(name):
    model = with_weights(ONE_LAYER[name]())
    # Small sides, at which most pixels are near a border, and of which some are no multiple of the strides.
    assert max(differences(model, drawn(9, 12, channels=CHANNELS)).values()) < 1e-4


@pytest.mark.parametrize("build", architectures.BUILDS, ids=lambda build: build.__name__)
def test_an_architecture_of_ones_own_is_that_of_keras(build):
    model = with_weights(build())
    found = differences(model, drawn(40, 33, channels=model.input_shape[-1]))
    assert max(found.values()) < 1e-4, found


@pytest.mark.parametrize("build", architectures.BUILDS, ids=lambda build: build.__name__)
def test_an_architecture_of_ones_own_is_a_preset(build, tmp_path):
    model = with_weights(build())
    sequences = ("t1", "flair", "t1ce")[-model.input_shape[-1] :]
    segmenter = Segmenter(model, Preprocessing(size=32, sequences=sequences), name="mine")
    loaded = load_pretrained(segmenter.save(tmp_path / "mine"))
    assert loaded.network().graph == graph_of(model)
    assert loaded.fingerprint() == segmenter.fingerprint()
    if model.output_shape[-1] > 1:
        return
    study = make_study(seed=0, shape=(3, 48, 40))
    expected = segmenter.predict(study, engine="keras").probabilities
    assert np.ptp(expected) > 1e-3
    for engine in ENGINES:
        found = loaded.predict(study, engine=engine).probabilities
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
