"""Segmenters in other processes and threads: copies predict the same, and after a fork nothing hangs."""

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import joblib
import keras
import numpy as np
import pytest

from braintumorseg import Preprocessing, Segmenter, build_resunet, load_pretrained, make_study
from braintumorseg.inference import SliceClassifier, run_many
from braintumorseg.models import build_classifier

pytestmark = pytest.mark.slow

LIMIT = 180  # seconds, after which something hangs
ENGINES = ["openvino", "onnxruntime", "keras"]


@pytest.fixture(scope="module")
def study():
    return make_study(1, shape=(3, 48, 48))


@pytest.fixture
def used(study):
    """A preset that has predicted."""
    segmenter = load_pretrained("resunet-lgg-small")
    segmenter.predict(study, engine="openvino")
    return segmenter


def tuned():
    """A segmenter of an open Keras model, as training leaves it."""
    keras.utils.set_random_seed(0)
    return Segmenter(build_resunet(filters=(4, 8)), Preprocessing(size=32), threshold=0.3, min_voxels=2, name="tuned")


def assert_same(found, expected):
    assert found.probabilities.tobytes() == expected.probabilities.tobytes()
    np.testing.assert_array_equal(found.mask, expected.mask)


def through_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


# --- copies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [through_pickle, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", [lambda: load_pretrained("resunet-lgg-small"), tuned])
def test_a_copy_predicts_the_same_bytes(copied, engine, make, study):
    segmenter = make()
    expected = segmenter.predict(study, engine=engine)
    twin = copied(segmenter)
    assert_same(twin.predict(study, engine=engine), expected)
    assert twin.fingerprint() == segmenter.fingerprint()
    assert (twin.threshold, twin.min_voxels, twin.name) == (segmenter.threshold, segmenter.min_voxels, segmenter.name)


def test_a_preset_s_copy_keeps_its_quantization(used, study):
    expected = used.predict(study, precision="int8")
    used.model.get_layer("logits").trainable = False  # built, and as it was
    twin = through_pickle(used)
    assert_same(twin.predict(study, precision="int8"), expected)
    assert not twin.model.get_layer("logits").trainable


def test_a_copy_keeps_what_was_trained(study):
    segmenter = tuned()
    before = segmenter.predict(study)
    segmenter.model.set_weights([weight + 0.1 for weight in segmenter.model.get_weights()])
    expected = through_pickle(segmenter).predict(study)
    assert_same(segmenter.predict(study), expected)
    assert expected.probabilities.tobytes() != before.probabilities.tobytes()


def test_a_deep_copy_is_trained_for_itself(study):
    segmenter = tuned()
    before = segmenter.predict(study)
    twin = copy.deepcopy(segmenter)
    twin.model.set_weights([weight + 0.1 for weight in twin.model.get_weights()])
    assert_same(segmenter.predict(study), before)


