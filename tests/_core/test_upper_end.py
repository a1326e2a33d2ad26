import numpy as np
import pytest

from braintumorseg import make_study
from braintumorseg._core.upper_end import air_above


@pytest.fixture
def image():
    return make_study(3, shape=(6, 64, 64)).sequence("flair").copy()


def test_rows_far_above_are_air(image):
    image[:, :3] = 32767
    found = air_above(image)
    assert (found[:, :3] == image[:, 3:].min()).all()
    np.testing.assert_array_equal(found[:, 3:], image[:, 3:])


def test_slices_above_a_negative_sequence_are_air(image):
    image -= 1000
    image[0] = 0
    assert (air_above(image)[0] == image[1:].min()).all()


@pytest.mark.parametrize("change", ["none", "constant", "mask", "hot pixel", "bright inside the head"])
def test_other_images_are_the_same(image, change):
    if change == "constant":
        image[:] = 7
    elif change == "mask":
        image = (image > 40).astype(np.float32)
    elif change == "hot pixel":
        image[2, 30, 30] = 1e6
    elif change == "bright inside the head":
        image[2:4, 28:36, 28:36] = 5000
    assert air_above(image) is image
