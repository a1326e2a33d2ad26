import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import braintumorseg
from braintumorseg import load_pretrained, make_study
from braintumorseg.datasets import lgg_split
from braintumorseg.evaluation import Evaluation, Robustness
from cases import write_case
from command_line import run

BUNDLED = Path(braintumorseg.__file__).parent / "presets" / "weights" / "resunet-lgg"
FILES = {
    "best.png", "median.png", "worst.png", "dice.png", "summary.txt", "patients.csv", "evaluation.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three patients of two institutions, as the dataset is published."""
    root = tmp_path_factory.mktemp("data") / "kaggle_3m"
    for seed, name in enumerate(lgg_split("val")[:2] + lgg_split("test")[:1]):
        write_case(root / name, seed=seed, slices=2)
    (root / "data.csv").write_text("Patient\n")
    return root


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """A whole evaluation with everything that can be asked for, of a preset in a folder."""
    folder = tmp_path_factory.mktemp("done")
    file = shutil.copytree(BUNDLED, folder / "mine") / "braintumorseg.json"
    config = json.loads(file.read_text())
    config["preprocessing"]["size"] = 64  # as large as the patients; a ninth of the time
    file.write_text(json.dumps(config))
    everything = ("--tta", "--robustness", "--card")
    result = run("evaluate", "--data", data, "--preset", "mine", "-o", "out", *everything, cwd=folder)
    return folder, result


def test_everything_is_written(done):
    folder, result = done
    assert result.returncode == 0, result.stderr
    extra = {"with_tta.json", "robustness.csv", "robustness.json"}
    assert {path.name for path in (folder / "out").iterdir()} == FILES | extra
    for picture in (folder / "out").glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_val_is_the_part_and_incompleteness_is_said(done):
    folder, result = done
    evaluation = Evaluation.from_json(folder / "out" / "evaluation.json")
    assert sorted(evaluation.table["name"]) == sorted(lgg_split("val")[:2])
    assert "11 of the 13 val patients are not there" in result.stderr


def test_the_printed_figures_are_those_of_the_files(done):
    folder, result = done
    out = folder / "out"
    evaluation = Evaluation.from_json(out / "evaluation.json")
    assert str(evaluation) in result.stdout
    assert (out / "summary.txt").read_text() == f"{evaluation}\n"
    pd.testing.assert_frame_equal(pd.read_csv(out / "patients.csv"), evaluation.table)
    assert set(evaluation.table["institution"]) == {name.split("_")[1] for name in evaluation.table["name"]}
    for row in evaluation.table.itertuples():
        assert f"{row.dice:.3f}" in next(line for line in result.stdout.splitlines() if row.name in line)
    assert str(Robustness.from_json(out / "robustness.json")) in result.stdout
    assert "resunet-lgg (int8, test-time augmentation) minus resunet-lgg (int8): mean difference" in result.stdout


def test_the_card_holds_what_was_measured(done):
    folder, _ = done
    out = folder / "out"
    evaluation = Evaluation.from_json(out / "evaluation.json")
    augmented = Evaluation.from_json(out / "with_tta.json")
    table = Robustness.from_json(out / "robustness.json").table
    card = load_pretrained(folder / "mine").card
    assert card.scores[0].value == pytest.approx(evaluation.table["dice"].mean(), abs=1e-4)
    assert card.scores[6].value == pytest.approx(augmented.table["dice"].mean(), abs=1e-4)
    assert (evaluation.segmenter, evaluation.tta, evaluation.precision) == ("resunet-lgg", False, "int8")
    assert (augmented.segmenter, augmented.tta, augmented.precision) == ("resunet-lgg", True, "int8")
    assert [(each.tta, each.precision) for each in card.scores[5:]] == [
        *[(False, "int8"), (True, "int8"), (True, "int8"), (False, "float32"), (False, "float32")]
    ]
    assert card.scores[0].data == "2 val patients of the LGG dataset"
    assert [drop.change for drop in card.robustness] == table["change"].tolist()[1:]
    assert [drop.drop for drop in card.robustness] == pytest.approx(table["drop"].tolist()[1:], abs=1e-4)
    assert (folder / "mine" / "CARD.md").read_text().startswith("# resunet-lgg\n")


def test_any_folder_of_studies(data):
    shutil.copytree(data, "plain")
    Path("plain/data.csv").unlink()
    result = run("evaluate", "--data", "plain", "-o", "out")
    assert result.returncode == 0, result.stderr
    evaluation = Evaluation.from_json("out/evaluation.json")
    assert len(evaluation.table) == 3
    assert set(evaluation.table["institution"]) == {"not given"}
    assert {path.name for path in Path("out").iterdir()} == FILES


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--data", "nowhere"], 2, "--data nowhere: is not a folder"),
        (["--preset", "resnet"], 2, "--preset must be one of "),
        (["--card"], 2, "--card: writes into the folder of a preset; --preset resunet-lgg is not one"),
        (["--split", "train"], 1, "holds none of the 77 train patients"),
    ],
)
def test_errors_are_one_line_and_write_nothing(data, arguments, code, message):
    base = [] if "--data" in arguments else ["--data", data]
    result = run("evaluate", *base, "-o", "out", *arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert not Path("out").exists()


def test_split_is_of_the_dataset_alone(data):
    shutil.copytree(data, "plain")
    Path("plain/data.csv").unlink()
    result = run("evaluate", "--data", "plain", "--split", "val", "-o", "out")
    assert (result.returncode, result.stderr) == (
        2,
        "braintumorseg: error: --split val: is a part of the LGG dataset, or of --split-file; plain has no split\n",
    )


@pytest.mark.parametrize(
    ("file", "arguments"), [("worst.png", []), ("with_tta.json", ["--tta"]), ("robustness.csv", ["--robustness"])]
)
def test_nothing_is_replaced_unasked(data, file, arguments):
    Path("out").mkdir()
    Path("out", file).write_text("mine")
    result = run("evaluate", "--data", data, "-o", "out", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"out/{file}: already exists; pass overwrite=True (CLI: --overwrite) to replace it" in result.stderr
    assert [path.name for path in Path("out").iterdir()] == [file]
    assert Path("out", file).read_text() == "mine"


def test_subjects_of_bids_are_studies_by_their_names():
    for number in (1, 2):
        study, folder = make_study(number, shape=(5, 64, 64)), Path(f"bids/sub-0{number}/anat")
        folder.mkdir(parents=True)
        for name, array in (("FLAIR", study.sequence("flair")), ("seg", study.mask.astype(np.uint8))):
            image = nib.Nifti1Image(study.geometry.to_file(array), study.geometry.file_affine)
            nib.save(image, folder / f"sub-0{number}_{name}.nii.gz")
    result = run("evaluate", "--data", "bids", "-o", "out")
    assert result.returncode == 0, result.stderr
    assert sorted(Evaluation.from_json("out/evaluation.json").table["name"]) == ["sub-01", "sub-02"]


def test_two_studies_of_one_name_are_refused(data):
    """One would stand for both in the table."""
    for place in ("a", "b"):
        shutil.copytree(data / lgg_split("val")[0], Path("plain", place, "one"))
    result = run("evaluate", "--data", "plain", "-o", "out")
    assert (result.returncode, result.stdout) == (1, "")
    assert "plain/a/one and plain/b/one are two studies of one name, one; rename one, or list both" in result.stderr


def test_unwritable_output_is_told_before_the_work(data):
    Path("file").write_text("")
    result = run("evaluate", "--data", data, "-o", "file/out")
    assert (result.returncode, result.stdout) == (1, "")
    assert "file/out: can't be written (" in result.stderr


def test_studies_without_masks_are_named(data):
    folder = shutil.copytree(data / lgg_split("val")[0], Path("plain/one"))
    for mask in folder.glob("*_mask.tif"):
        mask.unlink()
    result = run("evaluate", "--data", "plain", "-o", "out")
    assert (result.returncode, result.stdout) == (1, "")
    assert "one: has no mask; an evaluation needs the truth" in result.stderr
    assert not Path("out").exists()


def test_json_holds_the_figures_for_other_programs(done):
    folder, _ = done
    record = json.loads((folder / "out" / "evaluation.json").read_text())
    dice = [patient["dice"] for patient in record["patients"]]
    assert record["summary"]["mean"] == pytest.approx(sum(dice) / 2)
    assert {row["convention"] for row in record["dice"] if row["headline"]} == {"patient_mean"}
    assert sum(row["patients"] for row in record["groups"]["institution"]) == 2
    assert set(record["groups"]) == {"institution", "tumour_size", "missing_sequences"}
