"""Metrics against a float64 reference in NumPy, by hand, and under compilation, replicas and long sums."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from braintumorseg import measures
from braintumorseg.metrics import (
    ConfusionMetric,
    DiceScore,
    IoU,
    Precision,
    Recall,
    Specificity,
    confusion_counts,
)
from serialization import check_round_trip

METRICS = [DiceScore, IoU, Precision, Recall, Specificity]
BACKEND = keras.backend.backend()
TOLERANCE = 5e-7  # a few roundings of float32

# Numerator and denominator in (tp, fp, fn, tn).
FRACTIONS = {
    DiceScore: lambda tp, fp, fn, tn: (2 * tp, 2 * tp + fp + fn),
    IoU: lambda tp, fp, fn, tn: (tp, tp + fp + fn),
    Precision: lambda tp, fp, fn, tn: (tp, tp + fp),
    Recall: lambda tp, fp, fn, tn: (tp, tp + fn),
    Specificity: lambda tp, fp, fn, tn: (tn, tn + fp),
}


def reference_counts(truth, prediction):
    """Count voxels of boolean (batch, ..., classes) in float64: (4, batch, classes)."""
    pairs = [(truth, prediction), (~truth, prediction), (truth, ~prediction), (~truth, ~prediction)]
    axes = tuple(range(1, truth.ndim - 1))
    return np.array([(a & b).sum(axis=axes, dtype=np.float64) for a, b in pairs])


def reference_score(kind, counts, empty):
    """Return the quotient of four counts; NaN where it is skipped."""
    part, whole = FRACTIONS[kind](*counts)
    if whole > 0:
        return part / whole
    if empty == "skip":
        return np.nan
    return empty if counts[1] + counts[2] == 0 else 0.0


def reference(kind, truth, prediction, per, empty, weights):
    """Score by class, then the mean over classes."""
    counts = reference_counts(truth, prediction)
    by_class = []
    for index in range(truth.shape[-1]):
        if per == "dataset":
            pooled = counts[:, :, index] @ weights
            by_class.append(reference_score(kind, pooled, empty) if pooled.sum() > 0 else np.nan)
        else:
            scores = np.array([reference_score(kind, sample, empty) for sample in counts[:, :, index].T])
            counted = ~np.isnan(scores) & (weights > 0)
            by_class.append(np.average(scores[counted], weights=weights[counted]) if counted.any() else np.nan)
    by_class = np.array(by_class)
    return by_class[~np.isnan(by_class)].mean() if not np.isnan(by_class).all() else np.nan


def value(metric):
    return float(keras.ops.convert_to_numpy(metric.result()))


def score(metric, y_true, y_pred, *weights):
    metric.update_state(y_true, y_pred, *weights)
    return value(metric)


def masks(*voxels):
    """One sample of one channel for each list of voxels: (batch, voxels, 1)."""
    return np.array(voxels, np.float32)[..., None]


def blobs(seed, shape, share=0.3):
    """Draw truth and probabilities, with some samples' masks empty."""
    random = np.random.default_rng(seed)
    truth = random.random(shape) < share
    truth[random.random(shape[0]) < 0.4] = False
    probabilities = np.clip(0.6 * truth + 0.6 * random.random(shape) - 0.05, 0, 1).astype(np.float32)
    probabilities[random.random(shape[0]) < 0.3] = 0
    return truth, probabilities


@st.composite
def datasets(draw):
    """Truth and prediction (samples, 2, 3, classes) with many empty and full masks, weights, and where batches end."""
    samples = draw(st.integers(1, 7))
    classes = draw(st.sampled_from([1, 3]))  # JAX compiles each operation for each shape
    arrays = []
    for _ in range(2):
        array = draw(hnp.arrays(np.bool_, (samples, 2, 3, classes)))
        fill = draw(hnp.arrays(np.int8, (samples, 1, 1, classes), elements=st.integers(0, 3)))
        arrays.append(np.where(fill == 0, False, np.where(fill == 1, True, array)))
    weights = draw(hnp.arrays(np.float32, samples, elements=st.sampled_from([0.0, 0.25, 1.0, 3.0])))
    cuts = draw(st.lists(st.integers(1, samples), max_size=3))
    return *arrays, weights, sorted({0, *cuts, samples})


