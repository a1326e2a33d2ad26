"""Folders and zips of DICOM, as scanners and archives leave them."""

import shutil
import zipfile

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian

from braintumorseg import DataError, Segmentation, find_studies, make_study, read_study, write_segmentation
from braintumorseg.io import study_name
from braintumorseg.io.dicom.contrasts import Settings, recognize, recognize_all
from dicom_files import DESCRIPTIONS, NAME, NUMBER, write_classic, write_multiframe

highdicom = pytest.importorskip("highdicom")
SHAPE = (7, 40, 36)


@pytest.fixture(scope="module")
def head():
    """A phantom with whole, even intensities, which the tests' files hold exactly."""
    study = make_study(2, shape=SHAPE)
    volume = np.round(study.volume / 2) * 2
    affine = study.geometry.file_affine
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, -0.15, 0.2))  # oblique, as planned on a head
    return volume, turn @ affine, study.mask


def write_all(folder, head, **options):
    volume, affine, _ = head
    for number, (channel, name) in enumerate((("t1", 0), ("flair", 1), ("t1ce", 2)), start=3):
        write_classic(folder / channel, volume[..., name], affine, DESCRIPTIONS[channel], number, **options)
    return folder


def assert_is_head(study, head):
    volume, affine, _ = head
    assert study.sequences == ("t1", "flair", "t1ce")
    np.testing.assert_array_equal(study.volume, volume)
    np.testing.assert_allclose(study.geometry.affine, affine @ make_turn(), atol=1e-4)


def make_turn():
    """From (slice, row, column) to the files' (column, row, slice)."""
    turn = np.zeros((4, 4))
    turn[[0, 1, 2, 3], [2, 1, 0, 3]] = 1
    return turn


# --- reading --------------------------------------------------------------------------------------------------------


def test_three_series_are_one_study(tmp_path, head):
    study = read_study(write_all(tmp_path / "case", head))
    assert_is_head(study, head)
    assert (study.name, study.notes) == ("case", ())


def test_all_files_may_lie_in_one_folder(tmp_path, head):
    folder = write_all(tmp_path / "case", head)
    for path in list(folder.rglob("0*")):
        path.rename(folder / path.name)
    assert_is_head(read_study(folder), head)


def test_zip_is_read_where_it_is(tmp_path, head):
    folder = write_all(tmp_path / "case", head)
    archive = shutil.make_archive(str(tmp_path / "case 7"), "zip", folder)
    before = sorted(tmp_path.rglob("*"))
    study = read_study(archive)
    assert_is_head(study, head)
    assert study.name == study_name(archive) == "case 7"
    assert sorted(tmp_path.rglob("*")) == before


def test_multi_frame_is_the_same_as_classic(tmp_path, head):
    volume, affine, _ = head
    for number, (name, channel) in enumerate((("t1", 0), ("flair", 1), ("t1ce", 2))):
        write_multiframe(tmp_path / "in" / f"{name}.dcm", volume[..., channel], affine, DESCRIPTIONS[name], number)
    assert_is_head(read_study(tmp_path / "in"), head)


def test_series_can_be_named_by_number_or_description(tmp_path, head):
    volume, affine, _ = head
    write_classic(tmp_path, volume[..., 1], affine, "Serie A", 8)
    write_classic(tmp_path, volume[..., 0], affine, "Serie B", 9)
    with pytest.raises(
        DataError, match=r"holds no FLAIR that can be read; found 8 \(Serie A\), 9 \(Serie B\); series="
    ):
        read_study(tmp_path)
    study = read_study(tmp_path, series={"flair": 8, "t1": "serie b"})
    np.testing.assert_array_equal(study.volume, volume[..., :2][..., [0, 1]])
    with pytest.raises(DataError, match=r"has 0 series 4; expected the number, description or UID"):
        read_study(tmp_path, series={"flair": 4})


def test_each_sequence_may_be_a_folder_of_its_own(tmp_path, head):
    folder = write_all(tmp_path, head)
    study = read_study(flair=folder / "flair", t1=folder / "t1", t1ce=folder / "t1ce", name="mine")
    assert_is_head(study, head)
    with pytest.raises(DataError, match=r"holds 3 series, 3 \(AX T1\), 4 \(AX T2 FLAIR\), 5 \(AX T1 \+C\); expected 1"):
        read_study(flair=folder)


