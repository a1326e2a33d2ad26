import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from braintumorseg import DataError, LGGDataset, dice, load_pretrained, make_study, read_study, train
from braintumorseg.datasets import lgg_split
from braintumorseg.training.sampling import Sampler
from braintumorseg.training.state import read_info

pytestmark = pytest.mark.slow

# Each process computes on one thread, where the same steps give the same bits. It runs one configuration once or more, each
# time with a folder and a strategy of its own, since TensorFlow's start takes longer than a run.
SCRIPT = """
import json, sys
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
runs = json.loads(sys.argv[1])
if "mirrored" in runs.values():
    one = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one, one])
from braintumorseg import TrainConfig, train
for out, strategy in runs.items():
    train(TrainConfig.read("config.toml"), sys.argv[3:], sys.argv[2:3], out, cache="cache", strategy=strategy)
"""
ENVIRONMENT = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def start(config, cases, **runs):
    config.write("config.toml", overwrite=True)
    command = [sys.executable, "-c", SCRIPT, json.dumps(runs), *map(str, cases)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return errors


def kill_after(process, out, rounds):
    """Kill a run as the machine would, as soon as it has logged so many rounds: between its log and its state, mostly."""
    log = Path(out) / "log.csv"
    for _ in range(30000):
        if log.exists() and len(log.read_text().splitlines()) > rounds:
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_a_run_killed_twice_ends_as_one_that_never_was(plain, cases):
    config = plain.replace(augmentation=plain.augmentation | {"rotation": 15, "noise": 0.1, "sequence_dropout": 0.3})
    config = config.set(
        ["steps=24", "coarse.steps=12", "sampling.stripped_share=0.25", "validate_every=3", "keep_best=true"]
    )
    kill_after(start(config, cases, whole="none", killed="none"), "killed", 2)
    kill_after(start(config, cases, killed="none"), "killed", 7)
    finish(start(config, cases, killed="none"))
    for name in ("state.safetensors", "best/model.safetensors", "model.safetensors"):
        whole, killed = load_file(f"whole/{name}"), load_file(f"killed/{name}")
        assert whole.keys() == killed.keys()
        for key, array in whole.items():
            np.testing.assert_array_equal(array, killed[key], err_msg=f"{name}: {key}")
    assert Path("whole/log.csv").read_text() == Path("killed/log.csv").read_text()


def test_two_devices_train_as_one_does(plain, cases):
    """The same batches, each shared by two: other sums in the normalisation of each half, so alike and not the same."""
    config = plain.set(["model.normalization=group", "model.dropout=0", "loss=[{name='binary_crossentropy'}]"])
    finish(start(config, cases, one="none", two="mirrored"))
    one, two = load_file("one/model.safetensors"), load_file("two/model.safetensors")
    assert one.keys() == two.keys()
    for key, array in one.items():
        np.testing.assert_allclose(array, two[key], atol=2e-4, err_msg=key)


@pytest.fixture(scope="module")
def finished(tiny, cases, tmp_path_factory):
    """The folder of a finished run, and what it returned."""
    out = tmp_path_factory.mktemp("finished")
    return out, train(tiny, cases[1:], cases[:1], out, progress=False)


def test_what_a_run_leaves(finished):
    out, _ = finished
    assert {path.name for path in out.iterdir()} == {
        *("config.toml", "state.safetensors", "log.csv", "tensorboard", "cache"),
        *("braintumorseg.json", "model.safetensors", "curves.png", "worst.png"),
    }
    log = pd.read_csv(out / "log.csv")
    assert log["step"].tolist() == [2, 4, 6, 8]
    assert log["loss"].between(0, 5).all()
    assert log["val_patient_dice"].notna().tolist() == [False, True, False, True]
    with Image.open(out / "curves.png") as curves, Image.open(out / "worst.png") as worst:
        assert min(*curves.size, *worst.size) > 200


def test_the_folder_of_a_run_is_a_preset_of_its_last_step(finished, cases):
    out, segmenter = finished
    log = pd.read_csv(out / "log.csv")
    study = read_study(cases[0])
    loaded = load_pretrained(out)
    np.testing.assert_array_equal(loaded.predict(study).mask, segmenter.predict(study).mask)
    assert dice(study.mask, segmenter.predict(study).mask) == pytest.approx(log["case_0"].iloc[-1], abs=1e-6)
    assert loaded.card == segmenter.card
    assert loaded.card.patients == {"case_0": pytest.approx(log["case_0"].iloc[-1], abs=1e-4)}


def test_the_best_checkpoint_is_kept_where_it_is_asked_for(plain, cases, tmp_path):
    """Its card says on whom it was chosen; what is returned and lies in the run's folder are the last weights."""
    config = plain.set(["steps=40", "validate_every=1", "keep_best=true", "optimizer.learning_rate=3e-2"])
    segmenter = train(config, cases[1:], cases[:1], tmp_path / "run", progress=False)
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    last, best = load_pretrained(tmp_path / "run"), load_pretrained(tmp_path / "run" / "best")
    assert last.fingerprint() == segmenter.fingerprint()
    for preset, value in ((last, log["case_0"].iloc[-1]), (best, log["case_0"].max())):
        assert preset.card.patients == {"case_0": pytest.approx(value, abs=1e-4)}
        assert preset.card.scores[0].value == pytest.approx(value, abs=1e-4)
    assert "1 to choose the best checkpoint by" in best.card.split
    assert best.card.scores[0].data == "1 validation patient, who chose this checkpoint"
    assert last.card.scores[0].data == "1 validation patient"
    with pytest.raises(ValueError, match="validation must be at least one study where keep_best is true; got none"):
        train(config, cases[1:], (), tmp_path / "other", progress=False)
    assert not (tmp_path / "other").exists()


def test_a_run_may_be_called_as_a_bundled_preset_is(plain, cases):
    segmenter = train(plain.set(["steps=2"]), cases, (), "resunet-lgg", progress=False)
    assert segmenter.name == "tiny"


def test_a_finished_run_is_not_trained_again(finished, tiny, cases):
    out, segmenter = finished
    before = (out / "state.safetensors").stat().st_mtime_ns
    again = train(tiny, cases[1:], cases[:1], out, progress=False)
    assert (out / "state.safetensors").stat().st_mtime_ns == before
    assert again.card == segmenter.card


def test_another_configuration_does_not_go_on(finished, tiny, cases):
    out, _ = finished
    with pytest.raises(DataError, match="holds a run with another configuration"):
        train(tiny.replace(seed=1), cases[1:], cases[:1], out, progress=False)


def test_a_run_starts_from_the_weights_of_a_preset(finished, tiny, plain, cases, tmp_path):
    """At a rate of almost nothing the weights stay what they were; the card says where they come from."""
    config = plain.set(["steps=2", f"start={finished[0]}", "optimizer.learning_rate=1e-12"])
    train(config, cases[1:], [], tmp_path / "run", progress=False)
    before, after = (load_file(folder / "model.safetensors") for folder in (finished[0], tmp_path / "run"))
    kernels = [key for key in before if key.endswith("kernel")]
    assert kernels
    for key in kernels:
        np.testing.assert_allclose(after[key], before[key], atol=1e-7, err_msg=key)
    recipe = load_pretrained(tmp_path / "run").card.recipe
    assert recipe.startswith(f"tiny, {config.digest()}: augmented slices, 8 of 32x32; started from tiny (")
    assert recipe.endswith(f"recipe: tiny, {tiny.digest()}: augmented slices, 16 of 16x16, then 16 of 32x32)")
    with pytest.raises(DataError, match="holds a run from another start"):
        train(config.replace(start=""), cases[1:], [], tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("start=nowhere", "start: name must be .*; got 'nowhere'"),
        ("model.filters=[4, 16]", "start: .* is another model than the configuration's, .*4, 16"),
        ("preprocessing.ceiling=3.0", "start: .* has another preprocessing than the configuration: .*ceiling=4.0"),
    ],
)
def test_weights_that_do_not_fit_are_no_start(finished, tiny, cases, tmp_path, change, message):
    config = tiny.set([f"start={finished[0]}", change])
    with pytest.raises(DataError, match=message):
        train(config, cases[1:], [], tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_other_patients_do_not_go_on(finished, tiny, cases):
    out, _ = finished
    with pytest.raises(DataError, match="holds a run on other patients"):
        train(tiny, cases[2:], cases[:1], out, progress=False)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"format": 1}, "of another version of braintumorseg"),
        ({"format": None}, "of another version of braintumorseg"),
        ({"preprocessing": 0}, "with another version of the preprocessing"),
    ],
)
def test_a_run_of_another_version_does_not_go_on(finished, tiny, cases, tmp_path, change, kind):
    """Its state would be read, and go on with other numbers."""
    out = tmp_path / "run"
    out.mkdir()
    path = finished[0] / "state.safetensors"
    save_file(load_file(path), out / path.name, {"braintumorseg": json.dumps(read_info(path) | change)})
    with pytest.raises(
        DataError, match=f"run: holds a run {kind}; give another folder, or go on with that run as it was"
    ):
        train(tiny, cases[1:], cases[:1], out, progress=False)
    assert [file.name for file in out.iterdir()] == [path.name]


