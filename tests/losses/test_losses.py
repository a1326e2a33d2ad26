import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from braintumorseg import losses
from serialization import check_round_trip

BACKEND = keras.backend.backend()
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="about TensorFlow's own machinery")

FUNCTIONS = [losses.dice, losses.jaccard, losses.tversky, losses.focal_tversky]
CLASSES = [losses.Dice, losses.Jaccard, losses.Tversky, losses.FocalTversky, losses.BinaryFocal]

masks = hnp.arrays(np.int8, (3, 4, 5, 1), elements=st.integers(0, 1)).map(lambda mask: mask.astype(np.float32))
shares = hnp.arrays(np.float32, (3, 4, 5, 1), elements=st.floats(0, 1, width=16))


def values(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), np.float64)


def gradient(function, point):
    """The gradient of the summed function at an array, on whichever backend runs."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(point)
        with tf.GradientTape() as tape:
            total = ops.sum(function(variable))
        return tape.gradient(total, variable).numpy()
    if BACKEND == "jax":
        import jax

        return np.asarray(jax.grad(lambda array: ops.sum(function(array)))(ops.convert_to_tensor(point)))
    import torch

    tensor = torch.tensor(point, requires_grad=True)
    ops.sum(function(tensor)).backward()
    return tensor.grad.numpy()


def reference(y_true, y_pred, alpha, beta, gamma=1.0, empty=100.0):
    """One sample and class after another, in float64, as the papers write it."""
    result = []
    for truth, prediction in zip(y_true.astype(np.float64), y_pred.astype(np.float64), strict=True):
        per_class = []
        for channel in range(truth.shape[-1]):
            t, p = truth[..., channel], prediction[..., channel]
            tp, fp, fn = (t * p).sum(), ((1 - t) * p).sum(), (t * (1 - p)).sum()
            per_class.append(1 - tp / (tp + alpha * fp + beta * fn) if t.sum() else fp / (fp + empty))
        result.append(np.mean(per_class) ** (1 / gamma))
    return np.array(result)


def focal_reference(y_true, y_pred, alpha=0.25, gamma=2.0):
    """Lin et al. 2017, equation 5, in float64."""
    t, p = y_true.astype(np.float64), y_pred.astype(np.float64)
    pixels = alpha * t * (1 - p) ** gamma * np.log(p) + (1 - alpha) * (1 - t) * p**gamma * np.log(1 - p)
    return -pixels.mean(axis=tuple(range(1, p.ndim)))


REFERENCES = {
    losses.dice: lambda truth, guess: reference(truth, guess, 0.5, 0.5),
    losses.jaccard: lambda truth, guess: reference(truth, guess, 1, 1),
    losses.tversky: lambda truth, guess: reference(truth, guess, 0.3, 0.7),
    losses.focal_tversky: lambda truth, guess: reference(truth, guess, 0.3, 0.7, 4 / 3),
    losses.binary_focal: focal_reference,
}


# --- by hand --------------------------------------------------------------------------------------------------------

# One image of 4 pixels: TP 0.9, FP 0.4, FN 0.1 of the first truth pixel and 0.7 of the second, TP 0.3 of the second.
TRUTH = np.array([1, 1, 0, 0], np.float32).reshape(1, 2, 2, 1)
GUESS = np.array([0.9, 0.3, 0.4, 0.0], np.float32).reshape(1, 2, 2, 1)
TP, FP, FN = 1.2, 0.4, 0.8


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.dice, 1 - 2 * TP / (2 * TP + FP + FN)),
        (losses.jaccard, 1 - TP / (TP + FP + FN)),
        (losses.tversky, 1 - TP / (TP + 0.3 * FP + 0.7 * FN)),
        (losses.focal_tversky, (1 - TP / (TP + 0.3 * FP + 0.7 * FN)) ** 0.75),
    ],
)
def test_by_hand(loss, expected):
    np.testing.assert_allclose(values(loss(TRUTH, GUESS)), [expected], atol=2e-5)


def test_focal_by_hand():
    pixels = [0.25 * 0.1**2 * np.log(0.9), 0.25 * 0.7**2 * np.log(0.3), 0.75 * 0.4**2 * np.log(0.6), 0]
    np.testing.assert_allclose(values(losses.binary_focal(TRUTH, GUESS)), [-np.mean(pixels)], rtol=1e-5)


def test_alpha_weighs_false_positives_and_beta_false_negatives():
    """Salehi et al. 2017: with alpha 0.3 and beta 0.7, a missed pixel costs more than an invented one."""
    truth = np.array([1, 1, 0, 0], np.float32).reshape(1, 4, 1)
    missed, invented = (np.array(guess, np.float32).reshape(1, 4, 1) for guess in ([1, 0, 0, 0], [1, 1, 1, 0]))
    np.testing.assert_allclose(values(losses.tversky(truth, missed)), 1 - 1 / 1.7, atol=1e-5)
    np.testing.assert_allclose(values(losses.tversky(truth, invented)), 1 - 2 / 2.3, atol=1e-5)
    np.testing.assert_allclose(values(losses.tversky(truth, missed, alpha=0.7, beta=0.3)), 1 - 1 / 1.3, atol=1e-5)


@pytest.mark.parametrize("loss", FUNCTIONS)
def test_perfect_is_0_and_wrong_everywhere_is_1(loss):
    np.testing.assert_allclose(values(loss(TRUTH, TRUTH)), 0, atol=5e-5)
    np.testing.assert_allclose(values(loss(TRUTH, 1 - TRUTH)), 1, atol=1e-5)


@pytest.mark.parametrize("loss", FUNCTIONS)
def test_truth_without_a_pixel(loss):
    """The table of the module's docstring."""
    nothing = np.zeros((1, 20, 20, 1), np.float32)
    hundred = nothing.copy()
    hundred[0, :10, :10] = 1
    power = 0.75 if loss is losses.focal_tversky else 1
    np.testing.assert_allclose(values(loss(nothing, nothing)), 0, atol=1e-6)
    np.testing.assert_allclose(values(loss(nothing, hundred)), 0.5**power, atol=5e-5)
    np.testing.assert_allclose(values(loss(nothing, hundred, empty=300.0)), 0.25**power, atol=5e-5)
    np.testing.assert_allclose(values(loss(nothing, hundred, empty=None)), 0, atol=1e-6)
    np.testing.assert_allclose(values(loss(hundred, nothing)), 1, atol=5e-5)


