"""Results, masks and converted copies beside a study: the study is read as it was, and found once."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from braintumorseg import (
    DataError,
    Segmentation,
    find_studies,
    make_study,
    read_segmentation,
    read_study,
    save_overlay,
    write_segmentation,
)
from braintumorseg.inference.sources import as_study
from braintumorseg.io import study_name
from dicom_files import DESCRIPTIONS, write_classic

SHAPE = (6, 40, 36)
AFFINE = make_study(2, shape=SHAPE).geometry.file_affine


@pytest.fixture(scope="module")
def head():
    study = make_study(2, shape=SHAPE)
    return np.round(study.volume / 2) * 2, study.mask


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(array).transpose(2, 1, 0), AFFINE), path)
    return path


def write_nifti(folder, head):
    for number, name in enumerate(("t1", "flair", "t1ce")):
        save(folder / f"p_{name}.nii.gz", head[0][..., number].astype(np.float32))
    return folder


def write_flair(folder, head):
    save(folder / "p_flair.nii.gz", head[0][..., 1].astype(np.float32))
    return folder


def write_unnamed(folder, head):
    save(folder / "scan.nii.gz", head[0][..., 1].astype(np.float32))
    return folder


def write_dicom(folder, head):
    for number, name in enumerate(("t1", "flair", "t1ce")):
        write_classic(folder, head[0][..., number], AFFINE, DESCRIPTIONS[name], number + 1)
    return folder


def write_deep_dicom(folder, head):
    for number, name in enumerate(("t1", "flair", "t1ce")):
        write_classic(folder / name, head[0][..., number], AFFINE, DESCRIPTIONS[name], number + 1)
    return folder


def write_slices(folder, head):
    folder.mkdir(parents=True)
    for number, image in enumerate(head[0].astype(np.uint8), 1):
        Image.fromarray(image).save(folder / f"p_{number}.tif")
    return folder


WRITERS = [write_nifti, write_flair, write_unnamed, write_dicom, write_deep_dicom, write_slices]


def write_results(study, folder, rename=None):
    """Write every kind of result beside a study, under their own names or others."""
    shares = np.full(study.shape, 0.25, np.float32)
    fields = {"geometry": study.geometry, "slice_names": study.slice_names, "name": study.name}
    mask = study.volume[..., 0] > np.median(study.volume)
    found = Segmentation(mask, shares, uncertainty=shares, engine="openvino", **fields)
    one_slice = mask & (np.arange(len(mask)) == 2)[:, None, None]  # drawing all takes most of the time
    drawn = Segmentation(one_slice, engine="openvino", **fields)
    stem = rename or study.name
    write_segmentation(found, folder / f"{stem}_mask.nii.gz", probabilities=True, uncertainty=True, overwrite=True)
    save_overlay(study, drawn, folder / f"{stem}_overlay.png", overwrite=True)
    write_segmentation(found, folder / "mask.nii.gz", overwrite=True)  # as the README calls it
    write_segmentation(found, folder / "result_t1.nii", overwrite=True)
    save_overlay(study, drawn, folder / "picture_3.png", overwrite=True)
    save_overlay(study, drawn, folder / "p_77.tif", overwrite=True)
    if study.geometry is not None and study.geometry.dicom is not None:
        write_segmentation(found, folder / "a.dcm", overwrite=True)  # the first file of the folder


@pytest.mark.parametrize("write", WRITERS)
def test_results_change_nothing_of_their_study(tmp_path, head, write):
    folder = write(tmp_path / "case", head)
    (place,), inner = find_studies(tmp_path), find_studies(folder)
    before = read_study(place)
    for _ in range(2):
        write_results(before, folder)
        assert find_studies(tmp_path) == [place]
        assert find_studies(folder) == inner
        after = read_study(place)
        np.testing.assert_array_equal(after.volume, before.volume)
        assert (after.sequences, after.mask, after.name) == (before.sequences, None, before.name)
        assert (after.notes, study_name(place)) == (before.notes, before.name)


@pytest.mark.parametrize("write", [write_nifti, write_dicom, write_slices])
def test_a_folder_of_results_is_no_study(tmp_path, head, write):
    study = read_study(write(tmp_path / "studies" / "case", head))
    places = find_studies(tmp_path / "studies")
    (tmp_path / "studies" / "results").mkdir()
    write_results(study, tmp_path / "studies" / "results")
    (tmp_path / "alone").mkdir()
    write_results(study, tmp_path / "alone")
    assert find_studies(tmp_path / "studies") == places
    with pytest.raises(DataError, match="holds no study"):
        find_studies(tmp_path / "alone")
    with pytest.raises(DataError):
        read_study(tmp_path / "alone")


def test_a_result_is_not_read_as_an_image(tmp_path, head):
    study = read_study(write_nifti(tmp_path, head))
    write_results(study, tmp_path)
    for path in (tmp_path / "result_t1.nii", tmp_path / "picture_3.png", tmp_path / "mask.nii.gz"):
        with pytest.raises(
            DataError, match=rf"{path.name}: is a \w+ that braintumorseg wrote; expected an image of its study"
        ):
            read_study(path)
        with pytest.raises(DataError, match="holds no study"):
            find_studies(path)
    with pytest.raises(DataError, match=r"result_t1\.nii: is a prediction that braintumorseg wrote"):
        read_study(flair=tmp_path / "p_flair.nii.gz", t1=tmp_path / "result_t1.nii")
    with pytest.raises(DataError, match=r"mask\.nii\.gz: is a prediction that braintumorseg wrote"):
        as_study(nib.load(tmp_path / "mask.nii.gz"))
    assert read_segmentation(tmp_path / "mask.nii.gz", study).mask.any()


def test_masks_of_slices_that_a_model_found_are_no_truth(tmp_path, head):
    folder = write_slices(tmp_path / "p", head)
    study = read_study(folder)
    write_segmentation(Segmentation(head[1], slice_names=study.slice_names, engine="keras"), folder)
    with pytest.warns(UserWarning, match=r"p_1_mask\.tif, .* left out: found by a model of braintumorseg, not drawn"):
        assert read_study(folder).mask is None
    Image.fromarray(head[0][3].astype(np.uint8)).save(tmp_path / "a.png")
    write_segmentation(Segmentation(head[1][3:4], engine="keras"), tmp_path / "a_mask.png")
    with pytest.warns(UserWarning, match=r"a_mask\.png left out: found by a model"):
        assert read_study(tmp_path / "a.png").mask is None


def test_masks_of_slices_that_were_drawn_are_the_truth(tmp_path, head):
    folder = write_slices(tmp_path / "p", head)
    study = read_study(folder)
    write_segmentation(Segmentation(head[1], slice_names=study.slice_names), folder)
    np.testing.assert_array_equal(read_study(folder).mask, head[1])


# --- masks of others ------------------------------------------------------------------------------------------------

NAMES = ["mask", "Mask", "tumor_mask", "p_tumour_seg", "lesionMask", "segmentation", "p_segmentation", "labels", "gt"]


@pytest.mark.parametrize("write", [write_nifti, write_flair])
@pytest.mark.parametrize("name", [*NAMES, "ground_truth", "p_seg", "seg"])
def test_the_user_s_mask_is_the_truth(tmp_path, head, write, name):
    save(write(tmp_path / "case", head) / f"{name}.nii.gz", head[1].astype(np.uint8))
    assert find_studies(tmp_path) == [tmp_path / "case"]
    study = read_study(tmp_path / "case")
    np.testing.assert_array_equal(study.mask, head[1])
    noted = any(f"{name}.nii.gz is read as the study's mask" in note for note in study.notes)
    assert noted == (not name.endswith("seg"))


@pytest.mark.parametrize(
    "name", ["brain_mask", "p_brain_seg", "T1_seg", "BrainMask", "skull_mask", "mask_final_2", "csf_labels", "p_mask"]
)
def test_other_masks_are_neither_truth_nor_image(tmp_path, head, name):
    save(write_nifti(tmp_path / "case", head) / f"{name}.nii.gz", head[1].astype(np.uint8))
    assert find_studies(tmp_path) == [tmp_path / "case"]
    study = read_study(tmp_path / "case")
    assert (study.mask, study.notes) == (None, ())
    save(write_unnamed(tmp_path / "other", head) / f"{name}.nii.gz", head[1].astype(np.uint8))
    assert find_studies(tmp_path / "other") == [tmp_path / "other" / "scan.nii.gz"]


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_is_not_read_as_an_image_unless_told(tmp_path, head, name):
    path = save(tmp_path / f"{name}.nii.gz", head[1].astype(np.uint8))
    with pytest.raises(DataError, match=rf"{name}\.nii\.gz: is seg by its name; expected .* or sequences= to say"):
        read_study(path)
    assert read_study(path, sequences=["flair"]).sequences == ("flair",)


def test_of_two_masks_none_is_taken_unless_one_is_called_seg(tmp_path, head):
    folder = write_nifti(tmp_path, head)
    save(folder / "mask.nii.gz", head[1].astype(np.uint8))
    save(folder / "tumor_mask.nii.gz", head[1].astype(np.uint8))
    with pytest.warns(UserWarning, match=r"mask\.nii\.gz, tumor_mask\.nii\.gz left out: each may be the mask"):
        assert read_study(folder).mask is None
    save(folder / "p_seg.nii.gz", head[1][::-1].astype(np.uint8))
    with pytest.warns(UserWarning, match=r"mask\.nii\.gz, tumor_mask\.nii\.gz left out: p_seg\.nii\.gz is the mask"):
        np.testing.assert_array_equal(read_study(folder).mask, head[1][::-1])


def test_a_mask_on_another_grid_is_left(tmp_path, head):
    save(write_nifti(tmp_path, head) / "mask.nii.gz", head[1][:4].astype(np.uint8))
    with pytest.warns(UserWarning, match=r"mask\.nii\.gz left out: not on the grid of p_flair\.nii\.gz"):
        assert read_study(tmp_path).mask is None


def test_our_mask_under_the_name_of_the_truth_is_the_truth(tmp_path, head):
    study = read_study(write_nifti(tmp_path, head))
    drawn = Segmentation(head[1], geometry=study.geometry)
    write_segmentation(drawn, tmp_path / "p_seg.nii.gz")
    after = read_study(tmp_path)
    np.testing.assert_array_equal(after.mask, head[1])
    assert after.notes == ()
    found = Segmentation(head[1], geometry=study.geometry, engine="openvino")
    write_segmentation(found, tmp_path / "p_seg.nii.gz", overwrite=True)
    with pytest.warns(UserWarning, match=r"p_seg\.nii\.gz was found by a model of braintumorseg"):
        np.testing.assert_array_equal(read_study(tmp_path).mask, head[1])


@pytest.mark.parametrize("values", [1, 255, 3])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_labels_beside_images_are_no_study(tmp_path, head, values, suffix, kind):
    labels = (head[1] * values).astype(kind)
    labels[0, 0, :3] = 1
    save(write_unnamed(tmp_path, head) / f"ADR-01{suffix}", labels)
    assert find_studies(tmp_path) == [tmp_path / "scan.nii.gz"]


def test_labels_under_the_name_of_a_sequence_are_left(tmp_path, head):
    save(write_flair(tmp_path, head) / "p_t1.nii.gz", head[1].astype(np.uint8))
    with pytest.warns(UserWarning, match=r"p_t1\.nii\.gz left out: it holds labels, so it is a mask and not t1"):
        assert read_study(tmp_path).sequences == ("flair",)


def test_phantoms_of_two_values_are_studies(tmp_path, head):
    for name in ("a", "b"):
        save(tmp_path / "alone" / f"{name}.nii.gz", head[1].astype(np.float32))
    assert len(find_studies(tmp_path / "alone")) == 2
    for name in ("t1", "flair"):
        save(tmp_path / "named" / f"p_{name}.nii.gz", head[1].astype(np.float32))
    assert find_studies(tmp_path / "named") == [tmp_path / "named"]
    assert read_study(tmp_path / "named").sequences == ("t1", "flair")
    save(tmp_path / "lone" / "x.nii.gz", head[1].astype(np.float32))
    assert read_study(*find_studies(tmp_path / "lone")).volume.max() == 1


@pytest.mark.parametrize("name", ["labelsTr", "masks", "segmentations"])
def test_a_folder_of_masks_is_passed_over(tmp_path, head, name):
    save(tmp_path / "imagesTr" / "BRATS_001.nii.gz", head[0][..., 1].astype(np.float32))
    save(tmp_path / name / "BRATS_001.nii.gz", head[1].astype(np.uint8))
    assert find_studies(tmp_path) == [tmp_path / "imagesTr" / "BRATS_001.nii.gz"]


# --- copies that dcm2niix makes -------------------------------------------------------------------------------------


def convert(source, folder, head, *, told_by="json"):
    """Write the series as dcm2niix does: named by description, with a JSON, or with its text in the header."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("AX_T1", "AX_T2_FLAIR", "AX_T1_+C")):
        path = save(folder / f"{name}.nii.gz", head[0][..., number].astype(np.float32))
        if told_by == "json":
            record = {"Modality": "MR", "SeriesDescription": name, "ConversionSoftware": "dcm2niix"}
            path.with_name(f"{name}.json").write_text(json.dumps(record))
        else:
            image = nib.load(path)
            image.header["descrip"] = b"TE=90;Time=120000.000"
            nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header), path)