@pytest.mark.parametrize("kind", METRICS)
@settings(max_examples=25)
@given(data=datasets(), per=st.sampled_from(["image", "dataset"]), empty=st.sampled_from([1.0, 0.0, 0.5, "skip"]))
def test_is_the_reference_whatever_the_batches(kind, data, per, empty):
    truth, prediction, weights, cuts = data
    metric = kind(per, empty=empty, classes=truth.shape[-1])
    for start, stop in pairwise(cuts):
        metric.update_state(truth[start:stop], prediction[start:stop].astype("float32"), weights[start:stop])
    expected = reference(kind, truth, prediction, per, empty, weights.astype(np.float64))
    assert value(metric) == pytest.approx(expected, abs=TOLERANCE, nan_ok=True)


@pytest.mark.parametrize(
    ("kind", "measure"),
    [
        (DiceScore, measures.dice),
        (IoU, measures.iou),
        (Precision, measures.precision),
        (Recall, measures.recall),
        (Specificity, lambda truth, prediction: measures.recall(~truth, ~prediction)),
    ],
)
def test_agrees_with_the_measures_empty_cases_included(kind, measure):
    voxels = np.array([[0, 0], [0, 1], [1, 1]], bool)
    pairs = [(truth, prediction) for truth in voxels for prediction in voxels]
    truth, prediction = (np.array(part)[..., None] for part in zip(*pairs, strict=True))
    expected = [measure(*pair) for pair in pairs]
    got = [score(kind("image"), truth[[i]], prediction[[i]].astype("float32")) for i in range(len(pairs))]
    np.testing.assert_allclose(got, expected, atol=TOLERANCE)
    assert score(kind("image"), truth, prediction.astype("float32")) == pytest.approx(np.mean(expected), abs=TOLERANCE)


NOTHING, SOME, FULL, NAN = [0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], float("nan")


@pytest.mark.parametrize("per", ["image", "dataset"])
@pytest.mark.parametrize(
    ("kind", "truth", "prediction", "expected", "skipped"),
    [
        # (truth, prediction): with empty=0.7, and with empty="skip"
        (DiceScore, NOTHING, NOTHING, 0.7, NAN),
        (DiceScore, NOTHING, FULL, 0, 0),
        (DiceScore, FULL, NOTHING, 0, 0),
        (DiceScore, FULL, FULL, 1, 1),
        (DiceScore, SOME, FULL, 2 / 5, 2 / 5),
        (IoU, NOTHING, NOTHING, 0.7, NAN),
        (IoU, NOTHING, FULL, 0, 0),
        (IoU, FULL, NOTHING, 0, 0),
        (IoU, FULL, FULL, 1, 1),
        (IoU, SOME, FULL, 1 / 4, 1 / 4),
        (Precision, NOTHING, NOTHING, 0.7, NAN),
        (Precision, NOTHING, FULL, 0, 0),
        (Precision, FULL, NOTHING, 0, NAN),
        (Precision, SOME, FULL, 1 / 4, 1 / 4),
        (Recall, NOTHING, NOTHING, 0.7, NAN),
        (Recall, NOTHING, FULL, 0, NAN),
        (Recall, FULL, NOTHING, 0, 0),
        (Recall, FULL, SOME, 1 / 4, 1 / 4),
        (Specificity, NOTHING, NOTHING, 1, 1),
        (Specificity, NOTHING, FULL, 0, 0),
        (Specificity, FULL, NOTHING, 0, NAN),
        (Specificity, FULL, FULL, 0.7, NAN),
        (Specificity, NOTHING, SOME, 3 / 4, 3 / 4),
    ],
)
def test_empty_and_full_cases(kind, truth, prediction, expected, skipped, per):
    truth, prediction = masks(truth), masks(prediction)
    assert score(kind(per, empty=0.7), truth, prediction) == pytest.approx(expected)
    assert score(kind(per, empty="skip"), truth, prediction) == pytest.approx(skipped, nan_ok=True)


def test_two_conventions_of_the_same_predictions():
    """One half-found slice among three empty ones: what the docstring warns of, in numbers."""
    truth, prediction = masks(FULL, NOTHING, NOTHING, NOTHING), masks([1, 1, 0, 0], NOTHING, NOTHING, NOTHING)
    found = 2 * 2 / (2 + 4)
    assert score(DiceScore(), truth, prediction) == pytest.approx(found)
    assert score(DiceScore("image"), truth, prediction) == pytest.approx((found + 3) / 4)
    assert score(DiceScore("image", empty=0.0), truth, prediction) == pytest.approx(found / 4)
    assert score(DiceScore("image", empty="skip"), truth, prediction) == pytest.approx(found)


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("per", ["image", "dataset"])
def test_without_samples_there_is_no_score(kind, per):
    metric = kind(per)
    assert np.isnan(value(metric))
    assert score(metric, masks(SOME), masks(FULL)) >= 0
    metric.reset_state()
    assert np.isnan(value(metric))


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("per", ["image", "dataset"])
def test_weight_is_repetition_and_zero_is_absence(kind, per):
    truth, prediction = masks(SOME, FULL, NOTHING), masks(FULL, SOME, SOME)
    repeated = score(kind(per), truth[[0, 0, 0, 1]], prediction[[0, 0, 0, 1]])
    for weights in (np.array([3, 1, 0]), np.array([[3.0], [1.0], [0.0]])):
        assert score(kind(per), truth, prediction, weights) == pytest.approx(repeated, abs=TOLERANCE)