def test_smoothing_terms_are_those_of_the_formula():
    loss = values(losses.tversky(TRUTH, GUESS, smooth_nr=1.0, smooth_dr=1.0))
    np.testing.assert_allclose(loss, 1 - (TP + 1) / (TP + 0.3 * FP + 0.7 * FN + 1), atol=1e-6)


def test_classes_are_weighed():
    truth = np.concatenate([TRUTH, 1 - TRUTH], axis=-1)
    guess = np.concatenate([GUESS, 1 - GUESS], axis=-1)
    first, second = (values(losses.dice(truth[..., [c]], guess[..., [c]])) for c in (0, 1))
    np.testing.assert_allclose(values(losses.dice(truth, guess)), (first + second) / 2, atol=1e-6)
    weighted = values(losses.dice(truth, guess, class_weights=(3, 1)))
    np.testing.assert_allclose(weighted, (3 * first + second) / 4, atol=1e-6)


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
def test_ignored_pixels_take_no_part(loss):
    marked = TRUTH.copy()
    marked[0, 1, 0] = 255
    kept = loss(TRUTH.reshape(1, 4, 1)[:, [0, 1, 3]], GUESS.reshape(1, 4, 1)[:, [0, 1, 3]])
    np.testing.assert_allclose(values(loss(marked, GUESS, ignore=255)), values(kept), atol=1e-6)


