import json
import re

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import DataError, LGGDataset
from braintumorseg.datasets import Case, StudyDataset, open_dataset
from cases import write_case
from layouts import (
    SHAPE,
    phantom,
    save,
    save_mask,
    save_sequence,
    write_bids,
    write_brats,
    write_decathlon,
    write_folder,
    write_list,
    write_nnunet,
)

ALL = ("t1", "flair", "t1ce", "t2")


def check(dataset, names, patients, sequences=ALL):
    """Names, patients, and the pixels of each study against the phantom that it was written of."""
    assert dataset.names == names
    assert dataset.patients == patients
    assert len(dataset) == len(names)
    for seed, (name, study) in enumerate(zip(names, dataset, strict=True)):
        assert study.name == name
        assert study.sequences == sequences
        expected = phantom(seed)
        for sequence in sequences:
            written = expected.sequence("t1" if sequence == "t2" else sequence)
            np.testing.assert_allclose(study.sequence(sequence), written, atol=0.51)
        np.testing.assert_array_equal(study.mask, expected.mask)
        assert Case.from_config(json.loads(json.dumps(dataset.case(name).get_config()))).study().name == name
    assert dataset.problems() == []


def test_brats(tmp_path):
    dataset = open_dataset(write_brats(tmp_path / "data"))
    names = ("BraTS-GLI-00001-000", "BraTS-GLI-00001-001", "BraTS-GLI-00002-000")
    check(dataset, names, ("BraTS-GLI-00001", "BraTS-GLI-00002"))
    assert dataset.describe() == "BraTS: 3 studies of 2 patients"
    assert dataset.subset(["BraTS-GLI-00001"]).names == names[:2]


def test_bids(tmp_path):
    dataset = open_dataset(write_bids(tmp_path / "data"))
    check(dataset, ("sub-01_ses-1", "sub-01_ses-2", "sub-02"), ("sub-01", "sub-02"))
    assert dataset.describe() == "BIDS: 3 studies of 2 patients, clinical table of 2 columns"
    assert dataset.notes == ()
    assert dataset.table.loc["sub-02"].tolist() == ["Leeds", 61]
    assert dataset.institutions == {"sub-01_ses-1": "York", "sub-01_ses-2": "York", "sub-02": "Leeds"}
    assert dataset.groups("age")["sub-01_ses-2"] == "not given"
    assert dataset.subset(["sub-02"]).table["site"].tolist() == ["Leeds"]
    with pytest.raises(ValueError, match=r"column must be a column of the clinical table \(site, age\); got 'grade'"):
        dataset.groups("grade")


@pytest.mark.parametrize("version", [1, 2])
def test_nnunet(tmp_path, version):
    dataset = open_dataset(write_nnunet(tmp_path / "data", version))
    names = ("case_001", "case_002", "case_003")
    check(dataset, names, names)
    assert dataset.layout == "nnU-Net"
    expected = {"background": 0, "tumour": 1} if version == 1 else {"background": 0, "whole": (1, 2), "core": 2}
    assert dataset.labels == expected
    assert dataset.table.shape == (3, 0)
    assert dataset.institutions == {}


def test_decathlon(tmp_path):
    dataset = open_dataset(write_decathlon(tmp_path / "data"))
    names = ("BRATS_001", "BRATS_002", "BRATS_003")
    check(dataset, names, names, ("flair", "t1", "t1ce", "t2"))
    assert dataset.describe() == "Medical Segmentation Decathlon: 3 patients"
    assert dataset.labels == {"background": 0, "edema": 1}


def test_a_table_that_lists_paths(tmp_path, monkeypatch):
    path = write_list(tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")  # paths are those of the table, not of the folder at hand
    dataset = open_dataset(path)
    assert dataset.names == ("007a", "007b", "12")
    assert dataset.patients == ("007", "12")
    assert [study.sequences for study in dataset] == [("t1", "flair", "adc"), ("t1", "flair", "adc"), ("flair", "adc")]
    np.testing.assert_array_equal(dataset["12"].mask, phantom(2).mask)
    assert dataset.table.columns.tolist() == ["site", "age"]
    assert dataset.table.loc["007b", "age"] == 51


def test_rows_of_the_table_stay_with_their_studies_in_any_order(tmp_path):
    path = write_list(tmp_path / "data")
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(rows)]))
    assert open_dataset(path).table.loc["007a", "site"] == "S0"