def test_a_series_that_can_t_be_read_is_told_where_another_stands_for_it(tmp_path, head):
    volume, affine, _ = head
    write_classic(tmp_path, volume[..., 1], affine, "AX FLAIR", 4)
    write_classic(tmp_path / "other", volume[:1, ..., 1] + 2, affine, "AX FLAIR", 4, SOPInstanceUID="1.2.3")
    write_classic(tmp_path, volume[:1, ..., 1], affine, "AX FLAIR SHOT", 5)
    with pytest.warns(
        UserWarning, match=r"flair: took series 5 \(AX FLAIR SHOT\), as series 4 .* 1 image at the place"
    ):
        read_study(tmp_path)


def test_several_that_look_alike_are_told(tmp_path, head):
    volume, affine, _ = head
    write_classic(tmp_path, volume[..., 1], affine, "AX FLAIR", 4)
    write_classic(tmp_path, volume[2:, ..., 1], affine, "AX FLAIR RPT", 5)
    with pytest.warns(UserWarning, match=r"2 series look like flair: took series 4 \(AX FLAIR\)"):
        study = read_study(tmp_path)
    assert study.shape == SHAPE


def test_a_missing_slice_keeps_the_others_where_they_are(tmp_path, head):
    volume, affine, _ = head
    paths = write_classic(tmp_path, volume[..., 1], affine)
    paths[2].unlink()
    with pytest.warns(UserWarning, match=r"slices 3 of 7 are missing: they are taken as air"):
        study = read_study(tmp_path)
    np.testing.assert_array_equal(study.volume[[0, 1, 3, 4, 5, 6], ..., 0], volume[[0, 1, 3, 4, 5, 6], ..., 1])
    assert (study.volume[2] == study.volume.min()).all()
    assert study.geometry.spacing[0] == pytest.approx(np.linalg.norm(affine[:3, 2]), rel=1e-6)


def test_a_missing_slice_of_another_sequence_is_not_covered(tmp_path, head):
    folder = write_all(tmp_path, head)
    write_classic(folder / "t1", head[0][..., 0], head[1], DESCRIPTIONS["t1"], 3)[2].unlink()
    with pytest.warns(UserWarning, match=r"t1: slices 3 of 7 are missing: models see a copy of the FLAIR there"):
        study = read_study(folder)
    covered = np.ones(study.volume.shape, bool)
    covered[2, ..., 0] = False
    np.testing.assert_array_equal(study.covered, covered)
    np.testing.assert_array_equal(study.volume[covered], head[0][covered])


def test_a_missing_slice_on_another_grid_leaves_nothing_between_it_and_its_neighbours(tmp_path, head):
    volume, affine, _ = head
    half = affine @ np.diag([1, 1, 0.5, 1.0])
    write_classic(tmp_path / "flair", np.repeat(volume[..., 1], 2, axis=0)[:13], half, DESCRIPTIONS["flair"], 4)
    write_classic(tmp_path / "t1", volume[..., 0], affine, DESCRIPTIONS["t1"], 3)[3].unlink()
    with pytest.warns(UserWarning, match=r"t1: slices 4 of 7 are missing"):
        study = read_study(tmp_path, align=False)
    covered = study.covered[..., study.sequences.index("t1")]
    assert [index for index, plane in enumerate(covered) if not plane.any()] == [5, 6, 7]
    assert covered[[0, 1, 2, 3, 4, 8, 9, 10, 11, 12]].all()


def test_copies_of_an_image_count_once(tmp_path, head):
    volume, affine, _ = head
    paths = write_classic(tmp_path, volume[..., 1], affine)
    shutil.copy(paths[0], tmp_path / "copy")
    with pytest.warns(UserWarning, match="1 copy of its slices left out"):
        study = read_study(tmp_path)
    np.testing.assert_array_equal(study.sequence("flair"), volume[..., 1])


@pytest.mark.parametrize("identifier", ["", "1.2.3"])
@pytest.mark.parametrize("blank_series", [False, True])
def test_slices_of_one_identifier_are_no_copies(tmp_path, head, identifier, blank_series):
    paths = write_classic(tmp_path, head[0][..., 1], head[1])
    for path in paths:
        data = pydicom.dcmread(path)
        data.SOPInstanceUID = identifier
        if blank_series:
            data.SeriesInstanceUID = ""
        data.save_as(path)
    study = read_study(tmp_path)
    assert study.notes == ()
    np.testing.assert_array_equal(study.sequence("flair"), head[0][..., 1])
    shutil.copy(paths[2], tmp_path / "copy")
    with pytest.warns(UserWarning, match="1 copy of its slices left out"):
        study = read_study(tmp_path)
    np.testing.assert_array_equal(study.sequence("flair"), head[0][..., 1])