def test_batch_counts_as_one_image():
    truth, guess = (np.concatenate([array, array[:, ::-1] * 0]) for array in (TRUTH, GUESS))
    guess[1] = 0.5
    joint = losses.dice(truth.reshape(1, 4, 2, 1), guess.reshape(1, 4, 2, 1))
    batch = values(losses.dice(truth, guess, per="batch"))
    np.testing.assert_allclose(batch, np.repeat(values(joint), 2), atol=1e-6)


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
def test_logits_are_what_a_sigmoid_takes(loss):
    logits = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype(np.float32)
    truth = (logits > 0.5).astype(np.float32)
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    np.testing.assert_allclose(
        values(loss(truth, logits, from_logits=True)), values(loss(truth, probabilities)), atol=1e-5
    )


def test_logits_of_several_classes_are_what_a_softmax_takes():
    logits = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    truth = np.eye(3, dtype=np.float32)[logits.argmax(-1)]
    probabilities = values(ops.softmax(logits)).astype(np.float32)
    np.testing.assert_allclose(
        values(losses.dice(truth, logits, from_logits=True)), values(losses.dice(truth, probabilities)), atol=1e-5
    )


def test_focal_takes_several_channels_as_independent():
    logits = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    truth = (logits > 0.5).astype(np.float32)
    each = [values(losses.binary_focal(truth[..., [c]], logits[..., [c]], from_logits=True)) for c in range(3)]
    np.testing.assert_allclose(
        values(losses.binary_focal(truth, logits, from_logits=True)), np.mean(each, 0), rtol=1e-5
    )


def test_focal_of_extreme_logits_is_finite():
    logits = np.array([1e4, -1e4], np.float32).reshape(1, 2, 1)
    truth = np.array([0, 1], np.float32).reshape(1, 2, 1)
    assert np.isfinite(values(losses.binary_focal(truth, logits, from_logits=True)))
    slope = gradient(lambda x: losses.binary_focal(truth, x, from_logits=True), logits)
    assert np.isfinite(slope).all()


def test_three_axes_of_space():
    truth = np.random.default_rng(0).integers(0, 2, (2, 3, 4, 5, 1)).astype(np.float32)
    np.testing.assert_allclose(values(losses.dice(truth, truth)), 0, atol=1e-6)


# --- against a reference, and what must hold for all ----------------------------------------------------------------


@given(truth=masks, guess=shares)
@pytest.mark.parametrize("loss", FUNCTIONS)
@settings(max_examples=40)
def test_is_the_reference(loss, truth, guess):
    np.testing.assert_allclose(values(loss(truth, guess)), REFERENCES[loss](truth, guess), atol=5e-5)


@given(truth=masks, guess=shares.map(lambda share: 0.01 + 0.98 * share))
@settings(max_examples=40)
def test_focal_is_the_reference(truth, guess):
    np.testing.assert_allclose(values(losses.binary_focal(truth, guess)), focal_reference(truth, guess), rtol=1e-4)


@given(truth=masks, guess=shares)
@pytest.mark.parametrize("loss", FUNCTIONS)
@settings(max_examples=25)
def test_is_between_0_and_1(loss, truth, guess):
    loss = values(loss(truth, guess))
    assert loss.shape == (3,)
    assert (loss >= -1e-6).all()
    assert (loss <= 1 + 1e-6).all()


@given(first=masks, second=masks)
@pytest.mark.parametrize("loss", [losses.dice, losses.jaccard])
@settings(max_examples=25)
def test_dice_and_jaccard_are_symmetric(loss, first, second):
    both = (first.sum(axis=(1, 2, 3)) > 0) & (second.sum(axis=(1, 2, 3)) > 0)  # an empty truth is no empty prediction
    np.testing.assert_allclose(values(loss(first, second))[both], values(loss(second, first))[both], atol=1e-6)


@given(first=masks, second=masks, alpha=st.floats(0, 2), beta=st.floats(0, 2))
@settings(max_examples=25)
def test_truth_and_prediction_swap_with_alpha_and_beta(first, second, alpha, beta):
    both = (first.sum(axis=(1, 2, 3)) > 0) & (second.sum(axis=(1, 2, 3)) > 0)
    one = values(losses.tversky(first, second, alpha=alpha, beta=beta))
    other = values(losses.tversky(second, first, alpha=beta, beta=alpha))
    np.testing.assert_allclose(one[both], other[both], atol=1e-5)


