"""Pictures, and files of poorer formats, beside studies."""

import shutil

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from braintumorseg import DataError, Segmentation, find_studies, make_study, read_study, write_segmentation
from braintumorseg.io import study_name
from dicom_files import DESCRIPTIONS, write_classic

PICTURES = ["snapshot_1.png", "logo.png", "screen.tif", "page 3.tiff"]
SHAPE = (7, 40, 36)


@pytest.fixture(scope="module")
def head():
    study = make_study(2, shape=SHAPE)
    return np.round(study.volume / 2) * 2, study.geometry.file_affine


def write_dicom(folder, head, examination=1):
    write_classic(folder, head[0][..., 1], head[1], DESCRIPTIONS["flair"], examination=examination)
    return folder


def write_deep_dicom(folder, head, examination=1):
    for number, name in enumerate(("t1", "flair", "t1ce")):
        array = head[0][..., number]
        write_classic(folder / name, array, head[1], DESCRIPTIONS[name], number, examination=examination)
    return folder


def write_nifti(folder, head, examination=1):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("t1", "flair", "t1ce")):
        nib.save(nib.Nifti1Image(head[0][..., number].transpose(2, 1, 0), head[1]), folder / f"p_{name}.nii.gz")
    return folder


def write_lone_nifti(folder, head, examination=1):
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(head[0][..., 1].transpose(2, 1, 0), head[1]), folder / "p_flair.nii.gz")
    return folder


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20), "gray").save(path)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("write", [write_dicom, write_deep_dicom, write_nifti, write_lone_nifti])
def test_a_picture_beside_a_study_is_left_and_noted(tmp_path, head, write, name):
    folder = write(tmp_path / "case", head)
    picture(folder / name)
    with pytest.warns(UserWarning, match=f"1 file of other formats left out: {name}"):
        study = read_study(folder)
    assert study.shape == SHAPE
    np.testing.assert_array_equal(study.sequence("flair"), head[0][..., 1])


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("write", [write_dicom, write_deep_dicom, write_nifti, write_lone_nifti])
def test_a_folder_with_pictures_is_found_once(tmp_path, head, write, name):
    for number in (1, 2):
        picture(write(tmp_path / f"case {number}", head, number) / name)
    picture(tmp_path / "overview_1.png")
    file = "/p_flair.nii.gz" if write is write_lone_nifti else ""
    expected = [f"case {number}{file}" for number in (1, 2)]
    assert [path.relative_to(tmp_path).as_posix() for path in find_studies(tmp_path)] == expected


def test_dicom_wins_over_nifti_and_pictures_beside_it(tmp_path, head):
    write_nifti(write_dicom(tmp_path, head), head)
    picture(tmp_path / "p_1.png")
    with pytest.warns(UserWarning, match=r"4 files of other formats left out: p_flair\.nii\.gz, .*p_1\.png"):
        study = read_study(tmp_path)
    assert study.geometry.dicom is not None
    assert find_studies(tmp_path) == [tmp_path]


def test_pictures_of_results_are_no_news(tmp_path, head):
    picture(write_nifti(tmp_path, head) / "p_overlay.png")
    assert read_study(tmp_path).notes == ()


def test_a_picture_above_a_study_is_not_read_in_its_place(tmp_path, head):
    write_nifti(tmp_path / "case" / "files", head)
    picture(tmp_path / "case" / "snapshot_1.png")
    with pytest.raises(DataError, match="holds pictures, and a study in files"):
        read_study(tmp_path / "case")


def test_folders_of_slices_are_still_slices(tmp_path):
    for number in (1, 2):
        for index in (1, 2, 3):
            picture(tmp_path / f"p{number}" / f"p{number}_{index}.png")
    assert find_studies(tmp_path) == [tmp_path / "p1", tmp_path / "p2"]
    assert read_study(tmp_path / "p1").shape == (3, 20, 30)