def test_series_of_a_blank_identifier_are_told_apart_by_number_and_description(tmp_path, head):
    for path in [path for path in write_all(tmp_path, head).rglob("*") if path.is_file()]:
        data = pydicom.dcmread(path)
        data.SOPInstanceUID = data.SeriesInstanceUID = ""
        data.save_as(path)
    assert_is_head(read_study(tmp_path), head)


def test_other_pixels_under_one_identifier_and_place_are_refused(tmp_path, head):
    path = write_classic(tmp_path, head[0][..., 1], head[1])[2]
    data = pydicom.dcmread(path)
    data.PixelData = data.PixelData[::-1]
    data.save_as(tmp_path / "other")
    with pytest.raises(DataError, match="has 1 image at the place of another"):
        read_study(tmp_path)


def link_folder(tmp_path, head):
    write_all(tmp_path / "store", head)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "case").symlink_to(tmp_path / "store")


def link_series(tmp_path, head):
    write_all(tmp_path / "store", head)
    (tmp_path / "studies" / "case").mkdir(parents=True)
    for series in (tmp_path / "store").iterdir():
        (tmp_path / "studies" / "case" / series.name).symlink_to(series)


def link_files(tmp_path, head):
    write_all(tmp_path / "store", head)
    (tmp_path / "studies" / "case").mkdir(parents=True)
    for path in (tmp_path / "store").rglob("0*"):
        (tmp_path / "studies" / "case" / path.name).symlink_to(path)


def link_back(tmp_path, head):
    write_all(tmp_path / "studies" / "case", head)
    (tmp_path / "studies" / "case" / "again").symlink_to(tmp_path / "studies")
    (tmp_path / "studies" / "case" / "broken").symlink_to(tmp_path / "nowhere")


@pytest.mark.parametrize("link", [link_folder, link_series, link_files, link_back])
def test_linked_studies_are_found_and_read(tmp_path, head, link):
    link(tmp_path, head)
    write_all(tmp_path / "studies" / "other", head, examination=2)
    found = find_studies(tmp_path / "studies")
    assert found == [tmp_path / "studies" / "case", tmp_path / "studies" / "other"]
    if link is not link_back:  # which leads to the other one
        assert_is_head(read_study(found[0]), head)


WITHOUT_IMAGE = {
    "raw data": ("1.2.840.10008.5.1.4.1.1.66", "MR"),
    "presentation state": ("1.2.840.10008.5.1.4.1.1.11.1", "PR"),
    "structured report": ("1.2.840.10008.5.1.4.1.1.88.22", "SR"),
    "key objects": ("1.2.840.10008.5.1.4.1.1.88.59", "KO"),
    "PDF": ("1.2.840.10008.5.1.4.1.1.104.1", "DOC"),
    "spectroscopy": ("1.2.840.10008.5.1.4.1.1.4.2", "MR"),
    "private": ("1.3.46.670589.11.0.0.12.2", "MR"),
}


@pytest.mark.parametrize("rows", [None, 512])
@pytest.mark.parametrize("size", [0, 1 << 30])
@pytest.mark.parametrize("kind", WITHOUT_IMAGE)
def test_objects_without_an_image_are_left_out_and_told(tmp_path, head, kind, rows, size):
    paths = write_classic(tmp_path, head[0][..., 1], head[1])
    data = pydicom.dcmread(paths[0])
    data.SOPClassUID, data.Modality = WITHOUT_IMAGE[kind]
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    data.StudyInstanceUID = "1.2.4"
    data.Rows = data.Columns = rows
    del data.PixelData
    if rows is None:
        del data.Rows, data.Columns
    data.save_as(tmp_path / "000")
    if size and kind != "private":  # a file of this size takes no place on disk
        with (tmp_path / "000").open("r+b") as stream:
            stream.truncate(size)
    with pytest.warns(UserWarning, match="1 DICOM object without an image left out"):
        study = read_study(tmp_path)
    np.testing.assert_array_equal(study.sequence("flair"), head[0][..., 1])


