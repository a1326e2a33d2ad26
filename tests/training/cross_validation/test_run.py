import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from braintumorseg import DataError, LGGDataset, TrainConfig, cross_validate, dice, load_pretrained
from braintumorseg.datasets import stratified_folds
from braintumorseg.evaluation import Evaluation
from braintumorseg.training import CrossValidation
from braintumorseg.training.state import read_info

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from pathlib import Path
from braintumorseg import TrainConfig, cross_validate
out, *paths = sys.argv[1:]
groups = {Path(path).name: Path(path).name[5:7] for path in paths}
cross_validate(TrainConfig.read("config.toml"), paths, out, institutions=groups, folds=3, progress=False)
"""
ENVIRONMENT = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def stored(folder, name):
    with np.load(folder / "predictions" / f"{name}.npz") as arrays:
        return arrays["mask"], arrays["probabilities"]


def times(folder, pattern):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.glob(pattern)}


def test_no_patient_is_on_both_sides_of_a_fold(finished, root):
    """As the states of the runs say, in which train wrote whom it was given."""
    dataset = LGGDataset(root)
    judged = []
    for number in (1, 2, 3):
        sides = read_info(finished.folder / f"fold_{number}" / "state.safetensors")["patients"]
        fold = finished.result.folds[number - 1]
        assert sides["validation"] == []
        assert not set(sides["training"]) & set(fold)
        assert sorted([*sides["training"], *fold]) == sorted(dataset.patients)
        judged += fold
    assert sorted(judged) == sorted(dataset.patients)  # each once
    assert finished.result.folds == stratified_folds(dataset.patients, dataset.institutions, 3)


def test_every_patient_is_predicted_once_by_the_model_of_the_other_folds(finished, root):
    dataset = LGGDataset(root)
    models = [load_pretrained(finished.folder / f"fold_{number}") for number in (1, 2, 3)]
    assert sorted(path.stem for path in (finished.folder / "predictions").iterdir()) == sorted(dataset.patients)
    for number, fold in enumerate(finished.result.folds):
        for name in fold:
            mask, steps = stored(finished.folder, name)
            own, *others = (models[(number + shift) % 3].predict(dataset[name]) for shift in range(3))
            np.testing.assert_array_equal(mask, own.mask)
            np.testing.assert_allclose(steps / 255, own.probabilities, atol=0.5 / 255 + 1e-6)
            for other in others:  # the folds' models differ, or this test would show nothing
                assert np.abs(steps / 255 - other.probabilities).max() > 0.01


def test_all_patients_are_judged_together(finished, root):
    dataset, table = LGGDataset(root), finished.result.evaluation.table.set_index("name")
    assert sorted(table.index) == sorted(dataset.patients)
    for number, fold in enumerate(finished.result.folds, 1):
        for name in fold:
            assert table.loc[name, "fold"] == number
            assert table.loc[name, "dice"] == pytest.approx(dice(dataset[name].mask, stored(finished.folder, name)[0]))
            assert table.loc[name, "institution"] == name[5:7]
    missing = {name: "t1ce" if name.endswith("0001_20000101") else "none" for name in dataset.patients}
    assert table["missing_sequences"].to_dict() == missing


def test_what_is_left(finished, tiny):
    folder, result = finished.folder, finished.result
    assert {path.name for path in folder.iterdir()} == {
        *("cross-validation.json", "config.toml", "cache", "fold_1", "fold_2", "fold_3", "predictions"),
        *("summary.txt", "patients.csv", "evaluation.json", "dice.png", "disagreements.csv", "disagreements.html"),
    }
    assert TrainConfig.read(folder / "config.toml") == tiny
    for number in (1, 2, 3):
        assert TrainConfig.read(folder / f"fold_{number}" / "config.toml") == tiny
    pd.testing.assert_frame_equal(Evaluation.from_json(folder / "evaluation.json").table, result.evaluation.table)
    assert (folder / "summary.txt").read_text() == f"{result}\n"
    assert pd.read_csv(folder / "patients.csv")["fold"].tolist() == result.evaluation.table["fold"].tolist()
    with Image.open(folder / "dice.png") as picture:
        assert min(picture.size) > 200
    doubtful = pd.read_csv(folder / "disagreements.csv")
    assert doubtful.groupby("name").size().max() <= 2
    assert len(doubtful) <= 20


def test_a_finished_one_is_read_again(finished):
    again = CrossValidation.read(finished.folder)
    assert again.folds == finished.result.folds
    assert str(again) == str(finished.result)
    pairs = list(again.pairs())
    assert [study.name for study, _ in pairs] == sorted(finished.result.evaluation.table["name"])
    for study, segmentation in pairs:
        mask, steps = stored(finished.folder, study.name)
        np.testing.assert_array_equal(segmentation.mask, mask)
        np.testing.assert_allclose(segmentation.probabilities, steps / 255, atol=1e-6)
        assert segmentation.slice_names == study.slice_names


def test_the_text_names_how_it_was_counted(finished):
    result, table = finished.result, finished.result.evaluation.table
    text = str(result)
    assert "Cross-validation of 3 folds, each patient predicted by the model that was trained on the others" in text
    assert f"{table['dice'].mean():.3f}" in text
    assert "mean over patients, whole volumes, every slice in; the headline" in text
    assert "quartiles" in text
    means = [f"{table.loc[table['fold'] == number, 'dice'].mean():.3f} (n = 2)" for number in (1, 2, 3)]
    assert f"Mean Dice by fold: {', '.join(means)}" in text
    for group in ("institution: AA ", "tumour size: small ", "missing sequences: none "):
        assert f"Mean Dice by {group}" in text


def test_by_fold(finished):
    table = finished.result.evaluation.table
    folds = finished.result.by_fold("recall")
    assert folds.index.tolist() == [1, 2, 3]
    assert folds["patients"].tolist() == [2, 2, 2]
    for number in (1, 2, 3):
        values = table.loc[table["fold"] == number, "recall"]
        assert folds.loc[number, "mean"] == pytest.approx(values.mean())
        assert folds.loc[number, "median"] == pytest.approx(values.median())
    with pytest.raises(ValueError, match="measure must be one of"):
        finished.result.by_fold("hd95")


@pytest.fixture
def copy(finished, tmp_path):
    """A finished cross-validation that may be changed."""
    return shutil.copytree(finished.folder, tmp_path / "cv")


def test_nothing_is_done_twice(copy, finished, root, tiny):
    before = times(copy, "fold_*/**/*") | times(copy, "predictions/*")
    again = cross_validate(tiny, LGGDataset(root), copy, folds=3, progress=False)
    assert times(copy, "fold_*/**/*") | times(copy, "predictions/*") == before
    pd.testing.assert_frame_equal(again.evaluation.table, finished.result.evaluation.table)


def test_a_lost_prediction_is_made_anew_by_its_fold_s_model(copy, finished, root, tiny):
    name = finished.result.folds[1][0]
    (copy / "predictions" / f"{name}.npz").unlink()
    shutil.rmtree(copy / "fold_1")  # not needed any more
    before = times(copy, "fold_*/state.safetensors") | times(copy, "predictions/*")
    cross_validate(tiny, LGGDataset(root), copy, folds=3, progress=False)
    after = times(copy, "fold_*/state.safetensors") | times(copy, "predictions/*")
    assert after.keys() - before.keys() == {(copy / "predictions" / f"{name}.npz").relative_to(copy)}
    assert {path: after[path] for path in before} == before
    np.testing.assert_array_equal(stored(copy, name)[0], stored(finished.folder, name)[0])


def test_another_cross_validation_is_refused(copy, root, tiny, tmp_path):
    dataset = LGGDataset(root)

    def attempt(config=tiny, studies=dataset, **options):
        with pytest.raises(DataError) as caught:
            cross_validate(config, studies, copy, progress=False, **{"folds": 3} | options)
        assert str(caught.value).startswith(f"{copy}: holds a cross-validation ")
        return str(caught.value)

    before = times(copy, "**/*")
    assert "with another configuration, that of its config.toml" in attempt(config=tiny.replace(seed=1))
    assert "of other patients, 6" in attempt(studies=dataset.subset(dataset.patients[:5]))
    assert "of 3 folds, not 2" in attempt(folds=2)
    assert "with seed 0, not 1" in attempt(seed=1)
    regrouped = {name: name.split("_")[2] for name in dataset.patients}
    assert "with another division into folds" in attempt(institutions=regrouped)
    assert times(copy, "**/*") == before


def test_results_of_unknown_origin_are_refused(copy, root, tiny):
    (copy / "cross-validation.json").unlink()
    with pytest.raises(DataError, match=r"holds results, but no cross-validation\.json that says of what"):
        cross_validate(tiny, LGGDataset(root), copy, folds=3, progress=False)
    with pytest.raises(DataError, match="expected the folder of a cross-validation"):
        CrossValidation.read(copy)


def test_studies_may_move(copy, root, tiny, tmp_path):
    moved = shutil.copytree(root, tmp_path / "elsewhere")
    cross_validate(tiny, LGGDataset(moved), copy, folds=3, progress=False)
    shutil.rmtree(moved)
    with pytest.raises(DataError, match="elsewhere"):
        next(CrossValidation.read(copy).pairs())


def test_what_is_damaged_or_unfinished_is_named(copy, root, tiny):
    name = LGGDataset(root).patients[0]
    file = copy / "predictions" / f"{name}.npz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError, match=rf"{name}\.npz: can't be read .* remove it, and call again"):
        cross_validate(tiny, LGGDataset(root), copy, folds=3, progress=False)
    np.savez_compressed(file, mask=np.zeros((1, 2, 3), bool), probabilities=np.zeros((1, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"expected a prediction on the study's grid \(6, 64, 64\); it has \(1, 2, 3\)"):
        cross_validate(tiny, LGGDataset(root), copy, folds=3, progress=False)
    (copy / "evaluation.json").unlink()
    with pytest.raises(DataError, match=r"is not finished; expected evaluation\.json"):
        CrossValidation.read(copy)
    (copy / "cross-validation.json").write_text('{"config": 1}')
    with pytest.raises(DataError, match="is not the state of a cross-validation"):
        CrossValidation.read(copy)


def test_killed_within_a_fold_it_goes_on(copy, finished, root, tiny):
    """From paths and groups this time; what comes out is what the run on the dataset left, which was never killed."""
    paths = [root / name for name in LGGDataset(root).patients]
    shutil.rmtree(copy / "fold_2")
    for name in finished.result.folds[1]:
        (copy / "predictions" / f"{name}.npz").unlink()
    before = times(copy, "fold_[13]/**/*") | times(copy, "predictions/*")
    tiny.write("config.toml")
    command = [sys.executable, "-c", SCRIPT, str(copy), *map(str, paths)]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        log = copy / "fold_2" / "log.csv"
        while not log.exists() or len(log.read_text().splitlines()) < 4:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert 0 < read_info(copy / "fold_2" / "state.safetensors")["step"] < tiny.steps

    groups = {path.name: path.name[5:7] for path in paths}
    result = cross_validate(tiny, paths, copy, institutions=groups, folds=3, progress=False)
    after = times(copy, "fold_[13]/**/*") | times(copy, "predictions/*")
    assert {path: after[path] for path in before} == before
    assert result.folds == finished.result.folds
    assert result.evaluation.table["institution"].tolist() == finished.result.evaluation.table["institution"].tolist()
    assert set(result.evaluation.table["missing_sequences"]) == {"none"}  # a copy is an image like any other here
    for name in groups:
        steps = [stored(folder, name)[1].astype(int) for folder in (finished.folder, copy)]
        np.testing.assert_allclose(*steps, atol=1)  # sums of several threads


def test_names_are_unique_and_folds_possible(root, tiny, tmp_path):
    first, second, *_ = (root / name for name in LGGDataset(root).patients)
    with pytest.raises(ValueError, match=f"one study per patient, each of its own name; got '{first.name}' twice"):
        cross_validate(tiny, [first, second, first], tmp_path / "cv", folds=2)
    with pytest.raises(ValueError, match="folds must be at most the number of patients, 2; got 3"):
        cross_validate(tiny, [first, second], tmp_path / "cv", folds=3)
    with pytest.raises(ValueError, match="groups must be the group of every patient"):
        cross_validate(tiny, [first, second], tmp_path / "cv", folds=2, institutions={first.name: "a"})
    assert not (tmp_path / "cv").exists()


def test_weights_that_may_know_the_patients_are_refused(root, tiny, tmp_path):
    with pytest.raises(ValueError, match=r"start must be empty: .* patients that judge; got 'resunet-lgg'"):
        cross_validate(tiny.replace(start="resunet-lgg"), LGGDataset(root), tmp_path / "cv", folds=2)
    assert not (tmp_path / "cv").exists()


def test_nothing_is_chosen_on_the_patients_that_judge(root, tiny, tmp_path):
    with pytest.raises(
        ValueError, match=r"keep_best must be false: nothing is chosen on the patients that judge; got true"
    ):
        cross_validate(tiny.replace(keep_best=True), LGGDataset(root), tmp_path / "cv", folds=2)
    assert not (tmp_path / "cv").exists()


def test_the_models_of_the_dataset_s_folds_say_so(finished):
    card = load_pretrained(finished.folder / "fold_1").card
    assert card.data.startswith("4 patients of the LGG dataset (")
    assert card.scores == ()


def test_folds_of_the_fixture_are_comparable(finished):
    """Institutions are spread, or the tests above would not show that they are."""
    for one, other in combinations(finished.result.folds, 2):
        assert sorted(name[5:7] for name in one) == sorted(name[5:7] for name in other) == ["AA", "BB"]
