import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from braintumorseg.inference import to_mask


def test_threshold_is_included():
    probabilities = np.array([[[0.49, 0.5, 0.51]]], np.float32)
    assert to_mask(probabilities, 0.5).tolist() == [[[False, True, True]]]
    assert to_mask(probabilities, 0.51).tolist() == [[[False, False, True]]]


def test_small_components_are_dropped_and_corners_connect():
    probabilities = np.zeros((4, 8, 8), np.float32)
    probabilities[0, 0, 0] = probabilities[1, 1, 1] = probabilities[2, 2, 2] = 1  # one component of three, by corners
    probabilities[0, 6, 6] = probabilities[0, 6, 7] = 1
    assert to_mask(probabilities, min_voxels=2).sum() == 5
    kept = to_mask(probabilities, min_voxels=3)
    assert np.argwhere(kept).tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    assert not to_mask(probabilities, min_voxels=4).any()


def test_small_holes_of_a_slice_are_filled():
    probabilities = np.zeros((3, 9, 9), np.float32)
    probabilities[:, 1:8, 0:7] = 1
    probabilities[1, 3:5, 2:4] = 0  # a hole of four in its slice, above and below which there is tumour
    probabilities[2, 2:5, 1] = 0  # two holes of three, which touch at a corner
    probabilities[2, 5:8, 2] = 0  # of which this one opens to the outside
    whole = np.zeros((3, 9, 9), bool)
    whole[:, 1:8, 0:7] = True
    whole[2, 5:8, 2] = False
    assert (to_mask(probabilities, min_voxels=5) == whole).all()
    assert to_mask(probabilities, min_voxels=4).sum() == whole.sum() - 4
    assert to_mask(probabilities, min_voxels=3).sum() == whole.sum() - 7
    assert (to_mask(probabilities) == (probabilities > 0)).all()


def test_a_slice_without_tumour_between_others_stays_so():
    probabilities = np.zeros((3, 6, 6), np.float32)
    probabilities[[0, 2], 1:3, 1:3] = 1
    probabilities[1, 2, 2] = 1
    assert to_mask(probabilities, min_voxels=9).sum() == 9


@given(hnp.arrays(np.bool_, st.tuples(*[st.integers(1, 7)] * 3)), st.integers(2, 8))
def test_components_and_holes_are_those_of_scipy(probable, min_voxels):
    expected = np.zeros_like(probable)
    components, count = ndimage.label(probable, np.ones((3, 3, 3)))
    for number in range(1, count + 1):
        if (components == number).sum() >= min_voxels:
            expected |= components == number
    for pixels in expected:  # views
        holes, count = ndimage.label(ndimage.binary_fill_holes(pixels) & ~pixels)
        for number in range(1, count + 1):
            if (holes == number).sum() < min_voxels:
                pixels |= holes == number
    assert (to_mask(probable.astype(np.float32), min_voxels=min_voxels) == expected).all()


def test_nothing_stays_nothing():
    assert not to_mask(np.zeros((2, 3, 4), np.float32), min_voxels=10).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probabilities": np.zeros((3, 4))}, r"probabilities must be an array \(slices, height, width\)"),
        ({"threshold": 0}, "threshold must be more than 0 and at most 1; got 0"),
        ({"threshold": 1.1}, "threshold must be more than 0 and at most 1; got 1.1"),
        ({"min_voxels": -1}, "min_voxels must be an integer of at least 0; got -1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        to_mask(**{"probabilities": np.zeros((1, 2, 2), np.float32), **arguments})