def test_the_loss_falls(plain, cases, tmp_path):
    config = plain.set(["steps=60", "round_steps=10", "optimizer.learning_rate=1e-2", "model.dropout=0"])
    train(config, cases, (), tmp_path / "out", progress=False)
    log = pd.read_csv(tmp_path / "out" / "log.csv")
    assert log["loss"].iloc[-1] < 0.8 * log["loss"].iloc[0]
    assert log["val_patient_dice"].isna().all()


def test_without_validation_nothing_is_measured(plain, cases, tmp_path):
    segmenter = train(plain, cases, (), tmp_path / "out", progress=False)
    assert not (tmp_path / "out" / "best").exists()
    assert not (tmp_path / "out" / "worst.png").exists()
    assert segmenter.card.scores == ()
    assert segmenter.card.patients == {}


def test_mixed_precision(plain, cases, tmp_path):
    import keras

    try:
        segmenter = train(
            plain.replace(precision="mixed_float16"), cases[1:], cases[:1], tmp_path / "out", progress=False
        )
        assert keras.mixed_precision.dtype_policy().name == "float32"  # as it was
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    probabilities = segmenter.predict(make_study(seed=9, shape=(2, 64, 64))).probabilities
    assert np.isfinite(probabilities).all()
    assert pd.read_csv(tmp_path / "out" / "log.csv")["loss"].between(0, 5).all()


