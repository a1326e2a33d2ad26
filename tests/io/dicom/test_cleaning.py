"""DICOM SEG of images whose headers are as archives hold them: other scripts, malformed values, none at all."""

import logging
import re
import warnings

import highdicom
import numpy as np
import pydicom
import pytest

from braintumorseg import Segmentation, find_studies, make_study, read_study, write_segmentation
from dicom_files import write_classic, write_multiframe

NUMBER = b"98765 "  # is no number in the file
SHAPE = (5, 36, 32)


@pytest.fixture(scope="module")
def head():
    study = make_study(2, shape=SHAPE)
    return np.round(study.volume[..., 1] / 2) * 2, study.geometry.file_affine, study.mask


def write_with(folder, head, change):
    """Write a series and change its headers, as other software leaves them."""
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, path in enumerate(write_classic(folder, head[0], head[1])):
            data = pydicom.dcmread(path)
            change(data, number)
            data.save_as(path)
            path.write_bytes(path.read_bytes().replace(NUMBER, b"heavy "))
    return folder


def put(data, keyword, value):
    """Set a value, also one that pydicom would convert to a number."""
    setattr(data, keyword, NUMBER.decode().strip() if value == "heavy" else value)


def segment(folder, head, target):
    """Write the true mask of a series; return the file as pydicom reads it, and what was told."""
    study = read_study(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = write_segmentation(Segmentation(head[2], geometry=study.geometry), target)
    with pydicom.config.disable_value_validation():
        found = pydicom.dcmread(path)
        check_bits(path, head)
    again = read_study(folder)  # the segmentation may lie with the images
    np.testing.assert_array_equal(again.volume, study.volume)
    return found, [str(each.message) for each in caught if issubclass(each.category, UserWarning)]


def check_bits(path, head):
    """Compare a written mask with the truth, in the world, voxel by voxel."""
    found = highdicom.seg.segread(path).get_volume(combine_segments=True)
    inside = np.argwhere(found.array > 0)
    world = inside @ found.affine[:3, :3].T + found.affine[:3, 3]
    index = (world * (-1, -1, 1) - head[1][:3, 3]) @ np.linalg.inv(head[1][:3, :3]).T
    again = np.zeros(SHAPE, bool)
    again[tuple(np.rint(index).astype(int)[:, ::-1].T)] = True
    np.testing.assert_array_equal(again, head[2])


@pytest.mark.parametrize(
    ("character_set", "name", "description"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "頭部"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", "頭部 MR"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "뇌"),
        ("GB18030", "Wang^XiaoDong=王^小东", "脑部"),
        ("GBK", "Wang^XiaoDong=王^小东", "脑部"),
        ("ISO_IR 192", "Łukasz^Žák", "мозг"),
        ("ISO_IR 100", "Müller^Jörg", "Schädel"),
        ("ISO_IR 144", "Люкceмбypг", "мозг"),  # noqa: RUF001 - as the standard has it
        ("ISO_IR 166", "นามสกุล", ""),
        ("", "Doe^Jane", "HEAD"),
        ("ISO_IR 6", "Doe^Jane", "HEAD"),
        (None, "Doe", "HEAD"),
        ("ISO 2022 IR 6", "Doe^Jane", "HEAD"),
    ],
)
def test_names_in_all_scripts_are_kept(tmp_path, head, character_set, name, description):
    def change(data, number):
        if character_set is not None:
            data.SpecificCharacterSet = character_set
        data.PatientName, data.StudyDescription = name, description

    found, told = segment(write_with(tmp_path, head, change), head, tmp_path / "a.dcm")
    assert (str(found.PatientName), found.StudyDescription) == (name, description)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert told == []
    assert find_studies(tmp_path) == [tmp_path]


def test_a_name_in_the_chinese_of_code_extensions_is_kept(tmp_path, head):
    """As scanners write it: pydicom leaves out the escapes."""
    folder = write_with(
        tmp_path / "in",
        head,
        lambda data, number: data.update(
            {"SpecificCharacterSet": ["", "ISO 2022 IR 58"], "PatientName": "Wang=0123456789abc"}
        ),
    )
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"0123456789abc", b"\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1"))
    found, told = segment(folder, head, tmp_path / "mask.dcm")
    assert (str(found.PatientName), told) == ("Wang=王^小", [])


def test_bytes_of_another_character_set_are_left_empty_and_told(tmp_path, head):
    folder = write_with(
        tmp_path / "in",
        head,
        lambda data, number: data.update({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Doe^0123"}),
    )
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"0123", b"\xe4\xf6\xfc\xdf"))
    found, told = segment(folder, head, tmp_path / "mask.dcm")
    assert not found.PatientName
    assert [text.partition(": ")[2] for text in told] == ["PatientName is malformed in its images: left empty"]