@given(truth=masks, guess=shares, more=shares)
@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
@settings(max_examples=25)
def test_more_false_positives_never_cost_less(loss, truth, guess, more):
    worse = np.where(truth == 0, np.maximum(guess, more), guess)
    assert (values(loss(truth, worse)) >= values(loss(truth, guess)) - 1e-6).all()


@given(truth=masks, guess=shares, less=shares)
@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
@settings(max_examples=25)
def test_more_false_negatives_never_cost_less(loss, truth, guess, less):
    worse = np.where(truth == 1, np.minimum(guess, less), guess)
    assert (values(loss(truth, worse)) >= values(loss(truth, guess)) - 1e-6).all()


@given(truth=masks, guess=shares, order=st.permutations(range(3)))
@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
@settings(max_examples=15)
def test_samples_are_independent(loss, truth, guess, order):
    np.testing.assert_allclose(values(loss(truth[order], guess[order])), values(loss(truth, guess))[order], atol=1e-6)


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
@pytest.mark.parametrize("tumour", [True, False])
def test_gradient_is_that_of_finite_differences(loss, tumour):
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, (1, 3, 3, 1)).astype(np.float32) * tumour
    guess = random.uniform(0.2, 0.8, (1, 3, 3, 1)).astype(np.float32)
    found = gradient(lambda array: loss(truth, array), guess)
    exact, step = guess.astype(np.float64), 1e-6
    for place in np.ndindex(guess.shape):
        up, down = exact.copy(), exact.copy()
        up[place] += step
        down[place] -= step
        expected = (REFERENCES[loss](truth, up) - REFERENCES[loss](truth, down))[0] / (2 * step)
        assert found[place] == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
@pytest.mark.parametrize("truth", [TRUTH, np.zeros_like(TRUTH), np.ones_like(TRUTH)], ids=["some", "none", "all"])
@pytest.mark.parametrize("guess", ["perfect", "opposite", "nothing"])
def test_gradient_is_finite_at_the_ends(loss, truth, guess):
    point = {"perfect": truth, "opposite": 1 - truth, "nothing": 0 * truth}[guess]
    assert np.isfinite(gradient(lambda array: loss(truth, array), point.astype(np.float32))).all()


def test_slope_at_an_empty_image_without_a_prediction():
    """One pixel of probability costs 1 / (1 + 100), and so the first of it 1 / 100."""
    nothing = np.zeros((1, 16, 16, 1), np.float32)
    np.testing.assert_allclose(gradient(lambda array: losses.dice(nothing, array), nothing), 1 / 100, rtol=1e-5)


@pytest.mark.parametrize("loss", FUNCTIONS)
def test_one_missed_pixel_of_a_large_image_costs_all(loss):
    """The default smoothing takes nothing off small regions."""
    truth = np.zeros((1, 256, 256, 1), np.float32)
    truth[0, 5, 5] = 1
    np.testing.assert_allclose(values(loss(truth, 0 * truth)), 1, atol=1e-6)
    np.testing.assert_allclose(values(loss(truth, truth)), 0, atol=5e-5)


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal, lambda *pair: losses.binary_focal(*pair, gamma=0.5)])
@pytest.mark.parametrize("beyond", [-1e-3, 5e-4])
def test_values_just_outside_0_to_1_count_as_the_ends(loss, beyond):
    """Resizing and half precision overshoot; a root of what is then below 0 would be NaN."""
    near = np.where((beyond > 0) == TRUTH, TRUTH + beyond, TRUTH).astype(np.float32)
    expected = values(loss(TRUTH, TRUTH))
    np.testing.assert_allclose(values(loss(TRUTH, near)), expected, atol=1e-7)
    np.testing.assert_allclose(values(loss(near, TRUTH)), expected, atol=1e-7)
    assert np.isfinite(gradient(lambda array: loss(TRUTH, array), near)).all()


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
def test_batch_without_a_sample_gives_no_value(loss):
    assert values(loss(TRUTH[:0], GUESS[:0])).shape == (0,)


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
def test_gradient_with_class_weights(loss):
    truth, guess = (np.concatenate([array, array], axis=-1) for array in (TRUTH, GUESS))
    slope = gradient(lambda array: loss(truth, array, class_weights=(1, 3)), guess)
    alone = gradient(lambda array: loss(TRUTH, array), GUESS)
    np.testing.assert_allclose(slope, np.concatenate([alone / 4, alone * 3 / 4], axis=-1), rtol=1e-4, atol=1e-7)


