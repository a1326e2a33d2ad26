import pandas as pd
import pytest

from braintumorseg import Preprocessing, Segmenter, build_resunet, lgg_split, load_detector
from cases import write_case
from command_line import run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six train and two val patients, and a segmenter that was never trained."""
    root = tmp_path_factory.mktemp("detect") / "kaggle_3m"
    for seed, name in enumerate(lgg_split("train")[:6] + lgg_split("val")[:2]):
        write_case(root / name, seed, slices=8)
    (root / "data.csv").write_text("Patient\n")
    Segmenter(build_resunet(filters=(4, 8)), Preprocessing(size=32), name="small").save(root.parent / "small")
    return root


def test_detector_is_made_and_measured(root, tmp_path):
    small = root.parent / "small"
    made = run("train-detector", "--data", root, "--preset", small, "--out", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    detector = load_detector(tmp_path / "mine")
    assert detector.name == "mine"
    assert [figure.measure for figure in detector.card.figures] == ["ROC AUC", "Accuracy"]
    assert detector.card.figures[0].data == "16 slices of 2 val patients of the LGG dataset"
    assert f"accuracy {detector.card.figures[1].value:.4f}" in made.stdout
    again = run("train-detector", "--data", root, "--preset", small, "--out", "mine", cwd=tmp_path)
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    done = run("detect", "--data", root, "--by", "detector", "--detector", "mine", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"at a threshold of {detector.threshold:.4g}" in done.stdout
    assert len(pd.read_csv(tmp_path / "out" / "slices.csv")) == 16


@pytest.mark.parametrize("by", ["maximum", "area"])
def test_segmenter_detects(root, tmp_path, by):
    options = ("--by", by, "--preset", root.parent / "small", "--split", "train", "--threshold", "0.5")
    done = run("detect", "--data", root, "--out", "out", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"by {by} of small: 48 slices of 6 patients" in done.stdout
    assert "fixed before" in done.stdout
    assert (tmp_path / "out" / "detection.html").is_file()
    again = run("detect", "--data", root, "--out", "out", *options, cwd=tmp_path)
    assert (again.returncode, again.stderr.strip().splitlines()[-1].count("exists already")) == (2, 1)


def test_wrong_commands_end_in_one_line(root, tmp_path):
    for command in ("detect", "train-detector"):
        done = run(command, "--data", tmp_path, "--out", "out", cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "holds no data.csv" in done.stderr
    done = run("detect", "--data", root, "--out", "out", "--by", "detector", "--detector", "none", cwd=tmp_path)
    assert done.returncode == 2
    assert "name must be one of resunet-lgg-detector" in done.stderr