@pytest.mark.parametrize("told_by", ["json", "header"])
@pytest.mark.parametrize("place", [".", "nifti"])
@pytest.mark.parametrize("write", [write_dicom, write_deep_dicom])
def test_dicom_is_read_before_what_was_made_of_it(tmp_path, head, write, place, told_by):
    folder = write(tmp_path / "case", head)
    convert(folder, folder / place, head, told_by=told_by)
    assert find_studies(folder) == [folder]
    assert len(find_studies(tmp_path)) == 1
    if place == ".":
        with pytest.warns(UserWarning, match=r"3 files of other formats left out: .*; DICOM is read before NIfTI"):
            study = read_study(folder)
    else:
        study = read_study(folder)
    assert study.geometry.dicom is not None
    assert study.sequences == ("t1", "flair", "t1ce")


def test_one_series_beside_its_copy_is_one_study(tmp_path, head):
    write_classic(tmp_path / "case" / "dicom", head[0][..., 1], AFFINE, DESCRIPTIONS["flair"])
    convert(None, tmp_path / "case", head)
    assert find_studies(tmp_path / "case") == [tmp_path / "case"]
    with pytest.warns(UserWarning, match="DICOM is read before NIfTI"):
        assert read_study(tmp_path / "case").sequences == ("flair",)


def test_copies_without_their_dicom_are_a_study(tmp_path, head):
    convert(None, tmp_path, head)
    shutil.move(tmp_path / "AX_T1_+C.nii.gz", tmp_path / "AX_T1C.nii.gz")
    assert find_studies(tmp_path) == [tmp_path]
    assert read_study(tmp_path).sequences == ("t1", "flair", "t1ce")