# --- as Keras objects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES)
def test_object_is_its_function(kind):
    function = getattr(
        losses, {"Dice": "dice", "Jaccard": "jaccard", "Tversky": "tversky"}.get(kind.__name__, ""), None
    )
    function = function or {"FocalTversky": losses.focal_tversky, "BinaryFocal": losses.binary_focal}[kind.__name__]
    truth, guess = (np.concatenate([array, array[:, ::-1]]) for array in (TRUTH, GUESS))
    guess[1] *= 0.5
    expected = values(function(truth, guess))
    np.testing.assert_allclose(values(kind()(truth, guess)), expected.mean(), rtol=1e-6)
    np.testing.assert_allclose(values(kind(reduction="sum")(truth, guess)), expected.sum(), rtol=1e-6)
    np.testing.assert_allclose(values(kind(reduction=None)(truth, guess)), expected, rtol=1e-6)
    weights = np.array([1.0, 3.0], np.float32)
    np.testing.assert_allclose(
        values(kind(reduction="sum")(truth, guess, weights)), (expected * weights).sum(), rtol=1e-6
    )


@pytest.mark.parametrize("kind", CLASSES)
def test_sample_weight_is_one_number_a_sample(kind):
    truth, guess = np.concatenate([TRUTH, TRUTH]), np.concatenate([GUESS, 0.5 * GUESS])
    each = values(kind(reduction=None)(truth, guess))
    for shape in ((2,), (2, 1)):
        weighted = kind()(truth, guess, np.reshape(np.array([1, 3], np.float32), shape))
        np.testing.assert_allclose(values(weighted), (each * [1, 3]).mean(), rtol=1e-6)
    for loss in (kind(), kind() + keras.losses.BinaryCrossentropy()):
        with pytest.raises(ValueError, match=r"sample_weight must be of shape \(batch,\) .* got shape \(2, 2, 2, 1\)"):
            loss(truth, guess, np.ones_like(truth))


def test_sample_weight_in_training():
    truth, guess = np.concatenate([TRUTH, TRUTH]), np.concatenate([GUESS, 0.5 * GUESS])
    inputs = keras.Input((2, 2, 1))
    model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    model.compile("sgd", losses.Dice())
    each = values(losses.dice(truth, guess))
    for weights in ([1, 0], [1, 3]):
        found = model.evaluate(guess, truth, sample_weight=np.array(weights, np.float32), verbose=0)
        assert found == pytest.approx((each * weights).mean(), rel=1e-5)


OPTIONS = {"from_logits": True, "class_weights": [1.0, 2.0], "ignore": 9.0, "name": "mine", "reduction": "sum"}


@pytest.mark.parametrize("kind", CLASSES)
def test_round_trip(kind):
    own = {"gamma": 1.5} if kind in (losses.FocalTversky, losses.BinaryFocal) else {"per": "batch", "empty": None}
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, (2, 4, 4, 2)).astype(np.float32)
    check_round_trip(kind(), TRUTH, GUESS)
    check_round_trip(kind(**OPTIONS, **own), truth, random.normal(size=truth.shape).astype(np.float32))


def test_sum_is_the_sum():
    total = losses.Dice() + 2 * losses.BinaryFocal() + keras.losses.BinaryCrossentropy()
    truth, guess = (np.concatenate([array, array[:, ::-1]]) for array in (TRUTH, GUESS))
    guess[1] *= 0.5
    crossentropy = values(keras.losses.BinaryCrossentropy(reduction=None)(truth, guess)).mean(axis=(1, 2))
    expected = values(losses.dice(truth, guess)) + 2 * values(losses.binary_focal(truth, guess)) + crossentropy
    np.testing.assert_allclose(values(total(truth, guess)), expected.mean(), rtol=1e-5)
    weights = np.array([1.0, 3.0], np.float32)
    np.testing.assert_allclose(values(total(truth, guess, weights)), (expected * weights).mean(), rtol=1e-5)