@pytest.mark.parametrize(
    ("keyword", "value", "kept"),
    [
        ("PatientSex", "U", False),
        ("PatientSex", "female", False),
        ("PatientSex", "", True),
        ("PatientBirthDate", "19700231", False),
        ("PatientBirthDate", "1970-02-01", False),
        ("PatientBirthDate", "00000000", False),
        ("StudyDate", "20201399", False),
        ("StudyDate", "2020.01.02", False),
        ("StudyTime", "25:61", False),
        ("StudyTime", "12", True),
        ("StudyTime", "noon", False),
        ("PatientAge", "45", False),
        ("PatientAge", "045Y", True),
        ("PatientWeight", "heavy", False),
        ("PatientID", "x" * 90, False),
        ("PatientID", "", True),
        ("PatientID", "007", True),
        ("PatientName", "A^B^C^D^E^F^G", False),
        ("PatientName", "A=B=C=D", False),
        ("AccessionNumber", "9" * 30, False),
    ],
)
def test_malformed_values_are_left_empty_and_told(tmp_path, head, keyword, value, kept, caplog):
    folder = write_with(tmp_path / "in", head, lambda data, number: put(data, keyword, value))
    with caplog.at_level(logging.DEBUG):
        found, told = segment(folder, head, tmp_path / "mask.dcm")
    if kept:
        assert (str(found[keyword].value or ""), told) == (value, [])
    else:
        assert not found[keyword].value
        assert told == [f"{tmp_path / 'mask.dcm'}: {keyword} is malformed in its images: left empty"]
    if keyword.startswith("Patient") and len(value) > 2:
        assert value not in " ".join([*told, *(record.getMessage() for record in caplog.records)])


def test_several_malformed_values_are_told_together(tmp_path, head):
    def change(data, number):
        data.PatientSex, data.StudyDate, data.PatientAge = "U", "20200230", "old"

    _, told = segment(write_with(tmp_path / "in", head, change), head, tmp_path / "mask.dcm")
    assert [text.partition(": ")[2] for text in told] == [
        "PatientAge, PatientSex, StudyDate are malformed in its images: left empty"
    ]


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("FrameOfReferenceUID", None, "its images have no FrameOfReferenceUID: the segmentation has a new one"),
        ("FrameOfReferenceUID", "", "its images have no FrameOfReferenceUID: the segmentation has a new one"),
        ("SliceThickness", None, r"its images have no SliceThickness: the distance of slices stands for it, \d+"),
        ("SliceThickness", "", r"its images have no SliceThickness: .* mm"),
        ("SliceThickness", "0", r"its images have no SliceThickness: .* mm"),
        ("StudyInstanceUID", None, "its images have no StudyInstanceUID: the segmentation has a new one"),
        ("SOPInstanceUID", "", "5 of its 5 images have no SOPInstanceUID of their own"),
        ("SOPInstanceUID", "1.2.3", "4 of its 5 images have no SOPInstanceUID of their own"),
        ("SpacingBetweenSlices", "0", None),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
def test_what_headers_lack_is_made_up_and_told(tmp_path, head, keyword, value, message):
    def change(data, number):
        if value is None:
            delattr(data, keyword)
        else:
            put(data, keyword, value)

    found, told = segment(write_with(tmp_path / "in", head, change), head, tmp_path / "mask.dcm")
    assert found.FrameOfReferenceUID.is_valid
    if message is None:
        assert told == []
    else:
        (text,) = told
        assert re.search(message, text)
    measures = found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SliceThickness) == pytest.approx(np.linalg.norm(head[1][:3, 2]), rel=1e-6)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"])
def test_identifiers_stay_those_of_the_images(tmp_path, head, keyword):
    """Leading zeros are not allowed, and yet the segmentation must belong to these images."""

    def change(data, number):
        setattr(data, keyword, f"1.2.003.{number if keyword == 'SOPInstanceUID' else 4}")

    found, told = segment(write_with(tmp_path / "in", head, change), head, tmp_path / "mask.dcm")
    assert told == []
    if keyword == "SOPInstanceUID":
        referred = {
            str(each.ReferencedSOPInstanceUID) for each in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        }
        assert referred == {f"1.2.003.{number}" for number in range(SHAPE[0])}
    else:
        assert found[keyword].value == "1.2.003.4"


def test_orientations_that_differ_by_rounding_are_one(tmp_path, head):
    def change(data, number):
        data.ImageOrientationPatient = [float(each) + 1e-6 * number for each in data.ImageOrientationPatient]

    _, told = segment(write_with(tmp_path / "in", head, change), head, tmp_path / "mask.dcm")
    assert told == []


def test_a_multiframe_image_without_frame_of_reference(tmp_path, head):
    path = write_multiframe(tmp_path / "in" / "a.dcm", head[0], head[1])
    data = pydicom.dcmread(path)
    del data.FrameOfReferenceUID
    data.PatientSex = "O"
    data.save_as(path)
    _, told = segment(tmp_path / "in", head, tmp_path / "mask.dcm")
    assert [text.partition(": ")[2] for text in told] == [
        "its images have no FrameOfReferenceUID: the segmentation has a new one"
    ]
