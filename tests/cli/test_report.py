"""``braintumorseg report`` and ``predict --report``: what is written, where, and what is refused."""

import json
from html import unescape

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from braintumorseg import make_study, read_study
from command_line import run

PRESET = ("--preset", "resunet-lgg-small")


def save(path, seed):
    study = make_study(seed, shape=(4, 64, 64))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(study.geometry.to_file(study.volume), study.geometry.file_affine), path)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Three studies, one of them broken, reported in one run."""
    root = tmp_path_factory.mktemp("many")
    for seed, name in ((1, "a"), (2, "b"), (3, "c")):
        save(root / "in" / f"{name}.nii.gz", seed)
    broken = root / "in" / "c.nii.gz"
    broken.write_bytes(broken.read_bytes()[:2000])
    return root, run("report", root / "in", "-o", root / "out", *PRESET)


def test_many_studies_get_pages_measures_and_an_index(many):
    root, done = many
    names = {f"{study}_{kind}" for study in "ab" for kind in ("report.html", "measures.json", "measures.csv")}
    assert {path.name for path in (root / "out").iterdir()} == {*names, "index.html", "measures.csv"}
    table = pd.read_csv(root / "out" / "measures.csv")
    assert table["name"].tolist() == ["a", "b"]
    record = json.loads((root / "out" / "a_measures.json").read_text())
    assert record["quality"]["agreement"] is not None
    assert 'href="a_report.html"' in (root / "out" / "index.html").read_text()
    assert done.returncode == 1
    assert "c.nii.gz" in done.stderr
    assert done.stderr.strip().endswith("1 of 3 studies failed")


def test_pages_name_the_model_and_that_it_is_for_research(many):
    page = (many[0] / "out" / "a_report.html").read_text()
    for text in (
        "resunet-lgg-small",
        "CC BY-NC-SA 4.0",
        "For research, not for diagnosis",
        "numpy",
        "show-uncertainty",
    ):
        assert text in page
    assert "show-truth" not in page
    assert str(many[0]) not in page


def test_what_is_there_needs_overwrite(many):
    root, _ = many
    before = (root / "out" / "index.html").read_bytes()
    done = run("report", root / "in", "-o", root / "out", *PRESET)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("already exists; pass overwrite=True (CLI: --overwrite) to replace it\n")
    assert (root / "out" / "index.html").read_bytes() == before


def test_two_studies_of_one_name_are_refused(tmp_path):
    save(tmp_path / "in" / "x" / "scan.nii.gz", 1)
    save(tmp_path / "in" / "y" / "scan.nii.gz", 2)
    done = run("report", tmp_path / "in", "-o", tmp_path / "out", *PRESET)
    assert done.returncode == 2
    assert "would have one page" in done.stderr
    assert not (tmp_path / "out").exists()


def test_predict_writes_pages_and_maps_beside_masks(tmp_path):
    save(tmp_path / "a.nii.gz", 1)
    done = run("predict", tmp_path / "a.nii.gz", "-o", tmp_path / "out", "--report", "--uncertainty", *PRESET)
    assert (done.returncode, done.stderr) == (0, "")
    names = ("mask.nii.gz", "mask_uncertainty.nii.gz", "measures.csv", "measures.json", "report.html")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"a_{name}" for name in names)
    spread = np.asarray(nib.load(tmp_path / "out" / "a_mask_uncertainty.nii.gz").dataobj)
    assert 0 < spread.max() <= 1
    again = run("predict", tmp_path / "a.nii.gz", "-o", tmp_path / "out" / "b.nii.gz", "--measures", *PRESET)
    assert again.returncode == 0
    assert (tmp_path / "out" / "b_measures.json").exists()
    assert not (tmp_path / "out" / "b_report.html").exists()


def test_truth_is_shown_if_asked_for(tmp_path):
    study = make_study(1, shape=(3, 64, 64))
    folder = tmp_path / "case"
    folder.mkdir()
    for number, (image, mask) in enumerate(zip(study.volume, study.mask, strict=True), start=1):
        Image.fromarray(image.round().astype(np.uint8)).save(folder / f"case_{number}.tif")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"case_{number}_mask.tif")
    done = run("report", folder, "-o", tmp_path / "out", "--truth", "--no-uncertainty", *PRESET)
    assert done.returncode == 0
    page = (tmp_path / "out" / "case_report.html").read_text()
    assert "show-truth" in page
    assert "Dice with the reader's mask" in unescape(page)
    assert "show-uncertainty" not in page
    assert not (tmp_path / "out" / "index.html").exists()


def test_masks_that_exist_are_shown_and_nothing_is_predicted(many, tmp_path):
    root, _ = many
    for name in "ab":
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.nii.gz").write_bytes((root / "in" / f"{name}.nii.gz").read_bytes())
    predicted = run("predict", tmp_path / "in", "-o", tmp_path / "masks", "--measures", "--probabilities", *PRESET)
    assert (predicted.returncode, predicted.stderr) == (0, "")
    shown = run("report", tmp_path / "in", "-o", tmp_path / "out", "--masks", tmp_path / "masks")
    assert (shown.returncode, shown.stderr) == (0, "")
    before, after = (pd.read_csv(tmp_path / name / "measures.csv") for name in ("masks", "out"))
    pd.testing.assert_frame_equal(before.drop(columns="notes"), after.drop(columns="notes"))
    page = (tmp_path / "out" / "a_report.html").read_text()
    assert "show-probabilities" in page
    assert "Preset" not in page
    (tmp_path / "masks" / "b_mask.nii.gz").unlink()
    lacking = run("report", tmp_path / "in", "-o", tmp_path / "new", "--masks", tmp_path / "masks")
    assert lacking.returncode == 2
    assert "b_mask.nii.gz: does not exist" in lacking.stderr


def test_one_mask_by_its_file_and_a_study_by_its_files(tmp_path):
    save(tmp_path / "scan.nii.gz", 1)
    study = read_study(tmp_path / "scan.nii.gz")
    flair = nib.Nifti1Image(study.geometry.to_file(study.sequence("flair")), study.geometry.file_affine)
    nib.save(flair, tmp_path / "x_flair.nii.gz")
    mask = make_study(1, shape=(4, 64, 64)).mask
    drawn = nib.Nifti1Image(study.geometry.to_file(mask).astype(np.uint8), study.geometry.file_affine)
    nib.save(drawn, tmp_path / "drawn.nii")
    done = run(
        "report", "--flair", tmp_path / "x_flair.nii.gz", "-o", tmp_path / "out", "--masks", tmp_path / "drawn.nii"
    )
    assert (done.returncode, done.stderr) == (0, "")
    (path,) = (tmp_path / "out").glob("*_measures.json")
    assert json.loads(path.read_text())["tumour"]["voxels"] == mask.sum()


def test_report_takes_what_predict_takes(tmp_path):
    study = make_study(1, shape=(4, 64, 64))
    options = []
    for name in study.sequences:
        image = nib.Nifti1Image(study.geometry.to_file(study.sequence(name)), study.geometry.file_affine)
        nib.save(image, tmp_path / f"{name}.nii")
        options += [f"--{name}", tmp_path / f"{name}.nii"]
    mask = nib.Nifti1Image(study.geometry.to_file(study.mask).astype(np.uint8), study.geometry.file_affine)
    nib.save(mask, tmp_path / "drawn.nii")
    done = run("report", *options, "--no-align", "-o", tmp_path / "out", "--masks", tmp_path / "drawn.nii")
    assert (done.returncode, done.stderr) == (0, "")
    (page,) = (tmp_path / "out").glob("*_report.html")
    assert all(label in page.read_text() for label in ("T1 before contrast", "T1 after contrast"))
    for wrong, message in (
        (("--series", "t2=5"), "--series must be such as flair=5, for one of t1, flair, t1ce; got t2=5"),
        (("--sequences", "flair,t2"), "--sequences must be distinct names out of t1, flair, t1ce, or - for others"),
        (("--series", "flair=5"), "flair.nii: holds no series; expected series= for DICOM alone"),
    ):
        refused = run(
            "report", tmp_path / "flair.nii", "-o", tmp_path / "new", "--masks", tmp_path / "drawn.nii", *wrong
        )
        assert refused.returncode == (1 if "holds no" in message else 2)
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr
