import keras
import numpy as np
import pytest

from braintumorseg.models import build_unet
from braintumorseg.training.statistics import measure_statistics

BATCHES = list(np.random.default_rng(0).normal(3, 2, (5, 4, 8, 8, 2)).astype("float32"))


def model():
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 2))
    first = keras.layers.BatchNormalization(momentum=0.9)(images)
    return keras.Model(images, keras.layers.BatchNormalization()(keras.layers.Conv2D(3, 1)(first)))


def test_means_over_batches_of_what_the_weights_give():
    """The second layer sees what the first one makes of a batch with that batch's own statistics, as in training."""
    measured = model()
    measure_statistics(measured, iter(BATCHES))
    _, first, convolution, second = measured.layers
    kernel, bias = (np.asarray(weight, np.float64) for weight in convolution.weights)
    inputs, outputs = [], []
    for batch in np.array(BATCHES, np.float64):
        mean, variance = batch.mean((0, 1, 2)), batch.var((0, 1, 2))
        inputs.append((mean, variance))
        after = (batch - mean) / np.sqrt(variance + first.epsilon) @ kernel[0, 0] + bias
        outputs.append((after.mean((0, 1, 2)), after.var((0, 1, 2))))
    for layer, expected in ((first, inputs), (second, outputs)):
        mean, variance = np.mean(expected, axis=0)
        np.testing.assert_allclose(layer.moving_mean, mean, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)
    assert (first.momentum, second.momentum) == (0.9, 0.99)


def test_weights_stay_what_they_were():
    measured = build_unet((None, None, 2), filters=(4, 8))
    before = [weight.numpy().copy() for weight in measured.trainable_variables]
    measure_statistics(measured, BATCHES)
    for one, other in zip(before, measured.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_normalisations_hold_no_statistics():
    measured = build_unet((None, None, 2), filters=(4, 8), normalization="group")
    before = [weight.numpy().copy() for weight in measured.variables]
    measure_statistics(measured, [])
    for one, other in zip(before, measured.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_batches_there_is_nothing_to_measure():
    with pytest.raises(ValueError, match="batches must be at least one; got none"):
        measure_statistics(model(), [])
