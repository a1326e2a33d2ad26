"""PatientDice against the segmenter and the measures, in a training that goes on afterwards."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from braintumorseg import DataError, Preprocessing, Segmenter, Study, dice, make_study
from braintumorseg.callbacks import PatientDice

PREPROCESSING = Preprocessing(size=32)
NAMES = ("val_patient_dice", "val_patient_dice_median")


@pytest.fixture(scope="module")
def studies():
    """Three phantoms of different grids, each with a tumour."""
    shapes = [(5, 48, 40), (7, 40, 56), (3, 64, 64)]
    made = [make_study(seed=seed, shape=shape) for seed, shape in enumerate(shapes)]
    assert all(study.mask.any() for study in made)
    assert len({study.name for study in made}) == 3
    return made


@pytest.fixture(scope="module")
def data(studies):
    """Training slices (slices, 32, 32, 3) and targets (slices, 32, 32, 1)."""
    images, masks = [], []
    for study in studies:
        prepared = PREPROCESSING.apply(study)
        images.append(prepared.images)
        masks.append(PREPROCESSING.apply_mask(study.mask, prepared.placement)[..., None])
    return np.concatenate(images), np.concatenate(masks)


def make_model():
    """Make a small model with batch normalisation, equal each time."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    features = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    features = keras.layers.BatchNormalization()(features)
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(features))
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    return model


@pytest.fixture
def model():
    return make_model()


def measure(callback, model):
    """Return what the callback logs of a model."""
    logs = {}
    callback.set_model(model)
    callback.set_params({"epochs": 1})
    callback.on_epoch_end(0, logs)
    return logs


def fit(model, data, callbacks, epochs=3):
    return model.fit(*data, batch_size=8, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks).history


def test_is_the_dice_of_the_segmenter_on_the_studies_own_grid(model, data, studies):
    callback = PatientDice(studies, PREPROCESSING, threshold=0.4, batch_size=2)
    history = fit(model, data, [callback])
    segmenter = Segmenter(model, PREPROCESSING, threshold=0.4)
    expected = {study.name: dice(study.mask, segmenter.predict(study).mask) for study in studies}
    assert callback.per_patient == pytest.approx(expected, abs=1e-3)
    values = list(callback.per_patient.values())
    assert len(set(values)) == 3, "a model that finds the same everywhere shows nothing"
    assert history["val_patient_dice"][-1] == pytest.approx(np.mean(values))
    assert history["val_patient_dice_median"][-1] == pytest.approx(np.median(values))
    assert len(set(history["val_patient_dice"])) > 1, "the model of each epoch is measured"


class Truth(keras.layers.Layer):
    """Says tumour where the second channel is above a value."""

    def call(self, images):
        return keras.ops.cast(images[..., 1:2] > 1.5, "float32")


def test_perfect_and_empty_predictions():
    """A head of 52 pixels with a margin of 1 fills the square of 54 on a grid of 60, so nothing is interpolated."""
    volume, mask = np.random.default_rng(0).uniform(60, 140, (4, 60, 60, 3)), np.zeros((4, 60, 60), bool)
    mask[1:3, 20:36, 24:40] = True
    volume[mask] = 250
    volume[:, :4], volume[:, -4:], volume[:, :, :4], volume[:, :, -4:] = 0, 0, 0, 0
    study = Study(volume, mask=mask, name="square")
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, Truth()(inputs))
    without = study.with_mask(np.zeros_like(mask))
    for truth, expected in ((study, 1.0), (without, 0.0)):
        callback = PatientDice([truth], Preprocessing(size=54))
        assert measure(callback, model) == dict.fromkeys(NAMES, expected)
        assert callback.per_patient == {"square": expected}