def test_sum_starts_with_a_stock_loss_too():
    total = keras.losses.BinaryCrossentropy() + losses.Dice() * 0.5
    assert [type(loss).__name__ for loss in total.losses] == ["BinaryCrossentropy", "Dice"]
    assert total.weights == [1.0, 0.5]


def test_sums_are_flat_and_scale_as_a_whole():
    total = 3 * (losses.Dice() + 2 * (losses.Jaccard() + losses.Tversky()))
    assert total.weights == [3.0, 6.0, 6.0]


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", None])
def test_sums_keep_the_reduction_of_their_parts(reduction):
    truth, guess = np.concatenate([TRUTH, TRUTH]), np.concatenate([GUESS, 0.5 * GUESS])
    dice, cross = losses.Dice(reduction=reduction), keras.losses.BinaryCrossentropy(reduction=reduction)
    each = 2 * values(losses.dice(truth, guess)) + values(
        ops.mean(keras.losses.binary_crossentropy(truth, guess), axis=(1, 2))
    )
    expected = {"sum": each.sum(), "sum_over_batch_size": each.mean(), None: each}[reduction]
    for total in (2 * dice + cross, cross + dice * 2):
        np.testing.assert_allclose(values(total(truth, guess)), expected, rtol=1e-5)


def test_sum_of_different_reductions_is_refused():
    with pytest.raises(ValueError, match="reduction must be the same in both losses of a sum; got 'sum' and 'sum_over"):
        losses.Dice(reduction="sum") + keras.losses.BinaryCrossentropy()


@pytest.mark.parametrize("combine", [lambda a: a + 3, lambda a: 3 + a, lambda a: a * a, lambda a: a + "mse"])
def test_only_losses_add_and_only_numbers_multiply(combine):
    with pytest.raises(TypeError, match="unsupported operand"):
        combine(losses.Dice())
    with pytest.raises(ValueError, match="terms must be pairs of a Keras loss and its weight; got 3"):
        losses.WeightedSum([(3, 1.0)])


def test_sum_round_trip():
    stock = keras.losses.BinaryCrossentropy(label_smoothing=0.1)
    check_round_trip(losses.WeightedSum([(losses.Dice(empty=None), 1), (stock, 2)]), TRUTH, GUESS)


@pytest.mark.parametrize("loss", [losses.Dice(), losses.Dice() + keras.losses.BinaryCrossentropy()])
def test_saved_model_loads_without_custom_objects(tmp_path, loss):
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs))
    model.compile("sgd", loss)
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype(np.float32)
    before = model.evaluate(images, (images > 0).astype(np.float32), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(images, (images > 0).astype(np.float32), verbose=0) == pytest.approx(before, rel=1e-6)


def test_model_learns_with_it():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs))
    model.compile(keras.optimizers.Adam(0.1), losses.FocalTversky() + keras.losses.BinaryCrossentropy())
    images = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype(np.float32)
    history = model.fit(images, (images > 1).astype(np.float32), epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]


# --- precision, compilation, replicas -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", CLASSES)
def test_half_precision_is_finite_on_large_images(kind, dtype):
    """262,144 pixels overflow a float16, whose largest number is 65,504."""
    guess = ops.cast(np.full((1, 512, 512, 1), 0.9, np.float32), dtype)
    truth = ops.ones_like(guess)
    for each in (truth, 0 * truth):
        result = kind()(each, guess)
        assert keras.backend.standardize_dtype(result.dtype) == "float32"
        assert np.isfinite(values(result))
    expected = reference(
        np.ones((1, 1, 1, 1)), np.full((1, 1, 1, 1), float(values(ops.cast(guess[0, 0, 0, 0], "float32")))), 0.5, 0.5
    )
    if kind is losses.Dice:
        np.testing.assert_allclose(values(losses.Dice()(truth, guess)), expected[0], rtol=1e-3)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_training_step_under_mixed_precision_is_finite(policy):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input((64, 64, 1))
        model = keras.Model(inputs, keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(inputs))
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.SGD(0.1), losses.FocalTversky() + losses.Dice())
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 1)).astype(np.float32)
    for truth in (images > 1, images > 100):
        assert np.isfinite(model.train_on_batch(images, truth.astype(np.float32)))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("kind", CLASSES)
