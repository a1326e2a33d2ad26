import shutil

import pytest

from braintumorseg.datasets import lgg_split
from command_line import run

pytestmark = pytest.mark.slow


@pytest.fixture
def judge(root, tiny):
    """Run the command, on the dataset's folder if nothing else is said."""
    tiny.write("tiny.toml")

    def judge(*arguments, data=root, recipe="tiny.toml"):
        return run("cross-validate", "--data", data, "--recipe", recipe, "-o", "cv", *arguments)

    return judge


@pytest.fixture
def lgg(root, tmp_path):
    """The dataset as published, its table beside the patients, with one of the test patients."""
    lgg = shutil.copytree(root, tmp_path / "kaggle_3m")
    (lgg / "data.csv").write_text("Patient\n")
    first = sorted(lgg.glob("TCGA*"))[0]
    shutil.copytree(first, lgg / lgg_split("test")[0])
    return lgg


def errors(text):
    """The lines that are neither progress nor remarks."""
    return [line for line in text.splitlines() if line.startswith("braintumorseg: error: ")]


def test_it_goes_on_and_prints_what_holds(judge, lgg, finished, tmp_path):
    """In a folder that lacks nothing but the last prediction, since three trainings would take long."""
    shutil.copytree(finished.folder, "cv")
    lacking = finished.result.folds[2][0]
    (tmp_path / "cv" / "predictions" / f"{lacking}.npz").unlink()
    done = judge("--folds", 3, data=lgg)
    assert (done.returncode, errors(done.stderr)) == (0, [])
    assert "tiny: 3 folds of 6 patients" in done.stderr
    assert "left out: test patients of the project's split (1)" in done.stderr
    assert "fold 3 of 3: 4 patients train, 2 judge" in done.stderr
    assert "fold 1" not in done.stderr
    assert str(finished.result) in done.stdout
    assert "the headline" in done.stdout
    assert "doubtful labels: cv/disagreements.html" in done.stdout


def test_any_folder_of_studies(judge, finished, tmp_path):
    """Without the dataset's table there are no institutions, and so another division into folds."""
    shutil.copytree(finished.folder, "cv")
    done = judge("--folds", 3)
    assert done.returncode == 1
    assert errors(done.stderr) == [
        "braintumorseg: error: cv: holds a cross-validation with another division into folds; give another folder, or go on "
        "with what that one was"
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--folds", 3, "--set", "seed=1"], 1, "with another configuration, that of its config.toml"),
        (["--folds", 2], 1, "of 3 folds, not 2"),
        (["--folds", 3, "--seed", 4], 1, "with seed 0, not 4"),
        (["--folds", 7], 2, "folds must be at most the number of patients, 6; got 7"),
        (["--folds", 1], 2, "folds must be an integer of at least 2; got 1"),
        (["--set", "stepz=1"], 2, "--set: set must be key=value with a key of the configuration"),
        (["--set", "batch_size=0"], 2, "batch_size must be an integer of at least 1; got 0"),
    ],
)
def test_errors_are_one_line_and_change_nothing(judge, lgg, finished, tmp_path, arguments, code, message):
    shutil.copytree(finished.folder, "cv")
    state = (tmp_path / "cv" / "cross-validation.json").read_text()
    done = judge(*arguments, data=lgg)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(errors(done.stderr)) == 1
    assert message in errors(done.stderr)[0]
    assert (tmp_path / "cv" / "cross-validation.json").read_text() == state


def test_what_is_not_there_is_named(judge, tmp_path):
    assert "--data nowhere: is not a folder" in judge(data="nowhere").stderr
    assert "--recipe must be one of " in judge(recipe="nothing.toml").stderr
    (tmp_path / "empty").mkdir()
    assert "holds no study" in judge(data="empty").stderr


def test_test_patients_are_not_judged_on(judge, root, tmp_path):
    name = lgg_split("test")[0]
    shutil.copytree(sorted(root.iterdir())[0], tmp_path / "data" / name)
    (tmp_path / "data" / "data.csv").write_text("Patient\n")
    done = judge(data="data")
    assert done.returncode == 1
    assert "data: holds test patients alone, on whom no recipe is judged" in done.stderr
