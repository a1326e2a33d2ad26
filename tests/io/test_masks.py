"""Masks read back: what was written comes back voxel by voxel, and what lies elsewhere is refused."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import DataError, Segmentation, make_study, read_segmentation, write_segmentation
from braintumorseg.study import Geometry


@pytest.fixture(scope="module")
def study():
    return make_study(seed=2, shape=(4, 40, 48))


def found(study):
    shares = np.linspace(0, 1, study.mask.size, dtype=np.float32).reshape(study.shape)
    return Segmentation(study.mask, shares, geometry=study.geometry, spacing=study.spacing, uncertainty=shares[::-1])


@pytest.mark.parametrize("axes", [(2, 1, 0), (0, 2, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(False, True, False), (True, False, True)])
def test_what_was_written_comes_back(study, tmp_path, axes, flips):
    shape = tuple(study.shape[axes.index(axis)] for axis in range(3))
    turned = replace(study, geometry=Geometry(np.diag([-1.0, 2, 3, 1]), shape, axes, flips), spacing=None)
    segmentation = found(turned)
    path = write_segmentation(segmentation, tmp_path / "mask.nii.gz", probabilities=True, uncertainty=True)
    read = read_segmentation(path, turned)
    for name in ("mask", "probabilities", "uncertainty"):
        np.testing.assert_array_equal(getattr(read, name), getattr(segmentation, name))
    assert read.geometry is turned.geometry


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_without_geometry(study, tmp_path):
    plain = replace(study, geometry=None, spacing=None)
    path = write_segmentation(found(plain), tmp_path / "mask.nii.gz")
    read = read_segmentation(path, plain)
    np.testing.assert_array_equal(read.mask, study.mask)
    assert read.probabilities is None


def test_other_grids_and_other_files_are_refused(study, tmp_path):
    path = write_segmentation(found(study), tmp_path / "mask.nii.gz", probabilities=True)
    affine = study.geometry.file_affine.copy()
    affine[0, 3] += 1
    moved = replace(study, geometry=Geometry(affine, study.geometry.file_shape))
    for other in (moved, make_study(seed=2, shape=(4, 40, 50))):
        with pytest.raises(DataError, match="lies on another grid"):
            read_segmentation(path, other)
    with pytest.raises(DataError, match="is no mask that can be read"):
        read_segmentation(tmp_path / "mask.png", study)
    with pytest.raises(DataError, match=r"none\.nii"):
        read_segmentation(tmp_path / "none.nii", study)
    array = np.full(study.geometry.file_shape, 2, np.float32)
    nib.save(nib.Nifti1Image(array, study.geometry.file_affine), tmp_path / "mask_probabilities.nii.gz")
    with pytest.raises(DataError, match="probabilities must be between 0 and 1"):
        read_segmentation(path, study)
