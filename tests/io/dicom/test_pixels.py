"""Pixels whose bits lie elsewhere in their words than the lowest ``BitsStored``."""

import numpy as np
import pytest

from braintumorseg import make_study, read_study
from dicom_files import write_classic

pydicom = pytest.importorskip("pydicom")

AFFINE = np.diag([-1.0, -1.0, 5.0, 1.0])
SHAPE = (4, 40, 36)
PLAIN = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"


def values(top=4095):
    flair = make_study(seed=0, shape=SHAPE).sequence("flair")
    return np.round(flair / flair.max() * top).astype(np.uint16)


def write(folder, words, *, stored, high, signed=False, syntax=PLAIN, overlay=None):
    """Write slices of words as they are, and return the study that is read of them."""
    for path in write_classic(folder, np.zeros(SHAPE), AFFINE, RescaleSlope="1", RescaleIntercept="0"):
        data = pydicom.dcmread(path)
        index = round(float(data.ImagePositionPatient[2]) / 5)
        data.PixelData = words[index].astype("<i2" if signed else "<u2").tobytes()
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, stored, high, int(signed)
        if overlay:
            data.add_new((0x6000, 0x0102), "US", overlay)
        if syntax == RLE:
            data.compress(RLE)
            data.BitsStored, data.HighBit = stored, high
        data.save_as(path)
    return read_study(folder)


def read(study):
    """Return the values in the order in which they were written."""
    return study.geometry.to_file(study.volume[..., 0]).transpose(2, 1, 0)


@pytest.mark.parametrize("syntax", [PLAIN, RLE])
@pytest.mark.parametrize(("stored", "high"), [(12, 11), (12, 15), (12, 13), (14, 15), (16, 15), (10, 15)])
def test_values_are_those_of_the_bits_up_to_the_high_one(tmp_path, stored, high, syntax):
    expected = values((1 << stored) - 1)

    study = write(tmp_path, expected << (high + 1 - stored), stored=stored, high=high, syntax=syntax)

    np.testing.assert_array_equal(read(study), expected)


def test_what_lies_below_a_value_is_no_part_of_it(tmp_path):
    expected = values()
    junk = np.random.default_rng(0).integers(0, 16, SHAPE)
    assert (expected.reshape(len(expected), -1).max(axis=1) > 255).all()

    np.testing.assert_array_equal(read(write(tmp_path, expected << 4 | junk, stored=12, high=15)), expected)


def test_signed_values_keep_their_sign(tmp_path):
    expected = values().astype(np.int16) - 2048

    np.testing.assert_array_equal(read(write(tmp_path, expected << 4, stored=12, high=15, signed=True)), expected)


@pytest.mark.parametrize("filled", ["by the sign", "by zeros"])
def test_signed_values_in_the_low_bits_are_read_however_the_rest_is_filled(tmp_path, filled):
    expected = values().astype(np.int16) - 2048
    words = expected if filled == "by the sign" else expected & 0x0FFF

    np.testing.assert_array_equal(read(write(tmp_path, words, stored=12, high=11, signed=True)), expected)


def test_a_high_bit_that_the_values_do_not_reach_is_a_slip(tmp_path):
    expected = values() | 1

    np.testing.assert_array_equal(read(write(tmp_path, expected, stored=12, high=15)), expected)


def test_values_above_the_bits_that_are_stated_are_not_cut(tmp_path):
    expected = values(20_000)

    np.testing.assert_array_equal(read(write(tmp_path, expected, stored=12, high=11)), expected)


def test_an_overlay_in_the_unused_bits_is_no_part_of_a_value(tmp_path):
    expected = values()
    words = expected.copy()
    words[:, 3:9, 3:9] |= 1 << 12

    study = write(tmp_path, words, stored=12, high=11, overlay=12)

    np.testing.assert_array_equal(read(study), expected)