@pytest.mark.parametrize("copied", [through_pickle, copy.deepcopy])
def test_a_slice_classifier_is_copied_with_the_segmenter_it_serves(copied, study):
    keras.utils.set_random_seed(0)
    classifier = SliceClassifier(build_classifier(filters=(4, 8)), Preprocessing(size=32), threshold=0.2)
    answers = classifier.predict(study)
    np.testing.assert_array_equal(copied(classifier).predict(study), answers)
    segmenter = Segmenter(build_resunet(filters=(4, 8)), Preprocessing(size=32), slice_classifier=classifier)
    expected = segmenter.predict(study)
    assert_same(copied(segmenter).predict(study), expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_chosen_engine_can_be_sent_too(engine, study):
    prediction = tuned().prediction(engine=engine)
    (expected,), (found,) = (
        run_many(each, [0], read=lambda _: study) for each in (prediction, through_pickle(prediction))
    )
    assert_same(found.segmentation, expected.segmentation)


# --- other processes ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spawned():
    """Run a task in a process started by spawn, the same for all tests: its import of TensorFlow takes longer than a task."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield lambda task, *arguments, **options: pool.apply_async(task, arguments, options).get(LIMIT)


def predict_all(segmenters, study):
    return [segmenter.predict(study) for segmenter in segmenters]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_spawned_process_finds_the_same(spawned, engine, study):
    segmenter = tuned()
    expected = segmenter.predict(study, engine=engine)
    assert_same(spawned(segmenter.predict, study, engine=engine), expected)


def test_a_spawned_process_finds_the_same_slices(spawned, study):
    classifier = SliceClassifier(build_classifier(filters=(4, 8)), Preprocessing(size=32))
    answers = classifier.predict(study)
    np.testing.assert_array_equal(spawned(classifier.predict, study), answers)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib_finds_the_same(backend, used, study):
    segmenters = [used, tuned()]
    expected = predict_all(segmenters, study)
    tasks = (joblib.delayed(each.predict)(study) for each in segmenters)
    found = joblib.Parallel(2, backend=backend, timeout=LIMIT)(tasks)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


def test_a_worker_of_dask_finds_the_same(used, study):
    distributed = pytest.importorskip("distributed")
    expected = used.predict(study)
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster, timeout=LIMIT) as client:
        tasks = client.map(lambda segmenter: segmenter.predict(study), [used, used], pure=False)
        for found in client.gather(tasks):
            assert_same(found, expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_that_share_a_segmenter_find_the_same(engine):
    studies = [make_study(seed, shape=(2, 48, 48)) for seed in range(4)]
    alone, shared = tuned(), tuned()
    expected = [alone.predict(each, engine=engine) for each in studies]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: shared.predict(each, engine=engine), studies * 4, timeout=LIMIT))
    for one, other in zip(found, expected * 4, strict=True):
        assert_same(one, other)


def test_threads_that_share_a_slice_classifier_find_the_same():
    studies = [make_study(seed, shape=(2, 48, 48)) for seed in range(4)]
    classifier = SliceClassifier(build_classifier(filters=(4, 8)), Preprocessing(size=32))
    expected = [classifier.predict(each) for each in studies]
    with ThreadPoolExecutor(8) as pool:
        np.testing.assert_array_equal(list(pool.map(classifier.predict, studies * 4, timeout=LIMIT)), expected * 4)


# --- forks ----------------------------------------------------------------------------------------------------------

FORKED = """
import multiprocessing, sys, warnings
warnings.simplefilter("ignore")  # of Python and JAX, about forks
import braintumorseg as bts
from braintumorseg.inference import load_slice_classifier

study = bts.make_study(1, shape=(3, 48, 48))
segmenters = [bts.load_pretrained("resunet-lgg-small"), bts.load_pretrained("resunet-lgg-small")]

def prepare(engine, before):
    global segmenters, prediction, classifier
    if before == "predicted":
        segmenters[0].predict(study, engine=engine)
    if before == "small":
        segmenters = [bts.Segmenter(bts.build_resunet(filters=(4, 8)), bts.Preprocessing(size=32), name="small")]
        segmenters[0].predict(study, engine=engine)
    if before == "model":
        segmenters[0].model
    if before == "chosen":
        prediction = segmenters[0].prediction(engine=engine)
    if before == "classifier":
        classifier = load_slice_classifier()
        classifier.predict(study)

def work(engine, before):
    if before == "chosen":
        return [each.segmentation.voxels for each in bts.inference.run_many(prediction, [0], read=lambda _: study)]
    if before == "classifier":
        return classifier.predict(study).shape
    return [float(each.predict(study, engine=engine).probabilities.sum()) for each in segmenters]

if __name__ == "__main__":
    for case in sys.argv[1:]:
        engine, before = case.split("-")
        prepare(engine, before)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            try:
                print("found", pool.apply_async(work, (engine, before)).get(120))
            except multiprocessing.TimeoutError:
                print("hung")
            except RuntimeError as error:
                print("refused", error)
"""


def fork(*cases, backend="tensorflow"):
    """Return what a worker forked after each case, ``engine-before``, answered; one process goes through all of them.

    The whole group of processes is ended if it does not answer.
    """
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "true"  # which take longer than all that is computed here
    command = [sys.executable, "-c", FORKED, *cases]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0, err[-2000:]
    return out.strip().splitlines()[-len(cases) :]


def refused(loaded):
    return (
        f"refused {loaded} was loaded before this process was forked, and can't run in it: "
        'start processes by spawn, with multiprocessing.get_context("spawn")'
    )


forks = pytest.mark.skipif(sys.platform != "linux", reason="the system starts processes by spawn")


@forks
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("before", ["predicted", "chosen"])
def test_a_fork_is_refused_at_once_in_a_line_that_names_spawn(engine, before):
    assert fork(f"{engine}-{before}") == [refused(engine)]


@forks
def test_a_fork_is_refused_once_tensorflow_is_loaded():
    """One process, whose import of TensorFlow takes longer than all else: first the model alone, then predictions."""
    cases = ["keras-model", "openvino-model", "keras-classifier", "keras-predicted"]
    assert fork(*cases) == [refused("tensorflow")] * len(cases)


@forks
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_fork_is_refused_on_other_backends(backend):
    """With a small network, since JAX would compile that of a preset for most of a minute."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    assert fork("keras-small", backend=backend) == [refused(backend)]


@forks
@pytest.mark.parametrize("engine", ENGINES)
def test_a_fork_before_the_first_prediction_works(engine):
    (answer,) = fork(f"{engine}-loaded")
    first, second = answer.removeprefix("found ").strip("[]").split(", ")
    assert first == second
    assert float(first) > 0
