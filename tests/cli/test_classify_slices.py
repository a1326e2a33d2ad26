import sys

import pandas as pd
import pytest

from braintumorseg import Preprocessing, Segmenter, build_resunet
from braintumorseg.datasets import lgg_split
from braintumorseg.inference import load_slice_classifier
from cases import write_case
from command_line import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six train and two val patients, and a segmenter that was never trained."""
    root = tmp_path_factory.mktemp("detect") / "kaggle_3m"
    for seed, name in enumerate(lgg_split("train")[:6] + lgg_split("val")[:2]):
        write_case(root / name, seed, slices=8)
    (root / "data.csv").write_text("Patient\n")
    Segmenter(build_resunet(filters=(4, 8)), Preprocessing(size=32), name="small").save(root.parent / "small")
    return root


def test_slice_classifier_is_made_and_measured(root, tmp_path):
    small = root.parent / "small"
    made = run("train-slice-classifier", "--data", root, "--preset", small, "-o", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    slice_classifier = load_slice_classifier(tmp_path / "mine")
    assert slice_classifier.name == "mine"
    assert [score.measure for score in slice_classifier.card.scores] == ["ROC AUC", "Accuracy"]
    assert slice_classifier.card.data == "head: 6 train patients of the LGG dataset; encoder: not stated"
    assert slice_classifier.card.scores[0].data == "16 slices of 2 val patients of the LGG dataset"
    assert f"accuracy {slice_classifier.card.scores[1].value:.4f}" in made.stdout
    again = run("train-slice-classifier", "--data", root, "--preset", small, "-o", "mine", cwd=tmp_path)
    assert (again.returncode, "already exists" in again.stderr) == (2, True)
    done = run(
        "classify-slices",
        "--data",
        root,
        "--by",
        "slice-classifier",
        "--slice-classifier",
        "mine",
        "-o",
        "out",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert f"at a threshold of {slice_classifier.threshold:.4g}" in done.stdout
    assert len(pd.read_csv(tmp_path / "out" / "slices.csv")) == 16


@pytest.mark.parametrize("score", ["maximum", "area"])
def test_scores_of_a_segmenter(root, tmp_path, score):
    options = ("--score", score, "--preset", root.parent / "small", "--split", "train", "--threshold", "0.5")
    done = run("classify-slices", "--data", root, "-o", "out", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"by {score} of small: 48 slices of 6 patients" in done.stdout
    assert "fixed before" in done.stdout
    assert (tmp_path / "out" / "detection.html").is_file()
    again = run("classify-slices", "--data", root, "-o", "out", *options, cwd=tmp_path)
    assert (again.returncode, again.stderr.strip().splitlines()[-1].count("already exists")) == (2, 1)


def test_wrong_commands_end_in_one_line(root, tmp_path):
    for command in ("classify-slices", "train-slice-classifier"):
        done = run(command, "--data", tmp_path, "-o", "out", cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "holds no study" in done.stderr
    done = run(
        "classify-slices",
        "--data",
        root,
        "-o",
        "out",
        "--by",
        "slice-classifier",
        "--slice-classifier",
        "none",
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "--slice-classifier must be one of resunet-lgg-slices" in done.stderr


@pytest.mark.parametrize("command", ["classify-slices", "train-slice-classifier"])
def test_without_scikit_learn_the_command_ends_before_its_work(root, tmp_path, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    done = run(command, "--data", root, "--preset", root.parent / "small", "-o", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.endswith("sklearn is not installed; run: pip install 'braintumorseg[research]'\n")
    assert not (tmp_path / "out").exists()
