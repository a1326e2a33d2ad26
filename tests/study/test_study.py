import dataclasses
import pickle
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braintumorseg import Segmentation, Study
from braintumorseg.study import Geometry

VOLUME = np.zeros((2, 4, 5, 3), np.float32)
MASK = np.zeros((2, 4, 5), bool)


def test_study_keeps_what_it_was_given():
    volume = np.arange(120, dtype=np.uint8).reshape(2, 4, 5, 3)
    study = Study(volume, mask=volume[..., 0] > 50, spacing=(5, 1, 2), name="case-7")
    assert study.volume.dtype == np.float32
    np.testing.assert_array_equal(study.volume, volume)
    np.testing.assert_array_equal(study.sequence("flair"), volume[..., 1])
    assert study.shape == (2, 4, 5)
    assert study.spacing == (5.0, 1.0, 2.0)


def test_study_is_frozen():
    volume = VOLUME.copy()
    study = Study(volume, mask=MASK)
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        study.volume[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        study.mask[0] = True
    volume[0] = 1  # the caller's own array stays the caller's


def test_study_can_be_read_by_a_person():
    study = Study(VOLUME, mask=MASK, spacing=(5.5, 0.9, 0.9), name="case-7")
    assert repr(study) == (
        "Study 'case-7': 2 slices of 4x5, sequences t1, flair, t1ce, spacing 5.5 x 0.9 x 0.9 mm, mask of 0 voxels"
    )
    alone = Study(VOLUME[:1, ..., :1], sequences=["flair"])
    assert repr(alone) == "Study 'study': 1 slice of 4x5, sequences flair, spacing unknown, no mask"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"volume": VOLUME[0]},
            r"volume must be an array \(slices, height, width, sequences\) .* got shape \(4, 5, 3\)",
        ),
        ({"volume": VOLUME[..., :2]}, r"volume must .* of 3 \(t1, flair, t1ce\) sequences; got shape \(2, 4, 5, 2\)"),
        ({"volume": VOLUME[:0]}, r"volume must .* got shape \(0, 4, 5, 3\)"),
        ({"volume": VOLUME.astype(complex)}, "volume must be an array of real numbers; got dtype complex"),
        ({"volume": VOLUME.astype(str)}, "volume must be an array of real numbers; got dtype"),
        ({"volume": VOLUME * np.nan}, "volume must be finite; got 120 NaN or infinite values, the first in slice 1"),
        ({"volume": np.full(VOLUME.shape, 1e39)}, "volume must be finite"),
        ({"sequences": ("t1", "flair", "T2")}, r"sequences must be distinct names .* got \('t1', 'flair', 'T2'\)"),
        ({"sequences": ("t1", "flair", "flair")}, "sequences must be distinct names"),
        ({"sequences": ()}, "sequences must be distinct names"),
        ({"mask": MASK[0]}, r"mask must be of the shape .* got shape \(4, 5\)"),
        (
            {"mask": MASK * np.uint8(0) + 255},
            r"mask must be boolean, or 0 and 1 \(write mask > 0 .* got values up to 255",
        ),
        ({"spacing": (5, 0, 1)}, r"spacing must be three lengths in mm above 0"),
        ({"spacing": (5, np.inf, 1)}, "spacing must be three lengths"),
        ({"spacing": (1, 1)}, "spacing must be three lengths"),
        ({"covered": MASK}, r"covered must be boolean, of the volume's shape \(2, 4, 5, 3\); got bool \(2, 4, 5\)"),
        ({"covered": VOLUME}, r"covered must be boolean, .* got float32 \(2, 4, 5, 3\)"),
        ({"slice_names": ("a",)}, "slice_names must be one name for each of the 2 slices; got 1"),
        ({"geometry": Geometry(np.eye(4), (5, 4, 3))}, r"geometry must be one of a grid of shape \(2, 4, 5\)"),
    ],
)
def test_study_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Study(**{"volume": VOLUME, **arguments})


def test_unknown_sequence_is_named():
    with pytest.raises(ValueError, match=r"name must be a sequence of this study \(t1, flair, t1ce\); got 't2'"):
        Study(VOLUME).sequence("t2")


def test_sequences_are_chosen_with_what_they_cover():
    volume = np.arange(120).reshape(2, 4, 5, 3)
    study = Study(volume, covered=volume % 3 != 1, mask=MASK)
    assert not study.covered.flags.writeable
    chosen = study.with_sequences(["t1ce", "flair"])
    assert chosen.sequences == ("t1ce", "flair")
    np.testing.assert_array_equal(chosen.volume, volume[..., [2, 1]])
    np.testing.assert_array_equal(chosen.covered, study.covered[..., [2, 1]])
    assert study.with_sequences(["t1"]).covered is None  # it is covered everywhere
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(study)).covered, study.covered)
    for names in ((), ("t2",)):
        with pytest.raises(ValueError, match=r"names must be sequences of this study \(t1, flair, t1ce\); got \("):
            study.with_sequences(names)