def test_classes_are_scored_apart_and_averaged():
    truth, prediction = (np.concatenate(parts, axis=-1) for parts in ((masks(SOME),) * 2, (masks(SOME), masks(FULL))))
    assert score(DiceScore(classes=2), truth, prediction) == pytest.approx((1 + 2 / 5) / 2)
    assert score(DiceScore(classes=2, class_id=0), truth, prediction) == 1
    assert score(DiceScore("image", classes=2, class_id=1), truth, prediction) == pytest.approx(2 / 5)


@settings(max_examples=20)
@given(data=datasets())
def test_identities(data):
    truth, prediction, weights, _ = data

    def of(kind, first, second):
        return score(kind(classes=truth.shape[-1]), first.astype("float32"), second.astype("float32"), weights)

    def approx(expected):
        return pytest.approx(expected, abs=TOLERANCE, nan_ok=True)

    assert of(DiceScore, truth, prediction) == approx(of(DiceScore, prediction, truth))
    assert of(IoU, truth, prediction) == approx(of(IoU, prediction, truth))
    assert of(Precision, truth, prediction) == approx(of(Recall, prediction, truth))
    assert of(Specificity, truth, prediction) == approx(of(Recall, ~truth, ~prediction))
    if truth.shape[-1] == 1:
        iou = of(IoU, truth, prediction)
        assert of(DiceScore, truth, prediction) == approx(2 * iou / (1 + iou))


def test_threshold_includes_its_value_and_target_is_cut_at_a_half():
    y_true, y_pred = masks([0.5, 0.49, 1, 0]), masks([0.3, 0.3, 0.29, 0])
    counts = confusion_counts(y_true, y_pred, threshold=0.3)
    assert [float(count[0, 0]) for count in counts] == [1, 1, 1, 1]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float16", "float64"])
def test_any_dtype_of_target(dtype):
    truth, probabilities = blobs(0, (4, 5, 6, 1))
    assert score(DiceScore(), truth.astype(dtype), probabilities) == score(DiceScore(), truth, probabilities)


def test_volumes_are_samples_too():
    truth, probabilities = blobs(1, (3, 4, 5, 6, 1))
    flat = (3, -1, 1)
    assert score(IoU("image"), truth, probabilities) == score(
        IoU("image"), truth.reshape(flat), probabilities.reshape(flat)
    )


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_logits_are_their_sigmoid(threshold):
    logits = np.random.default_rng(0).normal(scale=4, size=(5, 8, 8, 1)).astype(np.float32)
    logits[0, 0, 0] = 0
    truth = np.random.default_rng(1).random(logits.shape) < 0.5
    metric = DiceScore("image", threshold=threshold, from_logits=True)
    probabilities = keras.ops.sigmoid(keras.ops.convert_to_tensor(logits))
    assert score(metric, truth, logits) == score(DiceScore("image", threshold=threshold), truth, probabilities)


def test_logits_of_several_classes_are_their_softmax():
    logits = np.random.default_rng(0).normal(scale=4, size=(5, 8, 8, 3)).astype(np.float32)
    truth = np.eye(3)[np.random.default_rng(1).integers(0, 3, (5, 8, 8))]
    probabilities = keras.ops.softmax(keras.ops.convert_to_tensor(logits), axis=-1)
    metric = DiceScore(classes=3, from_logits=True)
    assert score(metric, truth, logits) == score(DiceScore(classes=3), truth, probabilities)


def test_half_precision_is_counted_in_full():
    """A float16 can't count beyond 2048, nor hold more than 65,504."""
    shape = (2, 300, 300, 1)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        metric = Recall(dtype="float16")
        truth, prediction = np.ones(shape, "float16"), np.ones(shape, "float16")
        prediction[0, 0, :9] = 0.25
        assert score(metric, truth, prediction) == pytest.approx(1 - 9 / 180_000, abs=TOLERANCE)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {keras.backend.standardize_dtype(variable.dtype) for variable in metric.variables} == {"float32"}


