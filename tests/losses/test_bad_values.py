"""Masks of 0 and 255 and the like in a training: an error at the first batch, on each backend."""

import importlib

import keras
import numpy as np
import pytest

from braintumorseg import losses
from braintumorseg.metrics import DiceScore, Recall

BACKEND = keras.backend.backend()
TRUTH = np.array([[[[1.0], [1.0]], [[0.0], [0.0]]]], np.float32)
GUESS = np.array([[[[0.9], [0.4]], [[0.2], [0.1]]]], np.float32)


def tiny_model(activation="sigmoid", **options):
    inputs = keras.Input((2, 2, 1))
    layer = keras.layers.Conv2D(1, 1, activation=activation, kernel_initializer="ones", bias_initializer="ones")
    model = keras.Model(inputs, layer(inputs))
    model.compile("sgd", **{"loss": losses.Dice(), **options})
    return model


def batches_ended():
    """A list of the batches that a training ended, and the callback that fills it."""
    ended = []
    return ended, keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ended.append(batch))


# Raised by the function that the backend compiles, in its own kind of error.
COMPILED = {
    "tensorflow": lambda: importlib.import_module("tensorflow").errors.InvalidArgumentError,
    "jax": lambda: importlib.import_module("jax").errors.JaxRuntimeError,
    "torch": lambda: ValueError,
}


OPTIONS = {
    "overlap": dict,
    "focal": lambda: {"loss": losses.BinaryFocal()},
    "sum": lambda: {"loss": losses.Dice() + 2 * losses.Tversky()},
    "dataset metric": lambda: {"loss": "mse", "metrics": [DiceScore()]},
    "image metric": lambda: {"loss": "mse", "metrics": [Recall(per="image")]},
    "several steps": lambda: {"steps_per_execution": 2},
}
MASKS = [(TRUTH * 255, 0, 255), ((TRUTH * 255).astype(np.uint8), 0, 255), (TRUTH * 3, 0, 3), (TRUTH - 1, -1, 0)]


@pytest.mark.parametrize(
    ("options", "truth", "low", "high"),
    [("overlap", *each) for each in MASKS] + [(options, *MASKS[0]) for options in OPTIONS if options != "overlap"],
)
def test_fit_names_bad_masks_at_the_first_batch(options, truth, low, high):
    if BACKEND == "torch" and options == "several steps":
        pytest.skip("PyTorch runs one step at a time")
    model = tiny_model(**OPTIONS[options]())
    ended, callback = batches_ended()
    images, truths = np.repeat(GUESS, 6, 0), np.repeat(truth, 6, 0)
    came = rf"got values from\]? \[?{low}\]? \[?to\]? \[?{high}"
    with pytest.raises(COMPILED[BACKEND](), match=rf"y_true must be between 0 and 1 \(write mask > 0 .*{came}"):
        model.fit(images, truths, batch_size=2, verbose=0, callbacks=[callback], shuffle=False)
    assert ended == []


def test_fit_names_a_bad_mask_of_a_later_batch():
    truth = np.repeat(TRUTH, 6, 0)
    truth[5] *= 255
    model = tiny_model()
    ended, callback = batches_ended()
    with pytest.raises(COMPILED[BACKEND](), match=r"y_true must be between 0 and 1"):
        model.fit(np.repeat(GUESS, 6, 0), truth, batch_size=2, verbose=0, callbacks=[callback], shuffle=False)
    assert ended == [0, 1]


@pytest.mark.parametrize("method", ["evaluate", "train_on_batch", "test_on_batch"])
def test_other_steps_name_bad_masks_too(method):
    with pytest.raises(COMPILED[BACKEND](), match=r"y_true must be between 0 and 1"):
        getattr(tiny_model(), method)(GUESS, TRUTH * 255)


def test_fit_names_masks_of_nan():
    with pytest.raises(COMPILED[BACKEND](), match=r"y_true must be between 0 and 1.*nan"):
        tiny_model().fit(GUESS, TRUTH * np.nan, verbose=0)


def test_fit_names_logits():
    with pytest.raises(
        COMPILED[BACKEND](), match=r"y_pred must be between 0 and 1 \(set from_logits=True for logits\)"
    ):
        tiny_model("linear").fit(GUESS * 100, TRUTH, verbose=0)
    history = tiny_model("linear", loss=losses.Dice(from_logits=True)).fit(GUESS * 100, TRUTH, verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_ignored_labels_are_no_fault_in_fit():
    marked = TRUTH.copy()
    marked[0, 0, 0] = 255
    history = tiny_model(loss=losses.Dice(ignore=255)).fit(GUESS, marked, verbose=0)
    assert np.isfinite(history.history["loss"][0])


@pytest.mark.skipif(BACKEND == "torch", reason="what diverged is an error there, as any array outside 0 to 1")
def test_a_training_that_diverged_has_a_loss_of_nan():
    model = tiny_model()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    assert np.isnan(model.fit(GUESS, TRUTH, verbose=0).history["loss"][0])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="XLA of TensorFlow drops assertions")
@pytest.mark.parametrize("loss", [losses.Dice(), losses.BinaryFocal(), losses.Dice() + losses.Tversky()])
def test_bad_values_under_xla_give_nan_not_a_plausible_number(loss):
    model = tiny_model(loss=loss, metrics=[DiceScore()], jit_compile=True)
    assert np.isfinite(model.evaluate(GUESS, TRUTH, verbose=0)).all()
    assert np.isnan(model.evaluate(GUESS, TRUTH * 255, verbose=0)).all()


def test_a_compiled_model_is_saved_with_its_loss(tmp_path):
    model = tiny_model(metrics=[DiceScore()])
    model.fit(GUESS, TRUTH, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.isfinite(loaded.evaluate(GUESS, TRUTH, verbose=0)).all()
    with pytest.raises(COMPILED[BACKEND](), match=r"y_true must be between 0 and 1"):
        loaded.fit(GUESS, TRUTH * 255, verbose=0)


def test_bad_masks_are_named_in_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = tiny_model()
        assert np.isfinite(model.fit(GUESS, TRUTH, verbose=0).history["loss"][0])
        with pytest.raises(COMPILED[BACKEND](), match=r"y_true must be between 0 and 1"):
            model.fit(GUESS, TRUTH * 255, verbose=0)
    finally:
        keras.mixed_precision.set_global_policy("float32")
