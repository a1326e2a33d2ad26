import numpy as np
import pytest

from braintumorseg import to_mask


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