def test_a_loss_that_is_no_number_stops_the_run(plain, cases, tmp_path, monkeypatch):
    read = Sampler.read

    def poisoned(self, step):
        images, masks = read(self, step)
        return images * (np.nan if step == 5 else 1), masks

    monkeypatch.setattr(Sampler, "read", poisoned)
    message = (
        r"the loss is nan at step 5, with the slices case_\d\[\d\], .*; the last good state is that of step 4, .*state"
    )
    with pytest.raises(DataError, match=message):
        train(plain, cases[1:], cases[:1], tmp_path / "out", progress=False)
    monkeypatch.undo()
    train(plain, cases[1:], cases[:1], tmp_path / "out", progress=False)  # goes on from there


def test_what_can_not_be_trained_is_refused(tiny, cases, tmp_path):
    with pytest.raises(ValueError, match="training must be at least one study"):
        train(tiny, (), (), tmp_path / "out")
    with pytest.raises(ValueError, match="strategy must be one of 'none', 'mirrored'; got 'tpu'"):
        train(tiny, cases, (), tmp_path / "out", strategy="tpu")
    with pytest.raises(DataError, match="nothing"):
        train(tiny, ["nothing"], (), tmp_path / "out")
    assert not (tmp_path / "out" / "state.safetensors").exists()


@pytest.mark.lgg
def test_two_steps_on_the_dataset(plain, lgg_root, tmp_path):
    dataset = LGGDataset(lgg_root)
    training = [name for name in dataset.patients if name in lgg_split("train")][:2]
    validation = next(name for name in dataset.patients if name in lgg_split("val"))
    config = plain.set(["steps=2"])
    train(config, dataset.subset(training), [dataset[validation]], tmp_path / "out", progress=False)
    assert pd.read_csv(tmp_path / "out" / "log.csv")[validation].between(0, 1).all()