def test_any_other_folder(tmp_path):
    dataset = open_dataset(write_folder(tmp_path / "data"))
    check(dataset, ("a", "b", "c"), ("a", "b", "c"), ("t1", "flair", "t1ce"))
    assert dataset.describe() == "folder of studies: 3 patients"
    assert dataset.case("b").source == tmp_path / "data" / "b"
    assert "StudyDataset" in repr(dataset)


def test_the_lgg_dataset_is_one_of_them(tmp_path):
    name = "TCGA_CS_4941_19960909"
    write_case(tmp_path / name, 0)
    assert isinstance(open_dataset(tmp_path), StudyDataset)  # without its table, a folder like others
    (tmp_path / "data.csv").write_text("Patient,laterality\nTCGA_CS_4941,1\n")
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, LGGDataset)
    assert dataset.describe() == "LGG dataset: 1 patient, clinical table of 1 column"
    assert dataset.case(name) == Case(name, name, tmp_path / name)
    assert dataset.groups("laterality") == {name: "1"}


def test_a_folder_with_another_data_csv_is_none(tmp_path):
    write_folder(tmp_path, ["a"])
    (tmp_path / "data.csv").write_text("x\n1\n")
    assert open_dataset(tmp_path).names == ("a",)


def test_a_mask_in_another_orientation_lies_on_the_study(tmp_path):
    root = write_bids(tmp_path / "data")
    study = phantom(2)
    (path,) = root.rglob("sub-02_label-lesion_mask.nii.gz")
    stored = study.geometry.to_file(study.mask.astype(np.uint8))
    affine = study.geometry.file_affine.copy()
    affine[:3, 3] += affine[:3, 0] * (stored.shape[0] - 1)
    affine[:3, 0] *= -1
    nib.save(nib.Nifti1Image(stored[::-1], affine), path)
    np.testing.assert_array_equal(open_dataset(root)["sub-02"].mask, study.mask)


def test_a_mask_on_another_grid_is_refused(tmp_path):
    root = write_nnunet(tmp_path / "data")
    study = phantom(0)
    affine = study.geometry.file_affine.copy()
    affine[:3, 3] += 7
    path = save(study, study.mask.astype(np.uint8), root / "labelsTr" / "case_001.nii.gz", affine)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: does not lie on the FLAIR's grid; expected a mask"):
        open_dataset(root).study("case_001")
    assert "does not lie on the FLAIR's grid" in open_dataset(root).problems()[0]


def test_the_mask_of_a_subject_with_one_session_needs_not_name_it(tmp_path):
    study = phantom(0)
    save_sequence(study, "flair", tmp_path / "sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz")
    save_mask(study, tmp_path / "derivatives/sub-01/sub-01_dseg.nii.gz")
    dataset = open_dataset(tmp_path)
    np.testing.assert_array_equal(dataset[0].mask, study.mask)


def test_a_mask_beside_the_images_of_bids_is_taken(tmp_path):
    study = phantom(0)
    save_sequence(study, "flair", tmp_path / "sub-01/anat/sub-01_FLAIR.nii.gz")
    save_mask(study, tmp_path / "sub-01/anat/sub-01_seg.nii.gz")
    np.testing.assert_array_equal(open_dataset(tmp_path)[0].mask, study.mask)


def lose_mask(root):
    (root / "labelsTr" / "case_002.nii.gz").unlink()


def test_a_study_without_a_mask_is_named_before_it_is_read(tmp_path):
    root = write_nnunet(tmp_path / "data")
    lose_mask(root)
    dataset = open_dataset(root)
    message = "data: case_002 has no mask; expected labelsTr/CASE.nii.gz, or a split that leaves the patient out"
    with pytest.raises(DataError, match=message):
        dataset.check_masks()
    dataset.subset(["case_001"]).check_masks()
    assert dataset.problems() == ["case_002: has no mask"]


def test_problems_name_what_is_odd(tmp_path):
    root = write_nnunet(tmp_path / "data")
    study = phantom(0)
    save(study, np.zeros(SHAPE, np.uint8), root / "labelsTr" / "case_001.nii.gz")
    (root / "imagesTr" / "case_003_0001.nii.gz").write_bytes(b"damaged")
    first, second = open_dataset(root).problems()
    assert first == "case_001: has a mask without any tumour"
    assert "case_003_0001.nii.gz: is damaged" in second


def rewrite(**changes):
    """Change keys of dataset.json; ``None`` removes one."""

    def change(root):
        record = json.loads((root / "dataset.json").read_text()) | changes
        kept = {key: value for key, value in record.items() if value is not None}
        (root / "dataset.json").write_text(json.dumps(kept))

    return change


