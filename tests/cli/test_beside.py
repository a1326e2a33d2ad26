"""Results that lie with their study: a second run reads the study as the first did."""

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from braintumorseg import find_studies, make_study
from command_line import run
from dicom_files import DESCRIPTIONS, write_classic

SHAPE = (5, 64, 64)
PRESET = ("--preset", "resunet-lgg-small")


@pytest.fixture(scope="module")
def head():
    return make_study(4, shape=SHAPE)


def write_nifti(folder, head):
    folder.mkdir()
    for number, name in enumerate(("t1", "flair", "t1ce")):
        array = head.geometry.to_file(head.volume[..., number])
        nib.save(nib.Nifti1Image(array, head.geometry.file_affine), folder / f"p_{name}.nii.gz")


def write_dicom(folder, head):
    for number, name in enumerate(("t1", "flair", "t1ce")):
        array = np.round(head.volume[..., number] / 2) * 2
        write_classic(folder, array, head.geometry.file_affine, DESCRIPTIONS[name], number + 1)


def write_slices(folder, head):
    folder.mkdir()
    for number, image in enumerate(head.volume.round().astype(np.uint8), 1):
        Image.fromarray(image).save(folder / f"p_{number}.tif")


def values(path):
    return np.asarray(nib.load(path).dataobj)


@pytest.mark.parametrize("write", [write_nifti, write_dicom, write_slices])
def test_predicting_into_the_study_s_own_folder(tmp_path, head, write):
    study = tmp_path / "study"
    write(study, head)
    everything = ("--overlay", "--probabilities", "--uncertainty", "--measures", "--report", *PRESET)
    first = run("predict", study, "-o", study, *everything)
    assert (first.returncode, first.stderr) == (0, "")
    mask, shares = values(study / "study_mask.nii.gz"), values(study / "study_mask_probabilities.nii.gz")
    assert find_studies(study) == [study]
    again = run("predict", study, "-o", study, *everything, "--overwrite")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == first.stdout
    np.testing.assert_array_equal(values(study / "study_mask.nii.gz"), mask)
    np.testing.assert_array_equal(values(study / "study_mask_probabilities.nii.gz"), shares)
    (study / "study_mask.nii.gz").rename(study / "mask.nii.gz")
    renamed = run("predict", study, "-o", study, *everything, "--overwrite")
    assert renamed.stdout == first.stdout
    assert find_studies(study) == [study]


def test_what_was_predicted_into_its_own_folder_is_not_done_again(tmp_path, head):
    write_nifti(tmp_path / "study", head)
    arguments = ("predict", tmp_path / "study", "-o", tmp_path / "study", "--overlay", "--resume", *PRESET)
    assert run(*arguments).returncode == 0
    again = run(*arguments)
    assert "1 of 1 studies are finished already" in again.stderr


def test_a_segmentation_among_the_images_it_belongs_to(tmp_path, head):
    write_dicom(tmp_path / "study", head)
    arguments = ("predict", tmp_path / "study", "-o", tmp_path / "study", "--format", "dicom", *PRESET)
    first = run(*arguments)
    assert (first.returncode, first.stderr) == (0, "")
    again = run(*arguments, "--overwrite")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert find_studies(tmp_path / "study") == [tmp_path / "study"]


def test_what_is_malformed_in_dicom_is_one_line_of_warning(tmp_path, head):
    write_dicom(tmp_path / "study", head)
    for path in (tmp_path / "study").iterdir():
        data = pydicom.dcmread(path)
        data.PatientSex = "U"
        data.save_as(path)
    done = run("predict", tmp_path / "study", "-o", tmp_path / "out", "--format", "dicom", *PRESET)
    assert done.returncode == 0
    target = tmp_path / "out" / "study_mask.dcm"
    expected = f"braintumorseg: warning: {target}: PatientSex is malformed in its images: left empty\n"
    assert done.stderr == expected
