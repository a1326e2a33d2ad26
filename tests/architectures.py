"""Segmenters that no engine was written for, tiny: as users build them, in plain Keras."""

import keras
import numpy as np
from keras import layers

from braintumorseg.models import graph_of
from braintumorseg.runtimes.network import Network, weights_of


def images(channels=3):
    return keras.Input((None, None, channels), name="images")


def finish(inputs, x, name, classes=1):
    function = "sigmoid" if classes == 1 else "softmax"
    return keras.Model(inputs, layers.Conv2D(classes, 1, activation=function, name="mask")(x), name=name)


def block(x, filters):
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return x


def attention_unet():
    """Oktay et al. 2018: gates weigh the skip connections."""

    def gate(x, signal, filters):
        joint = layers.Add()([layers.Conv2D(filters, 1)(x), layers.Conv2D(filters, 1)(signal)])
        weight = layers.Conv2D(1, 1, activation="sigmoid")(layers.Activation("relu")(joint))
        return layers.Multiply()([x, weight])  # one channel weighs all

    inputs = images()
    skips, x = [], inputs
    for filters in (4, 8):
        skips.append(block(x, filters))
        x = layers.MaxPooling2D()(skips[-1])
    x = block(x, 12)
    for filters, skip in zip((8, 4), reversed(skips), strict=True):
        up = layers.UpSampling2D(interpolation="bilinear")(x)
        x = block(layers.Concatenate()([gate(skip, up, filters), up]), filters)
    return finish(inputs, x, "attention_unet")


def unet_plus_plus():
    """Zhou et al. 2018: nested, dense skip connections."""
    inputs = images()
    depth, filters = 3, (4, 6, 8)
    nodes = {}
    for column in range(depth):
        for row in range(depth - column):
            if column:
                up = layers.Conv2DTranspose(filters[row], 3, strides=2, padding="same")(nodes[row + 1, column - 1])
                x = layers.Concatenate()([*(nodes[row, before] for before in range(column)), up])
            else:
                x = layers.AveragePooling2D(2)(nodes[row - 1, 0]) if row else inputs
            x = layers.Conv2D(filters[row], 3, padding="same", use_bias=False)(x)
            nodes[row, column] = layers.Activation("silu")(layers.BatchNormalization()(x))
    mean = layers.Average()([nodes[0, 1], nodes[0, 2]])
    return finish(inputs, mean, "unet_plus_plus", classes=3)


def mobilenet_unet():
    """An encoder of keras.applications with a decoder."""
    encoder = keras.applications.MobileNetV2(input_shape=(None, None, 3), alpha=0.35, include_top=False, weights=None)
    x = encoder.get_layer("block_6_project_BN").output
    for name, factor in (("block_3_project_BN", 2), ("expanded_conv_project_BN", 4)):
        joint = layers.Concatenate()([layers.UpSampling2D(factor)(x), encoder.get_layer(name).output])
        x = layers.Conv2D(8, 3, padding="same", activation="relu6")(joint)
    return finish(encoder.input, layers.UpSampling2D(2)(x), "mobilenet_unet")


def separable_net():
    """Depthwise and separable convolutions, with strides, and layer normalisation."""
    inputs = images(2)
    x = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2, activation="gelu")(inputs)
    skip = layers.LayerNormalization()(x)
    x = layers.DepthwiseConv2D(5, strides=2, padding="same", use_bias=False)(skip)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.Conv2D(12, 3, padding="same", groups=4, activation="hard_swish")(x)
    x = layers.Conv2DTranspose(8, 2, strides=2)(x)
    return finish(inputs, layers.Maximum()([x, skip]), "separable_net")


def dilated_net():
    """Dilated convolutions at full size, with PReLU and group normalisation."""
    inputs = images()
    x = layers.Conv2D(8, 3, padding="same")(inputs)
    for dilation in (1, 2, 4):
        y = layers.Conv2D(8, 3, padding="same", dilation_rate=dilation)(x)
        y = layers.PReLU(shared_axes=[1, 2])(layers.GroupNormalization(4)(y))
        x = layers.Add()([x, layers.SpatialDropout2D(0.1)(y)])
    return finish(inputs, x, "dilated_net")


def efficient_net():
    """Inverted residual blocks with squeeze and excite, as EfficientNet has, and its way to rescale the input."""
    inputs = images()
    x = layers.Normalization()(layers.Rescaling(0.5, offset=0.1)(inputs))
    skip = layers.Conv2D(8, 3, padding="same", activation="swish")(x)
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(skip)
    x = layers.DepthwiseConv2D(3, strides=2, padding="valid", use_bias=False)(x)
    x = layers.Activation("swish")(layers.BatchNormalization()(x))
    squeezed = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
    squeezed = layers.Conv2D(2, 1, activation="swish")(squeezed)
    x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(squeezed)])
    dense = layers.Dense(8, activation="hard_sigmoid")(layers.GlobalMaxPooling2D(keepdims=True)(x))
    x = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(layers.Conv2D(8, 1)(layers.Multiply()([x, dense])))
    x = layers.Add()([layers.UpSampling2D()(x), skip])
    return finish(inputs, (keras.ops.relu(x + 3.0) * (1 / 6)), "efficient_net")


BUILDS = (attention_unet, unet_plus_plus, mobilenet_unet, separable_net, dilated_net, efficient_net)


def with_weights(model, seed=0):
    """Give a model weights that leave no layer without effect, and variances above 0."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.path.endswith("seed_generator_state") or variable.path.endswith("count"):
            continue
        fan = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 1
        low = random.uniform(0.5, 1.5, variable.shape)
        variable.assign(low if len(variable.shape) == 1 else random.normal(0, 1 / np.sqrt(fan), variable.shape))
    for layer in model.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return model


def network_of(model):
    return Network("mine", graph_of(model), weights_of(model))


def drawn(height, width, count=2, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, height, width, channels)).astype(np.float32)