def test_float32_inside_whatever_keras_computes_in(kind):
    expected = values(kind()(TRUTH, GUESS))
    keras.config.set_floatx("float16")
    try:
        found = kind()(TRUTH, GUESS)
    finally:
        keras.config.set_floatx("float32")
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_array_equal(values(found), expected)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch's compiler is not needed here")
@pytest.mark.parametrize("kind", CLASSES)
def test_jit_compiled_training_gives_the_same_loss(kind):
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs))
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    truth = (images > 0.5).astype(np.float32)
    results = []
    for jit in (True, False):
        model.compile(keras.optimizers.SGD(0.0), kind(), jit_compile=jit)
        results.append(float(model.train_on_batch(images, truth)))
    assert results[0] == pytest.approx(results[1], rel=1e-4)


MIRRORED = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf, keras
from braintumorseg import losses
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
truth = (images > 0.5).astype("float32")
truth[3] = 0

def step(strategy, loss):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        inputs = keras.Input((8, 8, 1))
        model = keras.Model(inputs, keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(inputs))
        model.compile(keras.optimizers.SGD(1.0), loss)
    data = tf.data.Dataset.from_tensor_slices((images, truth)).batch(4)
    before = [np.array(weight) for weight in model.get_weights()]
    model.fit(data, epochs=1, verbose=0)
    return [after - was for after, was in zip(model.get_weights(), before)]

one = tf.distribute.OneDeviceStrategy("/cpu:0")
two = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
assert two.num_replicas_in_sync == 2
every = losses.Dice() + losses.Jaccard() + 2 * losses.Tversky() + losses.FocalTversky() + losses.BinaryFocal()
for single, double in zip(step(one, every), step(two, every)):
    assert np.abs(single).max() > 1e-4
    np.testing.assert_allclose(double, single, rtol=1e-4, atol=1e-6)
# A batch counted as one on each replica: the same where both hold the same samples.
images, truth = np.repeat(images[:1], 4, 0), np.repeat(truth[:1], 4, 0)
for single, double in zip(step(one, losses.Dice(per="batch")), step(two, losses.Dice(per="batch"))):
    assert np.abs(single).max() > 1e-4
    np.testing.assert_allclose(double, single, rtol=1e-4, atol=1e-6)