def loss_by_sample(y_true, y_pred):
    """Keras's own losses give one value a pixel, which a weight a sample does not fit."""
    difference = keras.ops.cast(y_true, "float32") - y_pred
    return keras.ops.mean(difference**2, axis=(1, 2, 3))


def identity_model(shape, metrics, *, loss="mse", jit=False, weighted=False):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, keras.layers.Activation("linear", dtype="float32")(inputs))
    arguments = {"weighted_metrics" if weighted else "metrics": metrics}
    model.compile(loss=loss, jit_compile=jit, **arguments)
    return model


@pytest.mark.parametrize(
    ("jit", "weighted"),
    [
        (False, False),
        (False, True),
        pytest.param(True, True, marks=pytest.mark.skipif(BACKEND == "torch", reason="slow")),
    ],
)
def test_evaluate_with_an_uneven_last_batch(jit, weighted):
    truth, probabilities = blobs(2, (11, 12, 10, 1))
    weights = np.random.default_rng(0).random(11).astype(np.float32) if weighted else np.ones(11, np.float32)
    metrics = [kind(per, name=f"{kind.default_name}_{per}") for kind in METRICS for per in ("image", "dataset")]
    model = identity_model(truth.shape[1:], metrics, loss=loss_by_sample, jit=jit, weighted=weighted)
    sample_weight = {"sample_weight": weights} if weighted else {}
    logs = model.evaluate(probabilities, truth, batch_size=4, verbose=0, return_dict=True, **sample_weight)
    for kind in METRICS:
        for per in ("image", "dataset"):
            expected = reference(kind, truth, probabilities >= 0.5, per, 1.0, weights.astype(np.float64))
            assert logs[f"{kind.default_name}_{per}"] == pytest.approx(expected, abs=TOLERANCE), (kind, per)


def test_sizes_may_differ_between_batches():
    batches = [blobs(seed, shape) for seed, shape in enumerate([(4, 8, 8, 1), (3, 12, 6, 1), (1, 12, 8, 1)])]
    model = identity_model((None, None, 1), [DiceScore()])
    generator = ((y_pred, y_true) for y_true, y_pred in batches)
    logs = model.evaluate(generator, steps=len(batches), verbose=0, return_dict=True)
    counts = sum(reference_counts(y_true, y_pred >= 0.5).sum(axis=(1, 2)) for y_true, y_pred in batches)
    assert logs["dice_score"] == pytest.approx(reference_score(DiceScore, counts, 1.0), abs=TOLERANCE)


def exact_sum(metric):
    """Add the two parts of the sums in float64."""
    return sum(keras.ops.convert_to_numpy(variable).astype(np.float64) for variable in metric.variables)[:, 0]