def test_watching_changes_nothing_of_the_training(model, data, studies):
    fit(model, data, [PatientDice(studies, PREPROCESSING)])
    watched = model.get_weights()
    unwatched = make_model()
    fit(unwatched, data, [])
    for ours, theirs in zip(watched, unwatched.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_checkpoint_and_early_stopping_watch_it(model, data, studies, tmp_path):
    callback = PatientDice(studies, PREPROCESSING)
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", NAMES[0], mode="max", save_best_only=True)
    stop = keras.callbacks.EarlyStopping(NAMES[1], mode="max", min_delta=2, patience=1)
    history = fit(model, data, [callback, best, stop], epochs=5)
    assert len(history["loss"]) == 2, "nothing can rise by 2, so patience ends in the second epoch"
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert measure(callback, loaded)[NAMES[0]] == pytest.approx(max(history[NAMES[0]]), abs=1e-3)


@pytest.mark.parametrize(
    ("every", "epochs", "measured"), [(1, 3, [0, 1, 2]), (2, 5, [1, 3, 4]), (3, 2, [1]), (2, 4, [1, 3])]
)
def test_every_few_epochs_and_after_the_last(model, data, studies, every, epochs, measured):
    seen = []
    after = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(epoch) if set(NAMES) <= set(logs) else None
    )
    callback = PatientDice(studies[:1], PREPROCESSING, every=every)
    fit(model, [part[:8] for part in data], [callback, after], epochs=epochs)
    assert seen == measured


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is traced")
def test_nothing_is_traced_anew_after_the_first_epoch(data, studies):
    traces = []

    class Count(keras.layers.Layer):
        def call(self, images):
            traces.append(images.shape)
            return images

    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(Count()(inputs)))
    model.compile("sgd", "binary_crossentropy")
    after_epoch = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: after_epoch.append(len(traces)))
    fit(model, data, [PatientDice(studies, PREPROCESSING, batch_size=4), note], epochs=4)
    assert len(after_epoch) == 4
    assert len(set(after_epoch)) == 1, traces


REPLICAS = """
import keras, numpy as np, tensorflow as tf
from braintumorseg import Preprocessing, build_unet, dice, make_study
from braintumorseg.inference import to_mask
from braintumorseg.callbacks import PatientDice

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
keras.utils.set_random_seed(0)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = build_unet((32, 32, 3), filters=(2, 4))
    model.compile("sgd", "binary_crossentropy")
study, preprocessing = make_study(seed=0, shape=(5, 48, 48)), Preprocessing(size=32)
prepared = preprocessing.apply(study)
target = preprocessing.apply_mask(study.mask, prepared.placement)[..., None]
callback = PatientDice([study], preprocessing, threshold=0.4, batch_size=4)
history = model.fit(prepared.images[:4], target[:4], batch_size=4, verbose=0, callbacks=[callback]).history
probabilities = np.asarray(model(prepared.images))[..., 0]
mask = to_mask(preprocessing.restore(probabilities, prepared.placement), 0.4)
assert 0 < dice(study.mask, mask) < 1
np.testing.assert_allclose(history["val_patient_dice"], [dice(study.mask, mask)], atol=1e-3)
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="MirroredStrategy belongs to TensorFlow")
def test_two_replicas_with_an_odd_number_of_slices():
    """A last batch of one slice would leave one replica with none."""
    done = subprocess.run([sys.executable, "-c", REPLICAS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def constant_model(value, channels=1):
    inputs = keras.Input((None, None, 3))
    kernel, bias = keras.initializers.Zeros(), keras.initializers.Constant(value)
    return keras.Model(
        inputs, keras.layers.Conv2D(channels, 1, kernel_initializer=kernel, bias_initializer=bias)(inputs)
    )


@pytest.mark.parametrize(
    ("value", "channels", "message"),
    [
        (
            -2.0,
            1,
            "model must be one that gives probabilities, 0 to 1; got values from -2 to -2",
        ),
        (0.5, 2, "model must be one of one output channel, the tumour's probability; .*got 2 channels"),
    ],
)
def test_models_of_something_else_are_refused(studies, value, channels, message):
    with pytest.raises(ValueError, match=message):
        measure(PatientDice(studies, PREPROCESSING), constant_model(value, channels))


def test_model_that_diverged_scores_nan(studies):
    logs = measure(PatientDice(studies, PREPROCESSING), constant_model(float("nan")))
    assert np.isnan([logs[name] for name in NAMES]).all()


def test_bad_arguments_are_named(studies):
    with pytest.raises(ValueError, match=r"studies must be of studies with masks; got 'phantom-0' without one"):
        PatientDice([studies[0].with_mask(None)], PREPROCESSING)
    with pytest.raises(ValueError, match="studies must be at least one study, of distinct names; got"):
        PatientDice([studies[0], studies[0]], PREPROCESSING)
    with pytest.raises(ValueError, match="studies must be at least one study"):
        PatientDice([], PREPROCESSING)
    for name, value in (("threshold", 0), ("batch_size", 0), ("every", 0)):
        with pytest.raises(ValueError, match=f"{name} must be .*; got 0"):
            PatientDice(studies, PREPROCESSING, **{name: value})


def test_study_without_flair_is_refused_at_once():
    study = make_study(seed=0, shape=(3, 40, 40), sequences=("t1",))
    with pytest.raises(DataError, match="the model needs FLAIR"):
        PatientDice([study], PREPROCESSING)