def test_one_examination_beside_a_nifti_study_are_two_studies(tmp_path, head):
    write_dicom(tmp_path / "scanned", head)
    write_lone_nifti(tmp_path, head)
    assert sorted(path.name for path in find_studies(tmp_path)) == ["p_flair.nii.gz", "scanned"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_of_two_axes_is_one_slice(tmp_path, suffix):
    values = np.random.default_rng(0).integers(0, 99, (6, 5)).astype(np.int16)
    nib.save(nib.Nifti1Image(values, np.diag([2.0, 3, 1, 1])), tmp_path / f"a{suffix}")
    study = read_study(tmp_path / f"a{suffix}")
    assert (study.shape, study.geometry.spacing) == ((1, 5, 6), (1.0, 3.0, 2.0))
    np.testing.assert_array_equal(np.sort(study.volume.ravel()), np.sort(values.ravel()))
    mask = study.volume[..., 0] > 50
    written = write_segmentation(Segmentation(mask, geometry=study.geometry), tmp_path / f"m_mask{suffix}")
    np.testing.assert_array_equal(np.squeeze(nib.load(written).get_fdata()) > 0, values > 50)


@pytest.mark.parametrize(
    ("folder", "files", "name"),
    [
        ("sub-01/anat", ["sub-01_FLAIR", "sub-01_T1w"], "sub-01"),
        ("sub-01/ses-2/anat", ["sub-01_ses-2_FLAIR"], "sub-01_ses-2"),
        ("sub-01/anat", ["flair", "t1"], "sub-01"),
        ("sub-01/ses-2/anat", ["flair"], "sub-01_ses-2"),
    ],
)
def test_studies_of_bids_are_called_by_their_subject(tmp_path, head, folder, files, name):
    for file in files:
        path = tmp_path / folder / f"{file}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(head[0][..., 1].transpose(2, 1, 0), head[1]), path)
    assert study_name(tmp_path / folder) == name
    assert read_study(tmp_path / folder).name == name


def write_slices(folder, head):
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(np.clip(head[0], 0, 255).astype(np.uint8), 1):
        Image.fromarray(image).save(folder / f"p_{number}.tif")
    return folder


@pytest.mark.parametrize("write", [write_deep_dicom, write_nifti])
@pytest.mark.parametrize("below", ["flair", "pictures"])
def test_pictures_in_the_folders_of_a_study_are_no_study(tmp_path, head, write, below):
    study = write(tmp_path / "study", head)
    (study / below).mkdir(exist_ok=True)
    for number in range(3):
        Image.new("RGB", (30, 20)).save(study / below / f"shot_{number}.png")
    assert find_studies(study) == [study]
    assert read_study(study).shape == SHAPE


def test_one_picture_above_folders_of_slices_is_no_study(tmp_path, head):
    patients = [write_slices(tmp_path / name, head) for name in ("p1", "p2")]
    Image.new("RGB", (30, 20)).save(tmp_path / "overview_1.png")
    assert find_studies(tmp_path) == patients
    with pytest.raises(DataError, match="holds pictures, and a study in p1"):
        read_study(tmp_path)


def test_a_picture_is_not_read_in_place_of_a_zip(tmp_path, head):
    write_deep_dicom(tmp_path / "scans", head)
    place = tmp_path / "case"
    place.mkdir()
    shutil.make_archive(place / "scans", "zip", tmp_path / "scans")
    Image.new("RGB", (30, 20)).save(place / "snapshot_1.png")
    assert find_studies(place) == [place / "scans.zip"]
    with pytest.raises(DataError, match=r"holds pictures, and a study in scans\.zip"):
        read_study(place)


@pytest.mark.parametrize("name", ["seg.nii.gz", "result.nii.gz", "labels.nii"])
def test_masks_beside_slices_are_not_read_in_their_place(tmp_path, head, name):
    study = write_slices(tmp_path / "study", head)
    mask = (head[0][..., 1] > 40).astype(np.float32).transpose(2, 1, 0)
    nib.save(nib.Nifti1Image(mask, head[1]), study / name)
    assert find_studies(study) == [study]
    with pytest.warns(UserWarning, match=f"{name} left out"):
        assert read_study(study).shape == SHAPE


@pytest.mark.parametrize("name", ["flair.hdr", "scan.nrrd", "scan.mha"])
def test_a_volume_of_another_format_beside_pictures_is_told(tmp_path, name):
    Image.new("RGB", (40, 36)).save(tmp_path / "snapshot_1.png")
    (tmp_path / name).write_bytes(b"NRRD0004\n")
    with pytest.warns(UserWarning, match=f"{name} left out"):
        read_study(tmp_path)
