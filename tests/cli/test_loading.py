"""``--threshold`` of ``predict``, ``report`` and ``evaluate``."""

import json

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import load_pretrained
from cases import write_case
from command_line import run

SMALL = ("--preset", "resunet-lgg-small")
NOTE = "threshold 0.9 instead of the preset's 0.5"


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    root = tmp_path_factory.mktemp("threshold") / "in"
    for seed in (1, 2):
        write_case(root / f"p{seed}", seed + 1, side=96)
    return root


def voxels(path):
    return np.count_nonzero(np.asarray(nib.load(path).dataobj))


def test_the_preset_has_the_threshold_that_the_note_names():
    assert load_pretrained("resunet-lgg-small").threshold == 0.5


def test_masks_measures_page_and_table_follow_the_threshold(studies, tmp_path):
    plain = run("predict", studies, "-o", tmp_path / "plain", "--report", "--threshold", "0.5", *SMALL)
    high = run("predict", studies, "-o", tmp_path / "high", "--report", "--threshold", "0.9", *SMALL)
    assert (plain.returncode, high.returncode, high.stderr) == (0, 0, "")
    assert voxels(tmp_path / "high/p1_mask.nii.gz") < voxels(tmp_path / "plain/p1_mask.nii.gz")
    record = json.loads((tmp_path / "high/p1_measures.json").read_text())
    assert record["notes"][-1] == NOTE
    assert record["tumour"]["voxels"] == voxels(tmp_path / "high/p1_mask.nii.gz")
    assert "a probability of at least 0.9" in (tmp_path / "high/p1_report.html").read_text()
    assert NOTE in " ".join(high.stdout.replace("│", " ").split())
    assert "instead of the preset's" not in plain.stdout
    assert not any(
        "threshold" in note for note in json.loads((tmp_path / "plain/p1_measures.json").read_text())["notes"]
    )


def test_report_takes_it_too_but_not_with_masks(studies, tmp_path):
    done = run("report", studies / "p1", "-o", tmp_path, "--no-uncertainty", "--threshold", "0.9", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "p1_measures.json").read_text())["notes"][-1] == NOTE
    both = run("report", studies / "p1", "-o", tmp_path, "--masks", tmp_path, "--threshold", "0.9")
    assert (both.returncode, both.stdout) == (2, "")
    assert "--threshold: is for predictions; leave it out with --masks" in both.stderr


def test_a_resumed_run_with_another_threshold_predicts_again(studies, tmp_path):
    command = ("predict", studies, "-o", tmp_path, "--resume", *SMALL)
    assert run(*command).returncode == 0
    before = voxels(tmp_path / "p1_mask.nii.gz")
    assert run(*command, "--threshold", "0.5").stderr == "2 of 2 studies are finished already\n"
    other = run(*command, "--threshold", "0.9")
    assert (other.returncode, other.stderr) == (0, "")
    assert voxels(tmp_path / "p1_mask.nii.gz") < before
    assert run(*command, "--threshold", "0.9").stderr == "2 of 2 studies are finished already\n"


def test_an_evaluation_says_it_and_a_card_refuses_it(studies, tmp_path):
    done = run("evaluate", "--data", studies, "-o", tmp_path / "out", "--threshold", "0.9", *SMALL)
    assert done.returncode == 0
    assert done.stderr.startswith("data: ")
    assert len(done.stderr.splitlines()) == 1
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["segmenter"] == f"resunet-lgg-small with {NOTE}"
    assert NOTE in done.stdout
    folder = load_pretrained("resunet-lgg-small").save(tmp_path / "mine")
    card = run(
        "evaluate", "--data", studies, "-o", tmp_path / "new", "--threshold", "0.9", "--preset", folder, "--card"
    )
    assert (card.returncode, card.stdout) == (2, "")
    assert "--card: is for the preset's own settings; leave out --threshold" in card.stderr


@pytest.mark.parametrize("command", ["predict", "report", "evaluate"])
@pytest.mark.parametrize("value", ["0", "1.01", "-1", "nan"])
def test_its_range_is_checked(studies, tmp_path, command, value):
    source = ("--data", studies) if command == "evaluate" else (studies,)
    done = run(command, *source, "-o", tmp_path / "out", "--threshold", value, *SMALL)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--threshold must be more than 0 and at most 1; got" in done.stderr
    assert not (tmp_path / "out").exists()
