"""A mask lies where its study lies, however the study is stored: written, read, predicted and written again."""

from itertools import permutations, product

import keras
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg import Preprocessing, Segmenter, dice, read_study, write_segmentation
from dicom_files import write_classic

# A head of 100 with a tumour of 220, in mm around the world's origin; half-way between the two is the tumour's surface.
HEAD, TUMOUR, CENTRE = 62.0, 24.0, np.array([14.0, -9.0, 6.0])
HALF_WAY = 160.0


def head(world):
    """FLAIR at places ``(..., 3)`` in mm."""
    outer = np.linalg.norm(world / (0.85, 1, 0.95), axis=-1) - HEAD
    inner = np.linalg.norm(world - CENTRE, axis=-1) - TUMOUR
    return 100 / (1 + np.exp(np.clip(outer / 2, -50, 50))) + 120 / (1 + np.exp(np.clip(inner / 2, -50, 50)))


def places_of(affine, shape):
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def brighter_than_half_way(size):
    """A model that finds what is brighter than half-way, in units of the head's median: 2 (160 / 100 - 1) = 1.2."""
    inputs = keras.Input((None, None, 1))
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.full((1, 1, 1, 1), 1, np.float32), np.array([-1.2], np.float32)])
    return Segmenter(model, Preprocessing(size=size, sequences=("flair",)))


@pytest.fixture(scope="module")
def threshold():
    return brighter_than_half_way(size=128)


@st.composite
def stored(draw):
    """Affine and shape of a file around the head: any order of axes, any flips, oblique, thick along any axis."""
    random = np.random.default_rng(draw(st.integers(0, 100_000)))
    order = draw(st.permutations([0, 1, 2]))
    signs = draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    oblique = nib.eulerangles.euler2mat(*np.radians(random.uniform(-35, 35, 3)))
    spacing = random.uniform(1.5, 2.5, 3)
    spacing[draw(st.integers(0, 2))] *= draw(st.sampled_from([1, 2.5]))
    affine = np.eye(4)
    affine[:3, :3] = (oblique @ (np.eye(3)[order] * signs)) * spacing
    shape = tuple(np.ceil(150 / spacing).astype(int))
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2) + random.uniform(-3, 3, 3)
    return affine, shape


@settings(max_examples=8)
@given(grid=stored(), kind=st.sampled_from([np.int16, np.float32, np.float64]), offset=st.sampled_from([0, -150]))
def test_mask_lies_at_the_tumour_s_place_in_the_world(tmp_path_factory, threshold, grid, kind, offset):
    folder = tmp_path_factory.mktemp("world")
    affine, shape = grid
    flair = head(places_of(affine, shape)) + offset
    nib.save(nib.Nifti1Image(flair.astype(kind), affine), folder / "flair.nii.gz")
    found = threshold.predict(read_study(folder / "flair.nii.gz"))
    written = nib.load(write_segmentation(found, folder / "mask.nii.gz"))
    assert written.affine.tobytes() == nib.load(folder / "flair.nii.gz").affine.tobytes()
    truth = head(places_of(written.affine, written.shape)) > HALF_WAY
    assert dice(truth, np.asarray(written.dataobj) > 0) >= 0.99


def test_all_48_orders_of_axes_give_one_mask(tmp_path):
    threshold = brighter_than_half_way(size=48)
    affine = np.eye(4)
    affine[:3, :3] = nib.eulerangles.euler2mat(0.1, 0.15, -0.1) * (4.2, 3.8, 10)
    shape = (36, 40, 15)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    image = nib.Nifti1Image(head(places_of(affine, shape)).astype(np.float32), affine)
    masks = []
    for axes in permutations(("LR", "PA", "IS")):
        for signs in product((0, 1), repeat=3):
            wanted = nib.orientations.axcodes2ornt([code[sign] for code, sign in zip(axes, signs, strict=True)])
            turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), wanted))
            nib.save(turned, tmp_path / "flair.nii")
            found = threshold.predict(read_study(tmp_path / "flair.nii"))
            written = nib.load(write_segmentation(found, tmp_path / "mask.nii", overwrite=True))
            back = written.as_reoriented(
                nib.orientations.ornt_transform(nib.io_orientation(written.affine), nib.io_orientation(affine))
            )
            np.testing.assert_allclose(back.affine, affine, atol=1e-4)
            masks.append(np.asarray(back.dataobj) > 0)
    assert masks[0].any()
    assert all(np.array_equal(mask, masks[0]) for mask in masks)


@settings(max_examples=4)
@given(grid=stored())
def test_dicom_lies_at_the_tumour_s_place_in_the_world(tmp_path_factory, threshold, grid):
    pytest.importorskip("pydicom")
    folder = tmp_path_factory.mktemp("world")
    affine, shape = grid
    write_classic(folder / "in", head(places_of(affine, shape)).transpose(2, 1, 0), affine)
    found = threshold.predict(read_study(folder / "in"))
    written = nib.load(write_segmentation(found, folder / "mask.nii.gz"))
    truth = head(places_of(written.affine, written.shape)) > HALF_WAY
    assert truth.sum() * abs(np.linalg.det(written.affine[:3, :3])) == pytest.approx(
        4 / 3 * np.pi * TUMOUR**3, rel=0.05
    )
    assert dice(truth, np.asarray(written.dataobj) > 0) >= 0.99