def write(text):
    return lambda root: (root / "dataset.json").write_text(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (write("{"), "dataset.json: is no JSON"),
        (write("[]"), "dataset.json: describes no dataset; expected channel_names"),
        (rewrite(channel_names=None), "dataset.json: describes no dataset; expected channel_names"),
        (rewrite(labels=None), "dataset.json: describes no dataset; expected channel_names"),
        (rewrite(channel_names={"1": "FLAIR"}), "dataset.json: numbers its channels 1; expected 0, 1"),
        (rewrite(channel_names={"0": "T1", "1": "T1w"}), "dataset.json: names the sequence t1 twice"),
        (rewrite(channel_names={"0": "3D"}), "dataset.json: names the channels 3d; expected distinct names such as t1"),
        (
            rewrite(channel_names={"0": "FLAIR"}),
            "case_001_0001.nii.gz: is of a channel that dataset.json does not name",
        ),
        (rewrite(labels={"background": 0, "x": "y"}), "dataset.json: has the label 'x': 'y'; expected"),
        (rewrite(labels={"background": 0, "ignore": 4}), "dataset.json: has the label ignore, which is not read"),
        (lambda root: (root / "dataset.json").unlink(), "dataset.json: can't be read"),
        (
            lambda root: (root / "imagesTr" / "case_002_0003.nii.gz").unlink(),
            "case_002_0003.nii.gz: does not exist; dataset.json names that channel",
        ),
    ],
)
def test_wrong_nnunet_folders_are_one_line(tmp_path, change, message):
    root = write_nnunet(tmp_path / "data")
    change(root)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        open_dataset(root)
    assert str(root) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_nnunet_without_images(tmp_path):
    root = write_nnunet(tmp_path / "data")
    for file in (root / "imagesTr").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="imagesTr: holds no study; expected NIfTI files named"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda root: (root / "imagesTr" / "BRATS_002.nii.gz").unlink(),
            "BRATS_002.nii.gz: does not exist; dataset.json lists it in training",
        ),
        (rewrite(training=["BRATS_001"]), "has 'BRATS_001' in training; expected objects with image and label"),
        (
            rewrite(training=[{"image": "imagesTr/BRATS_001.nii.gz"}] * 2),
            "are two studies of one name, BRATS_001",
        ),
    ],
)
def test_wrong_folders_of_the_decathlon_are_one_line(tmp_path, change, message):
    root = write_decathlon(tmp_path / "data")
    change(root)
    with pytest.raises(DataError, match=re.escape(message)):
        open_dataset(root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "patient,",
            "subject,",
            "studies.csv: has the columns subject, study, .*; expected columns patient, mask, and",
        ),
        ("T1w", "FLAIR", "studies.csv: has two columns of one sequence"),
        ("007b_x", "absent", "studies.csv: line 3: .*absent.nii.gz does not exist; expected a path relative to"),
        ("007,007b", "007,007a", "studies.csv: line 3: the study 007a comes twice; tell a patient's studies apart"),
        ("007,007b", ",007b", "studies.csv: line 3 names no patient"),
        (
            "b,007b_x.nii.gz,007b_y.nii.gz,007b_y.nii.gz",
            "b,,,",
            "studies.csv: line 3: 007b has no file; expected one in",
        ),
    ],
)
def test_wrong_tables_are_one_line(tmp_path, old, new, message):
    path = write_list(tmp_path / "data")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        open_dataset(path)


def test_tables_that_hold_nothing_or_are_none(tmp_path):
    path = tmp_path / "studies.csv"
    path.write_text("patient,flair,mask\n")
    with pytest.raises(DataError, match=r"studies.csv: lists no study"):
        open_dataset(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"studies.csv: can't be read"):
        open_dataset(path)


def test_ambiguous_files_of_bids_are_named(tmp_path):
    root = write_bids(tmp_path / "data")
    save_mask(phantom(2), root / "derivatives/other/sub-02_label-tumor_mask.nii.gz")
    with pytest.raises(DataError, match=r"sub-02: sub-02_label-lesion_mask.nii.gz, .* may each be its mask; keep one"):
        open_dataset(root)
    (root / "derivatives/other/sub-02_label-tumor_mask.nii.gz").unlink()
    save_sequence(phantom(2), "t1", root / "sub-02/anat/sub-02_run-2_T1w.nii.gz")
    assert "sub-02_run-2_T1w.nii.gz" in open_dataset(root).notes[0]
    save_sequence(phantom(2), "flair", root / "sub-02/anat/sub-02_run-2_FLAIR.nii.gz")
    with pytest.raises(DataError, match=r"anat: sub-02_FLAIR.nii.gz and sub-02_run-2_FLAIR.nii.gz look alike"):
        open_dataset(root)


