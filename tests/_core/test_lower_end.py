import numpy as np
import pytest

from braintumorseg import make_study
from braintumorseg._core.lower_end import find_lower_end, rim

SHAPE = (12, 96, 96)


@pytest.fixture(scope="module")
def image():
    return make_study(seed=0, shape=SHAPE).sequence("flair").copy()


def with_gaussian_air(image):
    return image + np.random.default_rng(0).normal(0, 5, image.shape).astype(np.float32)


def stripped(image):
    brain = np.random.default_rng(0).normal(100, 15, image.shape)
    return np.where(image > 30, brain, 0).astype(np.float32)


def even_brain(image):
    """A brain of nearly one value, and a bright tumour, on a background of one value."""
    flair = np.zeros(image.shape, np.float32)
    flair[:, 20:76, 20:76] = np.random.default_rng(0).normal(100, 2, (len(image), 56, 56))
    flair[:, 30:50, 30:50] = 200
    return flair


def clipped_scores(image):
    """Brain of mean 0 on air of exactly 0, cut off at three standard deviations."""
    brain = np.random.default_rng(0).normal(0, 1.5, image.shape)
    return np.where(image > 60, np.clip(brain, -3, 3), 0).astype(np.float32)


def lifted_air(image):
    """Whole numbers under a gamma: a frame of 0, and air some steps above it."""
    steps = np.round(image * np.float32(0.5)) + 1
    steps[:, :12] = steps[:, -12:] = 0
    return (255 * (steps / 255) ** 0.7).astype(np.float32)


ORDINARY = {
    "lifted air": lifted_air,
    "as it is": lambda image: image,
    "shifted": lambda image: image - 1000,
    "whole numbers": lambda image: np.round(image),
    "inside the head": lambda image: image[4:8, 36:60, 36:60],
    "half of it is empty": lambda image: np.concatenate([image, np.zeros_like(image)]),
    "noise of both signs": with_gaussian_air,
    "skull-stripped": stripped,
    "even brain": even_brain,
    "scores": lambda image: np.where(image > 60, (image - 100) / 30, 0).astype(np.float32),
    "clipped scores": clipped_scores,
    "constant": np.ones_like,
    "two values": lambda image: (image > 60).astype(np.float32),
    "one slice": lambda image: image[5:6],
    "one voxel": lambda image: image[5:6, 5:6, 5:6],
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_the_lower_end_of_an_ordinary_image_is_its_lowest_value(image, kind):
    ordinary = ORDINARY[kind](image)

    assert find_lower_end(ordinary) == ordinary.min()


def put(image, value, *places):
    changed = image.copy()
    for place in places:
        changed[place] = value
    return changed


def dead_pixels(image, value):
    random = np.random.default_rng(0)
    return put(image, value * random.random(200), tuple(random.integers(0, SHAPE, (200, 3)).T))


def corners(image, value):
    rows, columns = np.mgrid[-1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    return put(image, value, np.broadcast_to(np.hypot(rows, columns) > 1, SHAPE))


BELOW = {
    "a voxel": lambda image, value: put(image, value, (3, 10, 10)),
    "a voxel of the head": lambda image, value: put(image, value, (5, 48, 40)),
    "a few voxels of several values": lambda image, value: put(
        put(image, value, (3, 10, 10)), 3 * value, (4, 9, 9), (7, 50, 50)
    ),
    "dead pixels": dead_pixels,
    "two rows": lambda image, value: put(image, value, np.s_[:, :2]),
    "columns through the head": lambda image, value: put(image, value, np.s_[:, :, 40:44]),
    "a slice": lambda image, value: put(image, value, np.s_[2]),
    "corners": corners,
    "a frame": lambda image, value: np.pad(image, ((0, 0), (9, 9), (9, 9)), constant_values=value),
    "corners, and a voxel below": lambda image, value: put(corners(image, value), 9 * value, (5, 48, 40)),
}


VALUES = (-40.0, -200.0, -1024.0, -32768.0)


# A frame of a value near the air may be the background of a brain alone.
@pytest.mark.parametrize(
    ("kind", "value"),
    [(kind, value) for kind in BELOW for value in VALUES if kind != "a frame" or value < -1000],
)
def test_padding_and_outliers_below_the_air_do_not_lower_it(image, kind, value):
    changed = BELOW[kind](image, value)

    assert -1 < find_lower_end(changed) < 5


@pytest.mark.parametrize("value", [-100.0, -1024.0])
def test_outliers_do_not_lower_the_end_of_brain_on_both_sides_of_its_air(image, value):
    scores = np.where(image > 60, (image - 100) / 30, 0).astype(np.float32)

    assert find_lower_end(put(scores, value, (3, 10, 10))) >= scores.min() - 1


def test_what_is_not_known_does_not_count(image):
    changed = put(image, np.nan, np.s_[:, :30])
    changed[3, 40, 40] = -1000

    assert 0 <= find_lower_end(changed, np.isfinite(changed)) < 5


def test_the_rim_is_what_lies_beside_the_rest_or_the_edge():
    kept = np.ones((1, 5, 6), bool)
    kept[0, 0] = False

    expected = np.ones((1, 5, 6), bool)
    expected[0, 0] = expected[0, 2:4, 1:5] = False
    np.testing.assert_array_equal(rim(kept), expected)