def test_segmentation_counts():
    mask = MASK.copy()
    mask[0, 1:3, 1:4] = True
    segmentation = Segmentation(mask, mask * np.float32(0.9), spacing=(5, 1, 2), name="case-7")
    assert (segmentation.voxels, segmentation.slices) == (6, 1)
    assert segmentation.volume_ml == pytest.approx(6 * 10 / 1000)
    assert Segmentation(mask).volume_ml is None
    assert repr(segmentation) == (
        "Segmentation 'case-7': 2 slices of 4x5, 6 tumour voxels (0.1 mL) in 1 slices, spacing 5 x 1 x 2 mm"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask": MASK[0]}, r"mask must be a boolean array \(slices, height, width\); got shape \(4, 5\)"),
        ({"mask": MASK + 2}, "mask must be boolean, or 0 and 1"),
        ({"probabilities": MASK[:1] * 0.5}, r"probabilities must be of the mask's shape \(2, 4, 5\)"),
        ({"probabilities": MASK + 1.5}, "probabilities must be between 0 and 1; got values from 1.5 to 1.5"),
        ({"probabilities": MASK * np.nan}, "probabilities must be between 0 and 1; got values from nan"),
    ],
)
def test_segmentation_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Segmentation(**{"mask": MASK, **arguments})


# --- geometry -------------------------------------------------------------------------------------------------------

orders = st.permutations([0, 1, 2]).map(tuple)
flips = st.tuples(st.booleans(), st.booleans(), st.booleans())


@given(axes=orders, flip=flips, seed=st.integers(0, 100))
def test_geometry_turns_there_and_back(axes, flip, seed):
    array = np.random.default_rng(seed).random((3, 4, 5))
    geometry = Geometry(np.eye(4), array.shape, axes, flip)
    turned = geometry.to_volume(array)
    assert turned.shape == geometry.shape
    np.testing.assert_array_equal(geometry.to_file(turned), array)


@given(axes=orders, flip=flips, seed=st.integers(0, 100))
def test_geometry_says_where_each_voxel_is(axes, flip, seed):
    """A voxel has the same place in the world, found through the file's indices or through the volume's."""
    random = np.random.default_rng(seed)
    affine = np.vstack([random.normal(size=(3, 4)), [0, 0, 0, 1]])
    index = np.array([1, 2, 3])
    geometry = Geometry(affine, (3, 4, 5), axes, flip)
    marked = np.zeros((3, 4, 5))
    marked[tuple(index)] = 1
    place = np.argwhere(geometry.to_volume(marked))[0]
    np.testing.assert_allclose(geometry.affine @ [*place, 1], affine @ [*index, 1], atol=1e-9)


def test_spacing_follows_from_the_geometry():
    geometry = Geometry(np.diag([0.9, 0.8, 5.5, 1]), (5, 4, 2), axes=(2, 1, 0))
    assert Study(VOLUME, geometry=geometry).spacing == pytest.approx((5.5, 0.8, 0.9))
    assert Segmentation(MASK, geometry=geometry).spacing == pytest.approx((5.5, 0.8, 0.9))


@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.eye(3), np.full((4, 4), np.nan)])
def test_impossible_geometry_is_refused(affine):
    with pytest.raises(ValueError, match="file_affine must be a finite, invertible matrix"):
        Geometry(affine, (2, 2, 2))


def test_impossible_axes_are_refused():
    with pytest.raises(ValueError, match=r"axes must be a permutation of \(0, 1, 2\)"):
        Geometry(np.eye(4), (2, 2, 2), axes=(0, 1, 1))


@pytest.mark.parametrize("copy", [deepcopy, lambda record: pickle.loads(pickle.dumps(record))])
def test_copies_are_whole_and_frozen_too(copy):
    """Workers of other processes send both."""
    geometry = Geometry(np.diag([0.9, 0.8, 5.5, 1]), (5, 4, 2), axes=(2, 1, 0))
    study = Study(VOLUME, mask=MASK, geometry=geometry, name="a")
    found = Segmentation(
        MASK, geometry=geometry, name="a", notes=("b",), agreement={"mirrored": 0.5}, doubts={"place": "b"}
    )
    again, found_again = copy(study), copy(found)
    assert repr(again) == repr(study)
    np.testing.assert_array_equal(again.volume, study.volume)
    assert (repr(found_again), found_again.notes, found_again.agreement) == (repr(found), ("b",), {"mirrored": 0.5})
    assert (found_again.evidence, found_again.doubts) == (None, {"place": "b"})
    for array in (again.volume, again.mask, found_again.mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
