"""Pixels that a DICOM header calls padding, in files that pydicom wrote."""

import numpy as np
import pytest

from braintumorseg import make_study, read_study
from dicom_files import DESCRIPTIONS, write_classic

pydicom = pytest.importorskip("pydicom")

pytestmark = pytest.mark.filterwarnings("ignore:.*are padding")
SHAPE = (4, 40, 36)
AFFINE = np.diag([-1.0, -1.0, 5.0, 1.0])
VALUE, LIMIT = 0x00280120, 0x00280121


def values(sequence="flair"):
    return np.round(make_study(seed=0, shape=SHAPE).sequence(sequence)).astype(np.int64)


def edges():
    padded = np.zeros(SHAPE, bool)
    padded[:, :5] = padded[:, :, 33:] = padded[2, :, :9] = True
    return padded


def write(folder, words, *, signed, tags, series="AX FLAIR", number=1, slope="1", intercept="0", syntax=None):
    """Write slices of words as they are, with elements ``{tag: (VR, value)}``."""
    paths = write_classic(
        folder, np.zeros(SHAPE), AFFINE, series, number, RescaleSlope=slope, RescaleIntercept=intercept
    )
    for path in paths:
        data = pydicom.dcmread(path)
        index = round(float(data.ImagePositionPatient[2]) / 5)
        data.PixelData = words[index].astype("<i2" if signed else "<u2").tobytes()
        data.PixelRepresentation = int(signed)
        for tag, (kind, value) in tags.items():
            data.add_new(tag, kind, value)
        if syntax:
            data.file_meta.TransferSyntaxUID = syntax
            data.save_as(path, implicit_vr=True, little_endian=True)
        else:
            data.save_as(path)


def read(folder):
    """Return the study, and its values and what it covers in the order in which they were written."""
    study = read_study(folder)
    covered = np.ones(study.volume.shape, bool) if study.covered is None else study.covered
    back = [study.geometry.to_file(each[..., 0]).transpose(2, 1, 0) for each in (study.volume, covered)]
    return study, *back


CASES = {
    "signed": (True, -200, {VALUE: ("SS", -200)}),
    "far below": (True, -32768, {VALUE: ("SS", -32768)}),
    "of the wrong sign": (True, -2000, {VALUE: ("US", 63536)}),
    "unsigned and high": (False, 65535, {VALUE: ("US", 65535)}),
    "unsigned, stated as signed": (False, 65535, {VALUE: ("SS", -1)}),
    "within the signal": (False, 90, {VALUE: ("US", 90)}),
    "a range": (True, None, {VALUE: ("SS", -300), LIMIT: ("SS", -200)}),
    "a range from its other end": (True, None, {VALUE: ("SS", -200), LIMIT: ("SS", -300)}),
}


@pytest.mark.parametrize("slope", ["1", "0.5"])
@pytest.mark.parametrize("case", CASES)
def test_stated_padding_is_air_and_not_covered(tmp_path, case, slope):
    signed, padding, tags = CASES[case]
    expected = values()
    expected[expected == 90] = 91
    if padding is None:
        padding = -200 - np.arange(expected.size).reshape(SHAPE) % 101
    write(tmp_path, np.where(edges(), padding, expected), signed=signed, tags=tags, slope=slope, intercept="-7")

    study, found, covered = read(tmp_path)

    expected = expected * float(slope) - 7
    np.testing.assert_array_equal(covered, ~edges())
    np.testing.assert_array_equal(found[~edges()], expected[~edges()])
    np.testing.assert_array_equal(found[edges()], expected[~edges()].min())
    (note,) = study.notes
    assert f"{edges().mean():.1%} of the pixels are padding (PixelPaddingValue" in note


def test_files_that_do_not_state_types_are_read_alike(tmp_path):
    write(
        tmp_path,
        np.where(edges(), -2000, values()),
        signed=True,
        tags={VALUE: ("SS", -2000)},
        syntax=pydicom.uid.ImplicitVRLittleEndian,
    )

    np.testing.assert_array_equal(read(tmp_path)[2], ~edges())


@pytest.mark.parametrize("stripped", [False, True])
@pytest.mark.parametrize("tags", [{VALUE: ("US", 0)}, {VALUE: ("US", 0), LIMIT: ("US", 2)}, {VALUE: ("US", 7777)}])
def test_padding_that_is_the_images_own_air_changes_nothing(tmp_path, tags, stripped):
    expected = np.where(values() > 40, values(), 0) if stripped else np.where(edges(), 0, values())
    write(tmp_path, expected, signed=False, tags=tags)

    study, found, _ = read(tmp_path)

    assert study.covered is None
    assert study.notes == ()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", ["", "damaged"])
def test_a_padding_value_that_says_nothing_is_left(tmp_path, value):
    write(tmp_path, values(), signed=False, tags={VALUE: ("LO", value)})

    study, found, _ = read(tmp_path)

    assert study.covered is None
    np.testing.assert_array_equal(found, values())


def test_an_image_of_padding_alone_is_left_as_it_is(tmp_path):
    write(tmp_path, np.full(SHAPE, -200), signed=True, tags={VALUE: ("SS", -200)})

    assert (read(tmp_path)[1] == -200).all()


def test_zeros_around_air_that_is_none_are_padding(tmp_path):
    rows, columns = np.mgrid[-1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    corners = np.broadcast_to(np.hypot(rows, columns) > 1, SHAPE)
    write(tmp_path, np.where(corners, 0, values() + 300), signed=False, tags={VALUE: ("US", 0)})

    _, found, covered = read(tmp_path)

    np.testing.assert_array_equal(covered, ~corners)
    assert found.min() == (values() + 300)[~corners].min()


def test_padding_of_another_sequence_is_told_as_its_own(tmp_path):
    write(tmp_path / "1", values(), signed=False, tags={}, series=DESCRIPTIONS["flair"])
    write(
        tmp_path / "2",
        np.where(edges(), -200, values("t1")),
        signed=True,
        tags={VALUE: ("SS", -200)},
        series=DESCRIPTIONS["t1"],
        number=2,
    )

    study = read_study(tmp_path)

    covered = [study.geometry.to_file(each).transpose(2, 1, 0) for each in np.moveaxis(study.covered, -1, 0)]
    np.testing.assert_array_equal(covered[0], ~edges())
    assert covered[1].all()
    assert [note.split(":")[0] for note in study.notes if "padding" in note] == ["t1"]
