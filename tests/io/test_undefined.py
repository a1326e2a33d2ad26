"""NaN and infinite values in real NIfTI files: around the head, and inside it."""

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import DataError, make_study, read_study
from braintumorseg.io.nifti import study_of_image

pytestmark = pytest.mark.filterwarnings("ignore:.*are NaN or infinite.*taken as air")
BAD = [np.nan, np.inf, -np.inf]


@pytest.fixture(scope="module")
def head():
    return make_study(seed=1, shape=(8, 64, 60))


def write(path, head, array):
    nib.save(nib.Nifti1Image(head.geometry.to_file(array), head.geometry.file_affine), path)
    return path


def frame(head):
    """Beyond a field of view that was moved and turned."""
    rows, columns = np.indices(head.shape[1:])
    outside = np.broadcast_to(rows + columns / 3 < 12, head.shape).copy()
    outside[0] = True
    return outside


def specks_of_the_air(head):
    """As a quotient leaves them where both images are 0."""
    air = np.zeros(head.shape, bool)
    air[:, 2:8:3, 2:50:4] = True
    return air


AROUND = {each.__name__: each for each in (frame, specks_of_the_air)}


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("kind", AROUND)
def test_around_the_head_it_is_air_and_not_covered(tmp_path, head, kind, value):
    outside = AROUND[kind](head)
    flair = head.sequence("flair")

    study = read_study(write(tmp_path / "a.nii.gz", head, np.where(outside, np.float32(value), flair)))

    np.testing.assert_array_equal(study.covered[..., 0], ~outside)
    np.testing.assert_array_equal(study.volume[~outside, 0], flair[~outside])
    assert (study.volume[outside, 0] == flair[~outside].min()).all()
    (note,) = study.notes
    assert "around the head, are NaN or infinite: they are taken as air" in note
    assert f"{outside.mean():.1%}" in note


def test_a_brain_of_mean_0_with_all_else_undefined_starts_at_its_lowest_value(tmp_path, head):
    flair = head.sequence("flair")
    rows, columns = np.mgrid[-1 : 1 : head.shape[1] * 1j, -1 : 1 : head.shape[2] * 1j]
    brain = np.broadcast_to(np.hypot(rows / 0.7, columns / 0.5) < 1, head.shape).copy()
    brain[[0, -1]] = False
    scores = np.where(brain, (flair - flair[brain].mean()) / flair[brain].std(), np.nan).astype(np.float32)

    study = read_study(write(tmp_path / "a.nii.gz", head, scores))

    assert (study.volume[~brain, 0] == np.nanmin(scores)).all()


def test_each_sequence_has_its_own(tmp_path, head):
    outside = frame(head)
    write(tmp_path / "flair.nii.gz", head, head.sequence("flair"))
    write(tmp_path / "t1.nii.gz", head, np.where(outside, np.nan, head.sequence("t1")))

    study = read_study(tmp_path)

    np.testing.assert_array_equal(study.covered, np.stack([~outside, np.ones(head.shape, bool)], axis=-1))
    assert [note.split(":")[0] for note in study.notes[:1]] == ["t1"]


def test_several_in_one_file_have_each_its_own(tmp_path, head):
    outside = frame(head)
    volume = head.volume.copy()
    volume[outside, 2] = np.nan

    study = read_study(write(tmp_path / "a.nii.gz", head, volume))

    assert study.covered[..., :2].all()
    np.testing.assert_array_equal(study.covered[..., 2], ~outside)
    assert [note.split(":")[0] for note in study.notes] == ["t1ce"]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("place", [(4, 30, 30), (0, 30, 28), (7, 34, 30)])
def test_inside_the_head_it_is_an_error_that_says_where(tmp_path, head, place, value):
    flair = head.sequence("flair").copy()
    assert flair[place] > 20
    flair[place] = value
    slice_, row, column = (each + 1 for each in place)

    expected = (
        rf"a\.nii\.gz: must be finite; got 1 NaN or infinite values inside the head, the first in slice {slice_}, "
        rf"row {row}, column {column}"
    )
    with pytest.raises(DataError, match=expected):
        read_study(write(tmp_path / "a.nii.gz", head, flair))


def test_padding_does_not_excuse_what_lies_inside(tmp_path, head):
    flair = np.where(frame(head), np.nan, head.sequence("flair"))
    flair[head.mask] = np.nan

    with pytest.raises(DataError, match=rf"got {head.mask.sum()} NaN or infinite values inside the head"):
        read_study(write(tmp_path / "a.nii.gz", head, flair))


def test_an_image_that_nibabel_holds_is_read_alike(head):
    flair = np.where(frame(head), np.nan, head.sequence("flair"))
    image = nib.Nifti1Image(head.geometry.to_file(flair), head.geometry.file_affine)

    np.testing.assert_array_equal(study_of_image(image).covered[..., 0], ~frame(head))
