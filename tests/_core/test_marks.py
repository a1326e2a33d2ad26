"""What this package writes is known by its content, whatever it is called."""

import gzip
import shutil

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from braintumorseg import Segmentation, make_study, save_overlay, write_segmentation
from braintumorseg._core.marks import kind_in, kind_of, mark
from braintumorseg.evaluation import score, write_evaluation


@pytest.fixture(scope="module")
def study():
    return make_study(1, shape=(3, 40, 36))


def found(study, **fields):
    shares = study.mask.astype(np.float32)
    return Segmentation(study.mask, shares, geometry=study.geometry, uncertainty=shares, **fields)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("engine", "kind"), [(None, "mask"), ("openvino", "prediction")])
def test_nifti(tmp_path, study, suffix, engine, kind):
    path = tmp_path / f"a{suffix}"
    write_segmentation(found(study, engine=engine), path, probabilities=True, uncertainty=True)
    shutil.move(path, tmp_path / f"t1{suffix}")
    assert kind_of(tmp_path / f"t1{suffix}") == kind
    assert kind_of(tmp_path / "a_probabilities.nii.gz") == kind_of(tmp_path / "a_uncertainty.nii.gz") == "map"
    assert nib.load(tmp_path / f"t1{suffix}").header["descrip"].item().decode() == mark(kind)


def test_nifti_2_and_nifti_without_geometry(tmp_path, study):
    affine, shape = study.geometry.file_affine, study.geometry.file_shape
    header = bytes(nib.Nifti2Image(np.zeros(shape, np.float32), affine).header.binaryblock)
    geometry = type(study.geometry)(affine, shape, study.geometry.axes, study.geometry.flips, header=header)
    assert kind_of(write_segmentation(Segmentation(study.mask, geometry=geometry), tmp_path / "a.nii.gz")) == "mask"
    assert nib.load(tmp_path / "a.nii.gz").header.sizeof_hdr == 540
    assert kind_of(write_segmentation(Segmentation(study.mask), tmp_path / "b.nii")) == "mask"


def test_pictures(tmp_path, study):
    for name in ("a.png", "a.tif", "a.tiff"):
        assert kind_of(save_overlay(study, found(study), tmp_path / name)) == "picture"
    assert b"wrote this picture" in save_overlay(study, found(study), tmp_path / "a.svg").read_bytes()
    write_evaluation(score([(study, found(study))]), tmp_path / "out")
    assert kind_of(tmp_path / "out" / "dice.png") == "picture"


@pytest.mark.parametrize(("engine", "kind"), [(None, "mask"), ("keras", "prediction")])
def test_masks_as_images(tmp_path, study, engine, kind):
    whole, slice_ = found(study, engine=engine), Segmentation(study.mask[:1], engine=engine)
    assert kind_of(write_segmentation(whole, tmp_path / "pages.tif")) == kind
    assert kind_of(write_segmentation(slice_, tmp_path / "a.png")) == kind
    write_segmentation(whole, tmp_path / "folder")
    assert {kind_of(path) for path in (tmp_path / "folder").iterdir()} == {kind}
    with Image.open(tmp_path / "pages.tif") as image:
        assert image.n_frames == 3


def test_files_of_others_have_none(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "empty.nii").write_bytes(b"")
    (tmp_path / "damaged.nii.gz").write_bytes(gzip.compress(b"braintumorseg")[:12] + b"xx")
    (tmp_path / "text.txt").write_text("braintumorseg 1.0 read this mask")
    for path in (*tmp_path.iterdir(), tmp_path / "absent.png", tmp_path):
        assert kind_of(path) is None


def test_a_mark_fits_into_a_header():
    assert max(len(mark(kind)) for kind in ("mask", "prediction", "map", "picture")) < 80
    assert kind_in(b"x" * 9 + mark("map").encode()) == "map"