@pytest.mark.parametrize("meta", [True, False])
@pytest.mark.parametrize("syntax", ["ImplicitVRLittleEndian", "ExplicitVRLittleEndian", "ExplicitVRBigEndian"])
def test_files_without_preamble_are_read(tmp_path, head, meta, syntax):
    for path in write_classic(tmp_path / "in", head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        data.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
        if "Big" in syntax:
            data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()
        little, implicit = "Little" in syntax, "Implicit" in syntax
        if meta:
            data.preamble = None
            pydicom.dcmwrite(path, data, implicit_vr=implicit, little_endian=little)
        else:
            with path.open("wb") as stream:
                target = pydicom.filebase.DicomFileLike(stream)
                target.is_little_endian, target.is_implicit_VR = little, implicit
                del data.file_meta
                pydicom.filewriter.write_dataset(target, data)
        assert path.read_bytes()[128:132] != b"DICM"
    study = read_study(tmp_path / "in")
    np.testing.assert_array_equal(study.sequence("flair"), head[0][..., 1])
    assert find_studies(tmp_path) == [tmp_path]
    found = Segmentation(head[2], geometry=study.geometry)
    assert highdicom.seg.segread(write_segmentation(found, tmp_path / "mask.dcm")).pixel_array.any()


@pytest.mark.parametrize(
    "file",
    [
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_jp2klossless.dcm",
    ],
)
def test_compressed_images_are_those_that_are_not(tmp_path, file):
    plain, packed = (get_testdata_file(name, download=False) for name in ("MR_small.dcm", file))
    for number, path in enumerate((plain, packed)):
        (tmp_path / str(number)).mkdir()
        shutil.copy(path, tmp_path / str(number))
    first, second = (read_study(flair=tmp_path / str(number)) for number in (0, 1))
    np.testing.assert_array_equal(first.volume, second.volume)
    np.testing.assert_array_equal(
        first.sequence("flair")[0],
        first.geometry.to_volume(pydicom.dcmread(plain).pixel_array.T[..., None])[0].astype(np.float32),
    )


def test_deflated_series_are_read(tmp_path, head):
    for path in write_classic(tmp_path, head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        data.save_as(path)
    np.testing.assert_array_equal(read_study(tmp_path).sequence("flair"), head[0][..., 1])


def test_examinations_are_found_by_their_topmost_folders(tmp_path, head):
    write_all(tmp_path / "a" / "deep", head)
    write_all(tmp_path / "b", head, patient="other", examination=2)
    write_all(tmp_path / "zipped", head, examination=3)
    shutil.make_archive(str(tmp_path / "c"), "zip", tmp_path / "zipped")
    shutil.rmtree(tmp_path / "zipped")
    (tmp_path / "notes.txt").write_text("x" * 200)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in find_studies(tmp_path)) == ["a", "b", "c.zip"]


CONTRASTS = [
    ("AX T2 FLAIR", {}, "flair"), ("t2_tirm_tra_dark-fluid", {}, "flair"), ("FLAIR +C", {}, "flair"),
    ("AX T1 FLAIR", {}, "t1"), ("AX T1", {}, "t1"), ("T1 AX POST", {}, "t1ce"), ("AX T1 +C", {}, "t1ce"),
    ("t1_mprage_sag_km", {}, "t1ce"), ("Ax T1 Gd", {}, "t1ce"), ("SAG T1 PRE GAD", {}, "t1"), ("T1 W/O CONTRAST", {}, "t1"),
    ("AX 3D SPGR", {"agent": "MAGNEVIST"}, "t1ce"), ("AX T1", {"agent": "NONE"}, "t1"), ("AX T2 FSE", {}, None),
    ("AX DWI FLAIR", {}, None), ("3 PLANE LOC T1", {}, None), ("T1 SUB", {}, None),
    ("", {"echo_ms": 120, "repetition_ms": 9000, "inversion_ms": 2200}, "flair"),
    ("", {"echo_ms": 12, "repetition_ms": 500}, "t1"), ("", {"echo_ms": 12, "repetition_ms": 500, "agent": "Gd"}, "t1ce"),
    ("brain", {"echo_ms": 100, "repetition_ms": 4000}, None), ("", {}, None),
    ("T1CE", {}, "t1ce"), ("MPRAGE Dotarem", {}, "t1ce"), ("AX T1 +C PREOP", {"agent": "Gadovist"}, "t1ce"),
    ("T1 post gad prescan norm", {"agent": "Gadovist"}, "t1ce"), ("T1 ohne KM", {}, "t1"), ("T1 sans gado", {}, "t1"),
    ("AX T1", {"agent": "ohne KM"}, "t1"), ("AX T1", {"agent": "Gd", "acquired_s": 10, "injected_s": 20}, "t1"),
    ("AX T1", {"acquired_s": 30, "injected_s": 20}, "t1ce"),
    ("T1 PRE", {"agent": "Gd", "acquired_s": 30, "injected_s": 20}, "t1ce"),  # two against one
    ("T1 POST", {"agent": "Gd", "acquired_s": 10, "injected_s": 20}, "t1ce"),  # a tie
    ("ASSET calibration", {"echo_ms": 2, "repetition_ms": 150}, None), ("Lokalizer T1", {}, None),
    ("3-pl T1* FGRE", {}, None), ("T1 sottrazione", {}, None), ("T1 soustraction", {}, None), ("T1 Subtraktion", {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "settings", "kind"), CONTRASTS)
def test_sequences_are_known_by_description_agent_and_times(text, settings, kind):
    found = recognize(Settings(text, **settings))
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    ("text", "settings", "doubt"),
    [
        ("T1 PRE", {"agent": "Gd"}, "although its contrast agent says after contrast"),
        ("T1 POST", {"agent": "none"}, "although its contrast agent says before contrast"),
        ("T1 PRE", {"acquired_s": 30, "injected_s": 20}, "although the time of injection says after contrast"),
        (
            "T1 PRE",
            {"agent": "Gd", "acquired_s": 30, "injected_s": 20},
            "although its description says before contrast",
        ),
        ("T1 pre and post gad", {}, "although its description says both before and after contrast"),
        ("T1 PRE", {"agent": "Gd", "acquired_s": 10, "injected_s": 20}, ""),
        ("T1 POST", {}, ""),
        ("T1 POST", {"agent": "Gd"}, ""),
    ],
)
def test_contradictions_are_told(text, settings, doubt):
    assert recognize(Settings(text, **settings)).doubt == doubt


ORDERS = [
    ([("AX T1", "", 1), ("AX T1 POST", "", 2), ("SAG T1", "", 3)], ["t1", "t1ce", "t1ce"]),
    ([("AX T1", "Gd", 1), ("SAG T1 PRE", "Gd", 2), ("AX T1 POST", "Gd", 3)], ["t1", "t1", "t1ce"]),
    ([("AX T1", "", 1), ("AX T1", "Gd", 2)], ["t1", "t1ce"]),
    ([("AX T1", "", None), ("AX T1 POST", "", 2), ("SAG T1", "", None)], ["t1", "t1ce", "t1"]),
    ([("AX T1", "", 1), ("AX T1 POST", "", 1)], ["t1", "t1ce"]),
]


@pytest.mark.parametrize(("series", "kinds"), ORDERS)
def test_what_follows_contrast_has_contrast(series, kinds):
    found = recognize_all([Settings(text, agent=agent, acquired_s=at) for text, agent, at in series])
    assert [each.kind for each in found] == kinds


@pytest.mark.parametrize(
    ("before", "after"),
    [("T1 ohne KM", "T1 KM"), ("T1 non-enhanced", "T1CE"), ("T1 sin contraste", "T1_C"), ("MPRAGE", "MPRAGE Dotarem")],
)
def test_a_study_has_both_on_their_sides(tmp_path, head, before, after):
    volume, affine, _ = head
    for number, (text, channel) in enumerate((("T2 FLAIR", 1), (after, 2), (before, 0)), start=3):
        write_classic(tmp_path, volume[..., channel], affine, text, number)
    study = read_study(tmp_path)
    assert study.notes == ()
    assert_is_head(study, head)


def test_a_contradiction_is_noted_with_the_way_to_state_it(tmp_path, head):
    volume, affine, _ = head
    write_classic(tmp_path, volume[..., 1], affine, "T2 FLAIR", 4)
    write_classic(tmp_path, volume[..., 2], affine, "T1 PRE", 6, ContrastBolusAgent="Gadovist")
    message = r"series 6 \(T1 PRE\) was taken as t1 although its contrast agent says after contrast; .*--series t1ce=6"
    with pytest.warns(UserWarning, match=message):
        read_study(tmp_path)
    study = read_study(tmp_path, series={"t1ce": 6})
    assert (study.sequences, study.notes) == (("flair", "t1ce"), ())


def test_the_time_of_injection_is_read(tmp_path, head):
    volume, affine, _ = head
    agent = {"ContrastBolusAgent": "Gadovist", "ContrastBolusStartTime": "120500"}
    write_classic(tmp_path, volume[..., 1], affine, "T2 FLAIR", 4, **agent)
    write_classic(tmp_path, volume[..., 0], affine, "AX T1", 5, AcquisitionTime="120100.5", **agent)
    write_classic(tmp_path, volume[..., 2], affine, "AX T1", 6, AcquisitionTime="120600", **agent)
    assert_is_head(read_study(tmp_path), head)


# --- which series is taken ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "ABC", "seq 7"])
def test_a_named_series_wins_over_one_that_its_times_suggest(tmp_path, head, text):
    volume, affine, _ = head
    write_classic(tmp_path, volume[..., 1], affine, "T2 FLAIR", 4)
    write_classic(tmp_path, volume[:4, ..., 0], affine, "T1", 5)
    write_classic(tmp_path, volume[..., 2], affine, text, 1, EchoTime="2", RepetitionTime="150")
    message = r"2 series look like t1: took series 5 \(T1\), recognised by its description, not 1.* by its echo and repetition"
    with pytest.warns(UserWarning, match=message):
        study = read_study(tmp_path, align=False)
    np.testing.assert_allclose(study.sequence("t1")[:4], volume[:4, ..., 0], atol=1e-4)


def test_a_sequence_that_its_times_alone_suggest_is_told(tmp_path, head):
    volume, affine, _ = head
    write_classic(tmp_path, volume[..., 1], affine, "brain", 4, EchoTime="120", InversionTime="2500")
    with pytest.warns(
        UserWarning, match=r"flair was recognised by its echo and inversion times: took series 4 \(brain\)"
    ):
        study = read_study(tmp_path)
    np.testing.assert_array_equal(study.sequence("flair"), volume[..., 1])


# --- writing --------------------------------------------------------------------------------------------------------


def planes_of(path):
    """The segmented planes of a DICOM SEG, by the position of each."""
    found = highdicom.seg.segread(path)
    geometry = found.get_volume(combine_segments=True)
    return found, geometry


@pytest.mark.filterwarnings("ignore:.*slices 4 of 7 are missing")
@pytest.mark.parametrize("write", ["classic", "multiframe", "gap"])
def test_dicom_seg_is_the_mask_voxel_by_voxel(tmp_path, head, write):
    volume, affine, truth = head
    if write == "multiframe":
        write_multiframe(tmp_path / "in" / "a.dcm", volume[..., 1], affine)
        sources = [pydicom.dcmread(tmp_path / "in" / "a.dcm")]
    else:
        paths = write_classic(tmp_path / "in", volume[..., 1], affine)
        if write == "gap":
            paths.pop(3).unlink()
            truth = truth.copy()
            truth[3] = False
        sources = [pydicom.dcmread(path) for path in paths]
    study = read_study(tmp_path / "in")
    path = write_segmentation(Segmentation(truth, geometry=study.geometry), tmp_path / "mask.dcm")

    written, found = planes_of(path)
    inside = np.argwhere(found.array > 0)
    world = inside @ found.affine[:3, :3].T + found.affine[:3, 3]
    index = (world * (-1, -1, 1) - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T  # from DICOM's world to RAS+
    np.testing.assert_allclose(index, np.rint(index), atol=1e-3)
    again = np.zeros(SHAPE, bool)
    again[tuple(np.rint(index).astype(int)[:, ::-1].T)] = True
    np.testing.assert_array_equal(again, truth)

    referred = {str(uid) for _, _, uid in written.get_source_image_uids()}
    assert referred <= {str(source.SOPInstanceUID) for source in sources}
    assert written.ReferencedSeriesSequence[0].SeriesInstanceUID == sources[0].SeriesInstanceUID
    assert (written.PatientID, written.StudyInstanceUID) == (NUMBER, sources[0].StudyInstanceUID)
    assert written.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    assert b"private" not in path.read_bytes()


def test_headers_may_lack_what_anonymised_ones_lack(tmp_path, head, recwarn):
    for path in write_classic(tmp_path / "in", head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        for keyword in (
            "PatientName",
            "PatientSex",
            "StudyID",
            "StudyTime",
            "AccessionNumber",
            "ReferringPhysicianName",
        ):
            delattr(data, keyword)
        with pydicom.config.disable_value_validation():
            data.PatientBirthDate, data.PatientID = "about 1970", "x" * 90
            data.save_as(path)
    study = read_study(tmp_path / "in")
    path = write_segmentation(Segmentation(head[2], geometry=study.geometry), tmp_path / "mask.dcm")
    assert highdicom.seg.segread(path).pixel_array.sum() == head[2].sum()
    assert not [each for each in recwarn if "xxx" in str(each.message) or "1970" in str(each.message)]


def test_images_of_an_unknown_kind_are_refused(tmp_path, head):
    for path in write_classic(tmp_path / "in", head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.3"
        data.save_as(path)
    study = read_study(tmp_path / "in")
    with pytest.raises(DataError, match=r"mask\.dcm: can't be made from the headers of the FLAIR's images"):
        write_segmentation(Segmentation(head[2], geometry=study.geometry), tmp_path / "mask.dcm")
    assert not (tmp_path / "mask.dcm").exists()


def test_empty_mask_is_written_as_empty(tmp_path, head):
    write_classic(tmp_path / "in", head[0][..., 1], head[1])
    study = read_study(tmp_path / "in")
    path = write_segmentation(Segmentation(np.zeros(SHAPE, bool), geometry=study.geometry), tmp_path / "mask.dcm")
    assert not highdicom.seg.segread(path).pixel_array.any()


def test_nifti_of_a_dicom_study_lies_where_the_patient_is_and_names_nobody(tmp_path, head):
    volume, affine, truth = head
    write_classic(tmp_path / "in", volume[..., 1], affine)
    study = read_study(tmp_path / "in")
    probabilities = truth.astype(np.float32) / 2
    found = Segmentation(truth, probabilities, geometry=study.geometry)
    image = nib.load(write_segmentation(found, tmp_path / "mask.nii", probabilities=True))
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(image.dataobj) > 0, truth.transpose(2, 1, 0))
    for path in tmp_path.glob("*.nii*"):
        assert NAME.encode() not in path.read_bytes()
    write_segmentation(found, tmp_path / "seg.dcm", probabilities=True)
    assert nib.load(tmp_path / "seg_probabilities.nii.gz").get_fdata().max() == 0.5


def test_dicom_seg_needs_a_dicom_study(tmp_path, phantom):
    found = Segmentation(phantom.mask, geometry=phantom.geometry)
    with pytest.raises(DataError, match=r"mask\.dcm: DICOM SEG refers to the images that it was drawn on"):
        write_segmentation(found, tmp_path / "mask.dcm")
    assert list(tmp_path.iterdir()) == []


# --- bad input ------------------------------------------------------------------------------------------------------


def mixed_patients(folder, head):
    write_all(folder, head)
    write_classic(folder, head[0][..., 1], head[1], number=9, patient="P-4712")
    return folder, r"mixes images of 2 patients; expected one examination of one patient"


def mixed_examinations(folder, head):
    write_all(folder, head)
    write_classic(folder, head[0][..., 1], head[1], number=9, examination=2)
    return folder, r"mixes images of 2 examinations"


def two_images_at_one_place(folder, head):
    volume, affine, _ = head
    paths = write_classic(folder, volume[..., 1], affine)
    data = pydicom.dcmread(paths[0])
    data.SOPInstanceUID += ".1"
    data.save_as(folder / "again")
    return folder, r"series 1 \(AX FLAIR\) has 1 image at the place of another; expected one a slice"


def irregular_distances(folder, head):
    volume, affine, _ = head
    path = write_classic(folder, volume[..., 1], affine)[3]
    data = pydicom.dcmread(path)
    data.ImagePositionPatient = [
        float(x) + y for x, y in zip(data.ImagePositionPatient, 8 * affine[:3, 2] / 18, strict=True)
    ]
    data.save_as(path)
    return folder, r"series 1 \(AX FLAIR\) has a? ?slices? .* expected (one distance|slices at one distance)"


def no_position(folder, head):
    for path in write_classic(folder, head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        del data.ImagePositionPatient
        data.save_as(path)
    return (
        folder,
        r"series 1 \(AX FLAIR\) can't be placed in the world: its position, orientation or pixel spacing is missing",
    )


def flat_orientation(folder, head):
    for path in write_classic(folder, head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        data.ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
        data.save_as(path)
    return folder, r"series 1 \(AX FLAIR\) has .* at the place of another"


def zero_spacing(folder, head):
    for path in write_classic(folder, head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        data.PixelSpacing = [0, 0]
        data.save_as(path)
    return folder, r"series 1 \(AX FLAIR\) does not place its pixels in the world"


def huge_image(folder, head):
    for path in write_classic(folder, head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        data.Rows = data.Columns = 60000
        data.save_as(path)
    return folder, r"claims 60000 x 60000 pixels"


def more_pixels_than_the_file_holds(folder, head):
    for path in write_classic(folder, head[0][..., 1], head[1]):
        data = pydicom.dcmread(path)
        data.Rows = data.Columns = 4000
        data.save_as(path)
    return folder, r"claims 4000 x 4000 pixels; expected what its \d+ bytes hold"


def more_frames_than_are_placed(folder, head):
    path = write_multiframe(folder / "a.dcm", head[0][..., 1], head[1])
    data = pydicom.dcmread(path)
    data.NumberOfFrames = 100_000
    data.save_as(path)
    return folder, r"series 1 \(AX FLAIR\) can't be placed in the world: it has 100000 frames and the places of 7"


def gigabytes(folder, head):
    path = write_classic(folder, head[0][..., 1], head[1])[0]
    with path.open("r+b") as stream:
        stream.truncate(3 << 30)  # takes no place on disk
    return folder, r"has 3221225472 bytes; expected an image of a head"


def deflated_bomb(folder, head):
    path = write_classic(folder, head[0][..., 1], head[1])[0]
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.PixelData = np.random.default_rng(0).bytes(1 << 20)
    data.save_as(path)
    return folder, r"has \d+ bytes, deflated; expected an image of a head"


def cut_pixels(folder, head):
    path = write_classic(folder, head[0][..., 1], head[1])[0]
    path.write_bytes(path.read_bytes()[:-500])
    return folder, r"(is damaged|can't be decoded)"


def cut_header(folder, head):
    path = write_classic(folder, head[0][..., 1], head[1])[0]
    path.write_bytes(path.read_bytes()[:400])
    return folder, r"is damaged: it ends before its image"


def truncated_by_someone_else(folder, head):
    folder.mkdir()
    shutil.copy(get_testdata_file("MR_truncated.dcm", download=False), folder)
    return folder, r"holds no FLAIR that can be read"


def only_other_modalities(folder, head):
    folder.mkdir()
    shutil.copy(get_testdata_file("CT_small.dcm", download=False), folder)
    return folder, r"holds no MR images; found CT"


def a_picture_in_colour(folder, head):
    folder.mkdir()
    data = pydicom.dcmread(get_testdata_file("SC_rgb_small_odd.dcm", download=False))
    data.Modality, data.SeriesDescription = "MR", "FLAIR"
    data.save_as(folder / "a.dcm")
    return (
        folder,
        r"holds no FLAIR that can be read; series .* can't be placed in the world: it is RGB; expected MONOCHROME2",
    )


def zip_with_a_place_outside(folder, head):
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("../a", b"x")
    return folder / "a.zip", r"names '../a', a place outside of the zip"


def zip_that_claims_gigabytes(folder, head):
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"x" * 1000)
    content = bytearray((folder / "a.zip").read_bytes())
    place = content.index(b"PK\x01\x02") + 24  # the size that the directory claims
    content[place : place + 4] = (3 << 30).to_bytes(4, "little")
    (folder / "a.zip").write_bytes(content)
    return folder / "a.zip", r"claims 3221225472 bytes for 'a'"


def zip_bomb(folder, head):
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}", b"")
    content = bytearray((folder / "a.zip").read_bytes())
    start = 0
    for _ in range(5):
        place = content.index(b"PK\x01\x02", start)
        content[place + 20 : place + 28] = (1 << 29).to_bytes(4, "little") * 2
        start = place + 4
    (folder / "a.zip").write_bytes(content)
    return folder / "a.zip", r"claims 2684354560 bytes; expected one study"


def damaged_zip(folder, head):
    folder.mkdir()
    (folder / "a.zip").write_bytes(b"PK" + bytes(100))
    return folder / "a.zip", r"a\.zip: is damaged, or not a zip that can be read"


def damaged_file_in_a_zip(folder, head):
    write_classic(folder / "in", head[0][..., 1], head[1])
    shutil.make_archive(str(folder / "a"), "zip", folder / "in")
    content = bytearray((folder / "a.zip").read_bytes())
    content[1500:1600] = bytes(100)
    (folder / "a.zip").write_bytes(content)
    return folder / "a.zip", r"a\.zip.* is damaged"


@pytest.mark.parametrize(
    "make",
    [
        mixed_patients, mixed_examinations, two_images_at_one_place, irregular_distances, no_position, flat_orientation,
        zero_spacing, huge_image, more_pixels_than_the_file_holds, more_frames_than_are_placed,
        gigabytes, deflated_bomb, cut_pixels, cut_header, truncated_by_someone_else,
        only_other_modalities,
        a_picture_in_colour, zip_with_a_place_outside, zip_that_claims_gigabytes, zip_bomb, damaged_zip,
        damaged_file_in_a_zip,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bad_input_is_one_line_that_names_the_place_and_nobody(tmp_path, head, make):
    path, message = make(tmp_path / "in", head)
    with pytest.raises(DataError, match=message) as caught:
        read_study(path)
    text = str(caught.value)
    assert text.startswith(str(tmp_path))
    assert "\n" not in text
    assert NAME not in text
    assert NUMBER not in text


@settings(max_examples=60)
@given(changes=st.lists(st.tuples(st.integers(132, 2200), st.integers(0, 255)), min_size=1, max_size=5))
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_damaged_files_are_refused_or_read(one_file, changes):
    path, content = one_file
    damaged = bytearray(content)
    for place, byte in changes:
        damaged[place] = byte
    path.write_bytes(damaged)
    try:
        read_study(flair=path.parent)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.fixture(scope="module")
def one_file(tmp_path_factory, head):
    (path,) = write_classic(tmp_path_factory.mktemp("one"), head[0][:1, ..., 1], head[1])
    return path, path.read_bytes()