def compiled_update(metric):
    """Return update_state, compiled as the backend does it in fit."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(metric.update_state, jit_compile=True, autograph=False)
    if BACKEND == "jax":
        import jax

        update = jax.jit(metric.stateless_update_state)

        def assign(y_true, y_pred):
            state = update([variable.value for variable in metric.variables], y_true, y_pred)
            for variable, new in zip(metric.variables, state, strict=True):
                variable.assign(new)

        return assign
    return metric.update_state


def test_a_thousand_slices_are_counted_to_the_voxel():
    """63 million voxels: float32 counters would have stopped at 2**24 = 16.8 million, or dropped the odd voxels."""
    truth = np.zeros((64, 256, 256, 1), np.uint8)
    prediction = np.zeros((64, 256, 256, 1), np.float16)
    truth[:5, 40:61, 30:81], prediction[:5, 43:64, 28:77] = 1, 1
    truth[7, 0, 0], prediction[9, 0, :2] = 1, 1
    batch = reference_counts(truth > 0, prediction > 0).sum(axis=(1, 2))
    assert batch.sum() == 64 * 65536
    metric = DiceScore()
    update = compiled_update(metric)
    tensors = [keras.ops.convert_to_tensor(array) for array in (truth, prediction)]
    for _ in range(15):
        update(*tensors)
    expected = 15 * batch
    np.testing.assert_array_equal(exact_sum(metric), expected)
    plain = np.zeros((), np.float32)
    for _ in range(15):
        plain += np.float32(batch[3])
    assert plain != expected[3], "one float32 would do, and this test shows nothing"
    assert value(metric) == pytest.approx(2 * expected[0] / (2 * expected[0] + expected[1] + expected[2]), rel=3e-7)


@pytest.mark.parametrize("per", ["image", "dataset"])
def test_long_sums_lose_nothing(per):
    """Weights stand in for many voxels and many samples: 41 times 1,048,577 is far beyond 2**24, and odd."""
    metric, weight, times = Recall(per), 2**20 + 1, 41
    for _ in range(times):
        metric.update_state(masks([1]), masks([1]), np.array([weight], np.float32))
    metric.update_state(masks([1]), masks([0]), np.array([3], np.float32))
    total = exact_sum(metric)
    assert total[0] == times * weight
    assert float(np.float32(times * weight)) != times * weight, "one float32 would do, and this test shows nothing"
    assert total[1 if per == "image" else 2] == (times * weight + 3 if per == "image" else 3)


def test_mean_over_many_images_does_not_drift():
    """A third, 61 times: a plain float32 sum would be off after a few."""
    truth, prediction = masks([1, 1, 1]), masks([1, 0, 0])
    metric, times, plain = Recall("image"), 61, np.float32(0)
    for _ in range(times):
        metric.update_state(truth, prediction)
        plain += np.float32(1 / 3)
    expected = pytest.approx(times * float(np.float32(1 / 3)), rel=1e-12)
    assert exact_sum(metric)[0] == expected
    assert float(plain) != expected, "one float32 would do, and this test shows nothing"
    assert value(metric) == np.float32(1 / 3)


REPLICAS = """
import json, sys
import numpy as np, keras, tensorflow as tf
from braintumorseg.metrics import DiceScore, Specificity

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
data = np.load(sys.argv[1])
with strategy.scope():
    inputs = keras.Input((12, 10, 1))
    model = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    metrics = [
        kind(per, empty=empty, name=f"{kind.default_name}/{per}/{empty}")
        for kind in (DiceScore, Specificity) for per in ("image", "dataset") for empty in (1.0, "skip")
    ]
    model.compile(loss=lambda y_true, y_pred: keras.ops.mean(y_pred, axis=(1, 2, 3)), weighted_metrics=metrics)
assert strategy.num_replicas_in_sync == 2
logs = model.evaluate(
    data["probabilities"], data["truth"], sample_weight=data["weights"], batch_size=4, verbose=0, return_dict=True
)
print(json.dumps(logs))
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="MirroredStrategy belongs to TensorFlow")
def test_two_replicas_see_what_one_device_sees(tmp_path):
    """Batches of 4 over 2 replicas, and a last batch of 1, of which one replica gets nothing."""
    truth, probabilities = blobs(5, (9, 12, 10, 1))
    weights = np.array([1, 0, 2, 0.5, 1, 1, 3, 1, 0.25], np.float32)
    np.savez(tmp_path / "data.npz", truth=truth.astype(np.uint8), probabilities=probabilities, weights=weights)
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS, str(tmp_path / "data.npz")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    logs = json.loads(done.stdout.splitlines()[-1])
    for kind in (DiceScore, Specificity):
        for per in ("image", "dataset"):
            for empty in (1.0, "skip"):
                expected = reference(kind, truth, probabilities >= 0.5, per, empty, weights.astype(np.float64))
                assert logs[f"{kind.default_name}/{per}/{empty}"] == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("kind", METRICS)
def test_round_trip(kind):
    check_round_trip(kind())
    check_round_trip(
        kind(
            "image", threshold=0.3, empty="skip", classes=3, class_id=2, from_logits=True, name="mine", dtype="float16"
        )
    )


