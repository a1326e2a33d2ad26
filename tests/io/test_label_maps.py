"""Label maps through every pair of a writer and a reader."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from braintumorseg import DataError, Segmentation, make_study, read_segmentation, read_study, write_segmentation
from braintumorseg.study import BRATS, TumorClass
from dicom_files import DESCRIPTIONS, write_classic, write_multiframe

SHAPE = (5, 40, 48)


@pytest.fixture(scope="module")
def phantom():
    return make_study(3, shape=SHAPE, classes=BRATS)


def found_in(study, labels, **options):
    return Segmentation(
        labels=labels,
        classes=BRATS,
        geometry=study.geometry,
        spacing=study.spacing,
        name=study.name,
        slice_names=study.slice_names,
        **options,
    )


def test_nifti_and_back(phantom, tmp_path):
    shares = np.stack([phantom.labels == each.value for each in BRATS], axis=-1).astype(np.float32)
    found = found_in(phantom, phantom.labels, probabilities=shares.sum(-1), class_probabilities=shares)
    path = write_segmentation(found, tmp_path / "case.nii.gz", probabilities=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "case.nii.gz",
        "case_labels.tsv",
        "case_probabilities.nii.gz",
        "case_probabilities_edema.nii.gz",
        "case_probabilities_enhancing.nii.gz",
        "case_probabilities_necrosis.nii.gz",
    ]
    again = read_segmentation(path, phantom)
    assert again.classes == BRATS
    assert np.array_equal(again.labels, phantom.labels)
    assert np.array_equal(again.class_probabilities, shares)
    (tmp_path / "case_labels.tsv").unlink()
    assert [each.name for each in read_segmentation(path, phantom).classes] == ["label 1", "label 2", "label 4"]
    named = read_segmentation(path, phantom, classes={"x": 1, "y": 2, "z": 4})
    assert [each.name for each in named.classes] == ["x", "y", "z"]
    with pytest.raises(DataError, match=r"case.nii.gz: holds the label 4; expected 0 and x = 1, y = 2, or classes="):
        read_segmentation(path, phantom, classes={"x": 1, "y": 2})


def test_a_mask_of_one_class_has_no_table(phantom, tmp_path):
    path = write_segmentation(Segmentation(phantom.mask, geometry=phantom.geometry), tmp_path / "case.nii.gz")
    assert [each.name for each in tmp_path.iterdir()] == ["case.nii.gz"]
    assert len(read_segmentation(path, phantom).classes) == 1


@pytest.mark.parametrize(
    "text", ["", "a\tb\n1\t2\n", "index\tname\tcolor\n1\tx\tred\n", "index\tname\tcolor\n900\tx\t\n"]
)
def test_a_table_that_is_none_is_named(phantom, tmp_path, text):
    path = write_segmentation(found_in(phantom, phantom.labels), tmp_path / "case.nii.gz")
    (tmp_path / "case_labels.tsv").write_text(text)
    with pytest.raises(DataError, match=r"case_labels\.tsv: is no table of labels with the columns index, name, color"):
        read_segmentation(path, phantom)


@pytest.mark.parametrize("kind", ["folder", ".tif", ".png"])
def test_pictures_and_back(phantom, tmp_path, kind):
    count = 1 if kind == ".png" else SHAPE[0]
    names = [f"case_{number}" for number in range(1, count + 1)]
    labels = phantom.labels[2:3] if kind == ".png" else phantom.labels
    found = Segmentation(labels=labels, classes=BRATS, slice_names=names, name="case")
    target = tmp_path if kind == "folder" else tmp_path / f"case_1_mask{kind}"
    write_segmentation(found, target)
    if kind == "folder":
        pages = [Image.fromarray(each) for each in phantom.volume.astype(np.uint8)]
        for name, page in zip(names, pages, strict=True):
            page.save(tmp_path / f"{name}.tif")
        place = tmp_path
    else:
        volume = phantom.volume[2:3] if kind == ".png" else phantom.volume
        first, *others = [Image.fromarray(each) for each in volume.astype(np.uint8)]
        place = tmp_path / f"case_1{kind}"
        first.save(place, **({"save_all": True, "append_images": others} if others else {}))
    study = read_study(place, classes={each.name: each.value for each in BRATS})
    assert np.array_equal(study.labels, labels)
    with pytest.raises(DataError, match="classes= says what several values mean"):
        read_study(place)


@pytest.mark.parametrize("kind", ["classic", "multi-frame"])
def test_dicom_seg_and_back(phantom, tmp_path, kind):
    stack = np.round(phantom.volume).astype(np.uint16)
    for number, (channel, name) in enumerate(enumerate(phantom.sequences), 1):
        write = write_classic if kind == "classic" else write_multiframe
        write(tmp_path / "scan" / name, stack[..., channel], phantom.geometry.file_affine, DESCRIPTIONS[name], number)
    study = read_study(tmp_path / "scan")
    labels = phantom.labels if study.shape == SHAPE else None
    assert labels is not None
    path = write_segmentation(found_in(study, labels), tmp_path / "seg.dcm")
    again = read_segmentation(path, study)
    assert np.array_equal(again.labels > 0, labels > 0)
    assert [each.name for each in again.classes] == ["necrosis", "edema", "enhancing"]
    assert np.array_equal(read_segmentation(path, study, classes=BRATS).labels, labels)
    with pytest.raises(DataError, match=r"has 3 segments \(necrosis, edema, enhancing\); expected 2"):
        read_segmentation(path, study, classes=2)
    with pytest.raises(DataError, match="does not come from DICOM"):
        read_segmentation(path, phantom)
    one = write_segmentation(Segmentation(labels > 0, geometry=study.geometry), tmp_path / "one.dcm")
    assert np.array_equal(read_segmentation(one, study).mask, labels > 0)


def test_a_study_with_several_labels_keeps_them(phantom, tmp_path):
    affine = phantom.geometry.file_affine
    for channel, name in enumerate(phantom.sequences):
        nib.save(nib.Nifti1Image(phantom.volume[..., channel].T, affine), tmp_path / f"case_{name}.nii.gz")
    nib.save(nib.Nifti1Image(phantom.labels.T, affine), tmp_path / "case_seg.nii.gz")
    study = read_study(tmp_path)
    assert set(np.unique(study.labels)) == {0, 1, 2, 4}
    assert [each.name for each in study.classes] == ["label 1", "label 2", "label 4"]
    named = read_study(tmp_path, classes={"necrosis": 1, "edema": 2, "enhancing": 4})
    assert named.classes[2].name == "enhancing"
    with pytest.raises(DataError, match=r"case_seg.nii.gz: holds the label 4; expected 0 and a = 1, b = 2"):
        read_study(tmp_path, classes=("a", "b"))


def test_names_of_classes_in_file_names(phantom, tmp_path):
    classes = (TumorClass("core / necrosis", 1), TumorClass("œdème", 2))
    labels = (phantom.mask * 1).astype(np.uint8)
    shares = np.stack([labels == 1, labels == 2], axis=-1).astype(np.float32)
    found = Segmentation(
        labels=labels, classes=classes, probabilities=shares[..., 0], class_probabilities=shares,
        geometry=phantom.geometry,
    )  # fmt: skip
    path = write_segmentation(found, tmp_path / "case.nii", probabilities=True)
    assert (tmp_path / "case_probabilities_core-necrosis.nii.gz").exists()
    assert read_segmentation(path, phantom).classes[1].name == "œdème"
