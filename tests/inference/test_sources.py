"""What ``predict`` takes: which arrays are whose, and images of nibabel."""

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import DataError, Study, make_study
from braintumorseg.inference.sources import as_study

AFFINE = np.array([[-0.9, 0, 0, 40], [0, -1.1, 0, 30], [0, 0.4, 5, -10], [0, 0, 0, 1]])


@pytest.mark.parametrize("shape", [(24, 64, 60, 3), (155, 240, 240, 3), (1, 64, 48, 3), (1, 32, 1, 3), (64, 48, 3)])
def test_a_last_axis_of_three_is_one_slice_or_a_stack(shape):
    study = as_study(np.zeros(shape))

    assert study.volume.shape == (shape if len(shape) == 4 else (1, *shape))
    assert study.sequences == ("t1", "flair", "t1ce")


@pytest.mark.parametrize("shape", [(24, 64, 60), (3, 64, 64), (1, 64, 48), (64, 48), (64, 3)])
def test_an_array_of_one_sequence_is_named(shape):
    study = as_study(np.zeros(shape), sequence="flair")

    assert study.volume.shape == ((*shape, 1) if len(shape) == 3 else (1, *shape, 1))
    assert study.sequences == ("flair",)


# (height, width, slices): thin stacks, isotropic ones, and those of equal sides, of which nobody can tell.
TURNED = [
    (256, 256, 24),
    (256, 240, 24),
    (240, 240, 155),
    (197, 233, 189),
    (182, 218, 182),
    (64, 64, 64),
    (256, 256, 1),
]


@pytest.mark.parametrize("shape", TURNED)
def test_nibabels_order_is_refused_with_the_right_call(shape):
    shown = r"np\.moveaxis\(array, 2, 0\) puts slices first"
    array = np.zeros((*shape, 3), np.float32)
    with pytest.raises(ValueError, match=shown) as told:
        as_study(array)
    assert "predict(Study(array))" in str(told.value)
    with pytest.raises(ValueError, match=shown):
        as_study(array[..., 0], sequence="flair")

    if shape[0] > shape[2] > 1:  # the call that the message shows
        assert as_study(np.moveaxis(array, 2, 0)).shape == (shape[2], *shape[:2])


@pytest.mark.parametrize("shape", [(256, 256, 24, 3), (240, 240, 155, 3), (256, 240, 24, 3)])
def test_a_study_refuses_what_can_only_be_nibabels_order(shape):
    with pytest.raises(ValueError, match=r"np\.moveaxis\(volume, 2, 0\) puts slices first"):
        Study(np.zeros(shape))
    assert Study(np.zeros(shape), spacing=(1, 1, 1)).shape == shape[:3]  # whose caller has said which axis is which


@pytest.mark.parametrize("shape", [(64, 64, 64, 3), (182, 218, 182, 3), (70, 64, 60, 3)])
def test_a_study_takes_what_may_be_its_own_order(shape):
    assert as_study(Study(np.zeros(shape))).shape == shape[:3]


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((3, 64, 64), r"np\.moveaxis\(array, 0, -1\) puts them last"),
        ((3, 24, 64, 64), r"np\.moveaxis\(array, 0, -1\) puts them last"),
        ((24, 3, 64, 64), r"np\.moveaxis\(array, 1, -1\) puts them last"),
        ((24, 64, 64), r"predict\(array, sequence='flair'\)"),
        ((64, 64), r"predict\(array, sequence='flair'\)"),
    ],
)
def test_other_arrays_are_named_with_the_right_call(shape, advice):
    with pytest.raises(ValueError, match=advice):
        as_study(np.zeros(shape))


@pytest.mark.parametrize(
    ("shape", "sequences", "advice"),
    [
        ((24, 3, 64, 64), ("t1", "flair", "t1ce"), r"np\.moveaxis\(volume, 1, -1\)"),
        ((3, 24, 64, 64), ("t1", "flair", "t1ce"), r"np\.moveaxis\(volume, 0, -1\)"),
        ((24, 64, 64), ("flair",), r"volume\[\.\.\., None\] adds the axis of sequences"),
        ((64, 64, 3), ("t1", "flair", "t1ce"), r"volume\[None\] adds the axis of slices"),
    ],
)
def test_a_study_names_the_axes_that_came(shape, sequences, advice):
    with pytest.raises(ValueError, match=advice):
        Study(np.zeros(shape), sequences)


@pytest.mark.parametrize(
    ("source", "sequence", "message"),
    [
        (np.zeros((4, 8, 8)), "T3", "sequence must be distinct names such as t1, flair, t1ce"),
        (np.zeros((4, 8, 8, 3)), "flair", "one of shape"),
        ("somewhere", "flair", "sequence must be None for a study or a path"),
        (make_study(seed=0, shape=(2, 32, 32)), "flair", "sequence must be None for a study or a path"),
    ],
    ids=["unknown", "of all", "path", "study"],
)
def test_a_sequence_is_of_an_array_of_one(source, sequence, message):
    with pytest.raises(ValueError, match=message):
        as_study(source, sequence=sequence)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.MGHImage])
def test_an_image_of_nibabel_keeps_its_affine(tmp_path, kind):
    phantom = make_study(seed=0, shape=(6, 40, 50))
    values = phantom.sequence("flair").transpose(2, 1, 0)
    written = tmp_path / ("case.mgz" if kind is nib.MGHImage else "case.nii.gz")
    nib.save(kind(values, AFFINE), written)

    for image in (kind(values, AFFINE), nib.load(written)):
        study = as_study(image)
        np.testing.assert_allclose(study.geometry.file_affine, AFFINE, atol=1e-4)
        np.testing.assert_array_equal(study.volume[..., 0], phantom.sequence("flair"))
        assert study.sequences == ("flair",)
    assert study.name == "case"
    assert as_study(image, sequence="t1").sequences == ("t1",)


def test_an_image_of_three_sequences_is_a_study_whose_mask_lies_on_it(tmp_path):
    phantom = make_study(seed=0, shape=(6, 40, 50))
    image = nib.Nifti1Image(phantom.volume.transpose(2, 1, 0, 3), AFFINE)

    study = as_study(image)

    assert study.sequences == ("t1", "flair", "t1ce")
    np.testing.assert_array_equal(study.volume, phantom.volume)
    assert study.name == "image"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (nib.Nifti1Image(np.zeros((8, 8, 4, 3, 2), np.float32), AFFINE), "has shape"),
        (nib.Nifti1Image(np.zeros((8, 8, 4, 2), np.float32), AFFINE), "has 2 sequences"),
        (nib.Nifti1Image(np.zeros((8, 8, 4), np.complex64), AFFINE), "expected real numbers"),
        (nib.Nifti1Image(np.full((8, 8, 4), np.nan, np.float32), AFFINE), "must be finite"),
    ],
    ids=["five axes", "two", "complex", "not a number"],
)
def test_an_image_that_is_no_study_is_named(image, message):
    with pytest.raises(ValueError, match=message):
        as_study(image)


def test_an_image_whose_file_is_gone_is_named(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 4), np.float32), AFFINE), tmp_path / "case.nii")
    image = nib.load(tmp_path / "case.nii")
    (tmp_path / "case.nii").unlink()

    with pytest.raises(DataError, match="values can't be read"):
        as_study(image)