def test_subjects_without_a_flair_are_noted(tmp_path):
    root = write_bids(tmp_path / "data")
    (root / "sub-02/anat/sub-02_FLAIR.nii.gz").unlink()
    assert open_dataset(root).notes == ("sub-02 left out: it has no FLAIR, as others have",)
    for path in root.rglob("*_FLAIR.nii.gz"):
        path.unlink()
    dataset = open_dataset(root)  # none has one: T1 is the grid
    assert dataset.patients == ("sub-01", "sub-02")
    assert dataset["sub-02"].sequences == ("t1", "t1ce", "t2")
    np.testing.assert_array_equal(dataset["sub-02"].mask, phantom(2).mask)
    for path in root.rglob("*w.nii.gz"):
        path.unlink()
    with pytest.raises(DataError, match=r"data: holds no image; expected sub-\*/anat"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\tage\nsub-01\t4\n", r"participants.tsv: has the columns name, age; expected participant_id"),
        ("participant_id\nsub-01\n01\n", r"participants.tsv: has sub-01 twice"),
    ],
)
def test_wrong_participants_are_one_line(tmp_path, text, message):
    root = write_bids(tmp_path / "data")
    (root / "participants.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        open_dataset(root)


def test_places_that_hold_no_dataset(tmp_path):
    with pytest.raises(DataError, match="nothing: does not exist; expected the LGG dataset, BraTS, BIDS"):
        open_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match=f"{re.escape(str(tmp_path))}: holds no study"):
        open_dataset(tmp_path)


def test_two_studies_of_one_name_are_refused(tmp_path):
    for place in ("x/a", "y/a"):
        write_case(tmp_path / place, 0)
    with pytest.raises(DataError, match=r"x/a and .*y/a are two studies of one name, a; rename one"):
        open_dataset(tmp_path)


def test_masks_of_several_values_are_label_maps_with_the_names_of_the_dataset(tmp_path):
    """In the Decathlon's 4-D files and in nnU-Net's single ones; a value without a name is refused."""
    study = phantom(0)
    labels = study.mask.astype(np.uint8)
    labels[:, :32] *= 3
    for root, name in ((write_nnunet(tmp_path / "n"), "case_001"), (write_decathlon(tmp_path / "d"), "BRATS_001")):
        rewrite(labels={"background": 0, "edema": 1, "core": 3})(root)
        save(study, labels, root / "labelsTr" / f"{name}.nii.gz")
        read = open_dataset(root)[name]
        np.testing.assert_array_equal(read.labels, labels)
        assert [(each.name, each.value) for each in read.classes] == [("edema", 1), ("core", 3)]
        rewrite(labels={"background": 0, "edema": 1, "core": 2})(root)
        with pytest.raises(DataError, match=rf"{name}.nii.gz: holds the label 3; expected 0 and edema = 1, core = 2"):
            open_dataset(root).study(name)
    root = write_brats(tmp_path / "b", ["BraTS20_1"])
    save(study, labels, root / "BraTS20_1" / "BraTS20_1-seg.nii.gz")
    assert [each.value for each in open_dataset(root)[0].classes] == [1, 3]


def test_a_mask_of_the_decathlon_on_another_grid_is_refused(tmp_path):
    root = write_decathlon(tmp_path)
    study = phantom(0)
    affine = study.geometry.file_affine * 1.1
    path = save(study, study.mask.astype(np.uint8), root / "labelsTr" / "BRATS_001.nii.gz", affine)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: lies on another grid than BRATS_001; expected"):
        open_dataset(root).study("BRATS_001")


def test_subsets_go_by_patient(tmp_path):
    dataset = open_dataset(write_folder(tmp_path / "data"))
    assert dataset.subset("cb").names == ("b", "c")
    with pytest.raises(ValueError, match="patients must be at least one name; got none"):
        dataset.subset([])
    with pytest.raises(ValueError, match="patients must be out of the 3 of this dataset, a first; got 'd'"):
        dataset.subset("ad")
    with pytest.raises(ValueError, match="name must be one of the 3 studies of this dataset, a first; got 'd'"):
        dataset.study("d")