# The fifth sample leaves the second replica without any.
images, truth = np.repeat(images[:1], 5, 0), np.repeat(truth[:1], 5, 0)
assert all(np.isfinite(change).all() for change in step(two, losses.Dice() + losses.FocalTversky()))
print("same")
"""


@tensorflow_only
def test_gradient_on_two_replicas_is_that_on_one():
    done = subprocess.run([sys.executable, "-c", MIRRORED], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("same"), done.stderr[-2000:]


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal, *(kind() for kind in CLASSES), 2 * losses.Dice()])
def test_masks_of_255_and_logits_are_refused(loss):
    with pytest.raises(
        ValueError, match=r"y_true must be between 0 and 1 \(write mask > 0 for masks of 0 and 255.* 255"
    ):
        loss(TRUTH * 255, GUESS)
    with pytest.raises(ValueError, match=r"y_pred must be between 0 and 1 \(set from_logits=True for logits\)"):
        loss(TRUTH, GUESS * 8 - 4)


@pytest.mark.parametrize("loss", [losses.dice, losses.binary_focal, losses.Dice(), 2 * losses.Dice()])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16"])
def test_masks_of_255_are_refused_as_tensors_and_lists_too(loss, dtype):
    mask = ops.cast(TRUTH * 255, dtype)
    for truth in (mask, values(mask).tolist()):
        with pytest.raises(ValueError, match=r"y_true must be between 0 and 1 .* got values from 0 to 25"):
            loss(truth, GUESS)


def test_an_eager_run_names_the_cause():
    inputs = keras.Input((2, 2, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs))
    model.compile("sgd", losses.Dice() + keras.losses.BinaryCrossentropy(), run_eagerly=True)
    with pytest.raises(ValueError, match="write mask > 0 for masks of 0 and 255"):
        model.fit(GUESS, TRUTH * 255, verbose=0)


@pytest.mark.parametrize("loss", [*FUNCTIONS, losses.binary_focal])
def test_other_shapes_are_refused(loss):
    with pytest.raises(ValueError, match=r"y_true must be of y_pred's shape \(1, 2, 2, 1\) \(or of labels, without"):
        loss(TRUTH[:, :1], GUESS)
    with pytest.raises(ValueError, match=r"y_pred must be of shape \(batch, \*space, classes\); got shape \(1, 4\)"):
        loss(TRUTH.reshape(1, 4), GUESS.reshape(1, 4))


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (losses.tversky, {"alpha": -1}, "alpha must be at least 0; got -1"),
        (losses.tversky, {"beta": -1}, "beta must be at least 0; got -1"),
        (losses.tversky, {"smooth_dr": 0}, "smooth_dr must be more than 0; got 0"),
        (losses.tversky, {"smooth_nr": 1}, "smooth_nr must be at least 0 and at most 1e-06; got 1"),
        (losses.tversky, {"from_logits": "yes"}, "from_logits must be one of False, True; got 'yes'"),
        (losses.tversky, {"ignore": "border"}, "ignore must be any number"),
        (losses.tversky, {"class_weights": (-1,)}, "class_weights must be at least 0; got -1"),
        (losses.tversky, {"class_weights": (0,)}, r"class_weights must be above 0 for some class; got \(0,\)"),
        (losses.dice, {"per": "pixel"}, "per must be one of 'image', 'batch'; got 'pixel'"),
        (losses.dice, {"empty": 0}, "empty must be more than 0; got 0"),
        (
            losses.dice,
            {"class_weights": (1, 2)},
            r"class_weights must be 1 numbers, one a class; got \(1, 2\)",
        ),
        (losses.focal_tversky, {"gamma": 0}, "gamma must be more than 0; got 0"),
        (losses.binary_focal, {"alpha": 1.5}, "alpha must be at least 0 and at most 1; got 1.5"),
        (losses.WeightedSum, {}, "terms must be at least one pair"),
    ],
)
def test_bad_arguments_are_named(loss, options, message):
    with pytest.raises(ValueError, match=message):
        loss([]) if loss is losses.WeightedSum else loss(TRUTH, GUESS, **options)


@pytest.mark.parametrize("kind", [losses.Dice, losses.Jaccard, losses.Tversky, losses.FocalTversky])
def test_unknown_option_is_named_at_once(kind):
    with pytest.raises(TypeError, match=r"unknown option 'smooth'; allowed are from_logits, smooth_nr, smooth_dr, per"):
        kind(smooth=1)


def test_config_holds_the_defaults_too():
    config = losses.Dice().get_config()
    assert {key: config[key] for key in ("smooth_dr", "per", "empty")} == {
        "smooth_dr": 1e-6,
        "per": "image",
        "empty": 100.0,
    }


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (losses.Dice, {"per": "pixel"}, "per must be one of"),
        (losses.Jaccard, {"empty": 0}, "empty must be more than 0"),
        (losses.Tversky, {"alpha": -1}, "alpha must be at least 0; got -1"),
        (losses.FocalTversky, {"gamma": 0}, "gamma must be more than 0; got 0"),
        (losses.BinaryFocal, {"gamma": -1}, "gamma must be at least 0; got -1"),
    ],
)
def test_bad_arguments_are_named_where_the_loss_is_made(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)


def test_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weight must be at least 0; got -1"):
        -1 * losses.Dice()