def test_saved_model_loads_without_custom_objects(tmp_path):
    truth, probabilities = blobs(6, (5, 8, 8, 1))
    model = identity_model((8, 8, 1), [DiceScore("image", empty="skip"), Recall(threshold=0.4)])
    before = model.evaluate(probabilities, truth, verbose=0, return_dict=True)
    assert set(before) == {"loss", "dice_score", "recall"}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(probabilities, truth, verbose=0, return_dict=True) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"per": "batch"}, "per must be one of 'image', 'dataset'; got 'batch'"),
        ({"threshold": 0}, "threshold must be more than 0 and at most 1; got 0"),
        ({"empty": "nan"}, "empty must be at least 0 and at most 1; got 'nan'"),
        ({"classes": 0}, "classes must be an integer of at least 1; got 0"),
        ({"classes": 2, "class_id": 2}, "class_id must be None or an integer from 0 to 1, as there are classes; got 2"),
        ({"class_id": -1}, "class_id must be an integer of at least 0; got -1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiceScore(**arguments)


def test_base_is_abstract():
    with pytest.raises(TypeError, match="fraction"):
        ConfusionMetric()


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ((2, 8), (2, 8, 8, 1), r"y_true must be of y_pred's shape \(2, 8, 8, 1\) \(or of labels.* got shape \(2, "),
        ((2, 8, 8, 1), (2, 8, 4, 1), r"y_true must be of y_pred's shape"),
        ((1, 8, 8, 1), (2, 8, 8, 1), r"y_true must be of y_pred's shape"),
        ((2, 8, 8, 2), (2, 8, 8, 2), r"y_pred must be of shape \(batch, \*space, 1\), as classes= .*; got 2 classes"),
        ((2, 8, 8), (2, 8, 8), r"y_pred must be of shape \(batch, \*space, 1\), as classes= .*; got 8 classes"),
        ((2, 1), (2, 1), r"y_pred must be of shape \(batch, \*space, classes\); got shape \(2, 1\)"),
    ],
)
def test_mismatched_shapes_are_refused(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        DiceScore(classes=1).update_state(np.zeros(y_true), np.zeros(y_pred))


def test_mismatched_shapes_are_refused_when_compiled():
    model = identity_model((8, 8, 1), [DiceScore()])
    with pytest.raises(ValueError, match=r"y_true must be of y_pred's shape"):
        model.evaluate(np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 3)), verbose=0)


@pytest.mark.parametrize("shape", [(), (2,), (3, 4), (3, 4, 4, 1)])
def test_weights_of_voxels_are_refused(shape):
    with pytest.raises(ValueError, match=r"sample_weight must be one weight for each sample, of shape \(3,\)"):
        DiceScore().update_state(np.zeros((3, 4, 4, 1)), np.zeros((3, 4, 4, 1)), np.ones(shape))


def test_values_outside_of_0_to_1_are_refused():
    zeros, high = np.zeros((1, 2, 2, 1)), np.full((1, 2, 2, 1), 255, np.uint8)
    with pytest.raises(
        ValueError, match=r"y_true must be between 0 and 1 \(write mask > 0 .* got values from 255 to 255"
    ):
        DiceScore().update_state(high, zeros)
    for bad in (zeros - 3, np.full(zeros.shape, np.nan)):
        with pytest.raises(ValueError, match=r"y_pred must be between 0 and 1 \(set from_logits=True for logits\)"):
            DiceScore().update_state(zeros, bad)
    DiceScore(from_logits=True).update_state(zeros, zeros - 3)


BAD_VALUES = [([255, 0], [1, 0]), ([1, 0], [7, -7]), ([1, 0], [np.nan, 0])]


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("per", ["image", "dataset"])
@pytest.mark.parametrize("empty", [1.0, "skip"])
def test_bad_values_never_look_right(kind, per, empty):
    """Compiled functions raise an error, but by XLA of TensorFlow; predictions of NaN are a model that diverged.

    Compiling takes most of the time, so all bad values go through the same functions.
    """
    metric = kind(per, empty=empty)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        # Without AutoGraph, as Keras compiles its own steps.
        graph, xla = (tf.function(metric.update_state, jit_compile=jit, autograph=False) for jit in (None, True))
    if BACKEND == "jax":
        import jax

        compiled = jax.jit(metric.stateless_update_state)
    for truth, prediction in BAD_VALUES:
        bad = [keras.ops.convert_to_tensor(masks(part)) for part in (truth, prediction)]
        diverged = np.isnan(prediction).any()
        metric.reset_state()
        metric.update_state(masks([1, 0], [0, 0]), masks([1, 0], [1, 1]))
        with pytest.raises(ValueError, match="must be between 0 and 1"):
            metric.update_state(*bad)  # nothing is compiled here, and the values lie in the host's memory
        if BACKEND == "tensorflow":
            if diverged:
                graph(*bad)
            else:
                with pytest.raises(tf.errors.InvalidArgumentError, match="must be between 0 and 1"):
                    graph(*bad)
                xla(*bad)
            assert np.isnan(float(metric.result()))
        if BACKEND == "jax":
            variables = [each.value for each in metric.variables]
            if diverged:
                assert np.isnan(float(metric.stateless_result(compiled(variables, *bad))))
            else:
                with pytest.raises(jax.errors.JaxRuntimeError, match="must be between 0 and 1"):
                    jax.block_until_ready(compiled(variables, *bad))
