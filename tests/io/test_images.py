import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from braintumorseg import DataError, Segmentation, find_studies, read_study, write_segmentation


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def slice_of(value, shape=(6, 5, 3)):
    return np.full(shape, value, np.uint8)


def make_folder(folder, numbers=(1, 2, 10, 11), masks=True, suffix=".tif"):
    """Slices whose grey value is their number, in the dataset's layout."""
    for number in numbers:
        save(folder / f"{folder.name}_{number}{suffix}", slice_of(number))
        if masks:
            mask = np.zeros((6, 5), np.uint8)
            mask[number % 6] = 255
            save(folder / f"{folder.name}_{number}_mask{suffix}", mask)
    return folder


def contents(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.filterwarnings("ignore:.*slices 3, 4:UserWarning")
def test_folder_is_read_in_the_order_of_numbers(tmp_path, suffix):
    study = read_study(make_folder(tmp_path / "TCGA_XX_1_20000101", suffix=suffix))
    assert study.volume[:, 0, 0, 0].tolist() == [1, 2, 10, 11]
    assert study.name == "TCGA_XX_1_20000101"
    assert study.sequences == ("t1", "flair", "t1ce")
    assert study.slice_names == tuple(f"TCGA_XX_1_20000101_{n}" for n in (1, 2, 10, 11))
    assert study.mask.argmax(axis=1)[:, 0].tolist() == [1, 2, 4, 5]
    assert study.spacing is None


def test_values_and_channels_are_as_stored(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    save(tmp_path / "p" / "p_1.tif", array)
    np.testing.assert_array_equal(read_study(tmp_path / "p").volume[0], array)


def test_folder_without_masks(tmp_path):
    assert read_study(make_folder(tmp_path / "p", (1, 2, 3), masks=False)).mask is None


def test_one_channel_is_flair(tmp_path):
    save(tmp_path / "p" / "p_1.tif", slice_of(3, (6, 5)))
    assert read_study(tmp_path / "p").sequences == ("flair",)


def test_sixteen_bits_and_floats_are_read(tmp_path):
    save(tmp_path / "p_1.tif", np.full((6, 5), 40000, np.uint16))
    save(tmp_path / "p_2.tif", np.full((6, 5), -1.5, np.float32))
    assert read_study(tmp_path / "p_1.tif").volume.max() == 40000
    assert read_study(tmp_path / "p_2.tif").volume.max() == -1.5


def test_other_sequences_can_be_named(tmp_path):
    path = save(tmp_path / "p_1.tif", slice_of(3))
    assert read_study(path, sequences=("t1ce", "flair", "t1")).sequences == ("t1ce", "flair", "t1")


def test_other_files_are_passed_over(tmp_path):
    folder = make_folder(tmp_path / "p", (1, 2))
    for name in ("data.csv", ".DS_Store", "Thumbs.db", "._p_1.tif"):
        (folder / name).write_bytes(b"x")
    assert len(read_study(folder).volume) == 2


def test_missing_numbers_are_reported(tmp_path):
    with pytest.warns(
        UserWarning, match=r"slices 3, 4, 5, 6, 7, \.\.\. are missing; the others are read as neighbours"
    ):
        read_study(make_folder(tmp_path / "p"))


def test_single_image_with_its_mask(tmp_path):
    path = save(tmp_path / "a.png", slice_of(9))
    assert read_study(path).mask is None
    save(tmp_path / "a_mask.png", np.eye(6, 5, dtype=np.uint8) * 255)
    study = read_study(path)
    assert study.shape == (1, 6, 5)
    assert study.name == "a"
    np.testing.assert_array_equal(study.mask[0], np.eye(6, 5, dtype=bool))


def test_tiff_of_pages_is_a_volume(tmp_path):
    pages = [Image.fromarray(slice_of(value)) for value in (4, 5, 6)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    study = read_study(tmp_path / "stack.tif")
    assert study.volume[:, 0, 0, 0].tolist() == [4, 5, 6]
    assert study.slice_names == ("stack_1", "stack_2", "stack_3")


# --- finding --------------------------------------------------------------------------------------------------------


def test_studies_are_found_as_the_dataset_lies(tmp_path):
    for name in ("B", "A"):
        make_folder(tmp_path / "kaggle_3m" / name, (1, 2))
    (tmp_path / "kaggle_3m" / "data.csv").write_text("x")
    (tmp_path / "scan.nii.gz").write_bytes(b"")
    (tmp_path / "scan_mask.nii.gz").write_bytes(b"")
    found = find_studies(tmp_path)
    assert [path.name for path in found] == ["A", "B", "scan.nii.gz"]
    assert find_studies(found[0]) == [found[0]]
    assert find_studies(found[2]) == [found[2]]


def test_studies_are_found_beside_pictures_links_and_in_order_of_numbers(tmp_path, monkeypatch):
    for name in ("p10", "p2"):
        make_folder(tmp_path / ".data" / name, (1,))
    root = tmp_path / ".data"
    save(root / "preview.png", slice_of(0))
    (root / "v1.2_mask.nii.gz").write_bytes(b"")
    (root / "p2" / "back").symlink_to(root)
    assert [path.name for path in find_studies(root)] == ["p2", "p10"]
    monkeypatch.chdir(root / "p2")
    assert [path.name for path in find_studies("..")] == ["p2", "p10"]


def test_finding_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match="holds no study; expected a folder of"):
        find_studies(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        find_studies(tmp_path / "nowhere")


# --- bad input ------------------------------------------------------------------------------------------------------


def mask_without_image(folder):
    make_folder(folder, (1, 2))
    save(folder / "p_3_mask.tif", slice_of(0, (6, 5)))
    return folder, r"p_3_mask\.tif: is a mask without its image; expected p_3\.tif"


def image_without_mask(folder):
    make_folder(folder, (1, 2))
    save(folder / "p_3.tif", slice_of(0))
    return folder, r"p: p_3\.tif has no mask while others do"


def other_size(folder):
    make_folder(folder, (1, 2), masks=False)
    save(folder / "p_3.tif", slice_of(0, (6, 7, 3)))
    return folder, r"p_3\.tif: has 6 x 7 pixels of 3 channel\(s\); expected 6 x 5 of 3, as p_1\.tif"


def mask_of_other_size(folder):
    save(folder / "p_1.tif", slice_of(0))
    save(folder / "p_1_mask.tif", slice_of(0, (5, 6)))
    return folder, r"p_1_mask\.tif: is not a mask of its image; expected 6 x 5 pixels .*, found 5 x 6"


def grey_mask(folder):
    save(folder / "p_1.tif", slice_of(0))
    save(folder / "p_1_mask.tif", np.arange(30, dtype=np.uint8).reshape(6, 5))
    return folder, r"p_1_mask\.tif: is not a mask; expected 0 and one other value, 29 in this study, found 0, 1, 2"


def colour_mask(folder):
    save(folder / "p_1.tif", slice_of(0))
    save(folder / "p_1_mask.tif", slice_of(0))
    return folder, r"p_1_mask\.tif: is not a mask of its image; .* of 1 channel, found 6 x 5 pixels of 3 channel"


def masks_of_two_labels(folder):
    for number in (1, 2):
        save(folder / f"p_{number}.tif", slice_of(0))
        save(folder / f"p_{number}_mask.tif", np.eye(6, 5, dtype=np.uint8) * np.uint8(number))
    return folder, r"p_1_mask\.tif: is not a mask; expected 0 and one other value, 2 in this study, found 0, 1"


def infinite_mask(folder):
    save(folder / "p_1.tif", slice_of(0))
    save(folder / "p_1_mask.tif", np.where(np.eye(6, 5) > 0, np.inf, 0).astype(np.float32))
    return folder, r"p_1_mask\.tif: holds 5 NaN or infinite values"


def second_mask_of_other_size(folder):
    make_folder(folder, (1, 2))
    save(folder / "p_2_mask.tif", slice_of(0, (6, 4)))
    return folder, r"p_2_mask\.tif: is not a mask of its image; expected 6 x 5 pixels .*, found 6 x 4"


def two_masks_of_one_slice(folder):
    make_folder(folder, (1,))
    save(folder / "p_1_mask.png", slice_of(0, (6, 5)))
    return folder, r"p_1_mask\.tif: is a second mask of p_1, beside p_1_mask\.png"


def pages_in_a_folder(folder):
    path = make_folder(folder, (1,), masks=False) / "p_1.tif"
    Image.fromarray(slice_of(1)).save(path, save_all=True, append_images=[Image.fromarray(slice_of(2))])
    return folder, r"p_1\.tif: has 2 pages; expected one slice a file"


def mask_of_fewer_pages(folder):
    path = make_folder(folder, (1,)) / "p_1.tif"
    Image.fromarray(slice_of(1)).save(path, save_all=True, append_images=[Image.fromarray(slice_of(2))])
    return path, r"p_1_mask\.tif: has 1 page\(s\); expected 2, as its image"


def jpeg(folder):
    return save(folder / "p_1.tif", slice_of(0), format="JPEG"), r"p_1\.tif: is damaged, or not a TIFF or PNG"


def sixteen_bit_colour(folder):
    # Pillow can't write this kind; it would read 1000 as 3.
    rows = b"".join(b"\0" + np.full((5, 3), 1000, ">u2").tobytes() for _ in range(6))
    header = struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    content = [struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks]
    folder.mkdir()
    (folder / "p_1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(content))
    return folder, r"p_1\.png: is stored as RGB;16B, which Pillow cuts to 3 channels of 8 bits"


def fourth_channel_without_meaning(folder):
    folder.mkdir()
    image = Image.fromarray(slice_of(7)).convert("RGBX")
    image.save(folder / "p_1.tif")
    return folder, r"p_1\.tif: is stored as RGBX, which Pillow cuts to 3 channels"


def palette(folder):
    folder.mkdir()
    Image.fromarray(slice_of(7, (6, 5))).convert("P").save(folder / "p_1.png")
    return folder, r"p_1\.png: has 1 channel\(s\) of mode P; expected 3"


def two_channels(folder):
    return save(folder / "a.png", slice_of(0, (6, 5, 2))), r"a\.png: has 2 channel\(s\) of mode LA; expected 3"


def four_channels(folder):
    return save(folder / "a.png", slice_of(0, (6, 5, 4))), r"a\.png: has 4 channel\(s\) of mode RGBA; expected 3"


def truncated(folder):
    path = save(folder / "p_1.tif", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:5000])
    return path, r"p_1\.tif: is damaged, or not a TIFF or PNG"


def truncated_png(folder):
    path = save(folder / "p_1.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:5000])
    return path, r"p_1\.png: is damaged, or not a TIFF or PNG"


def cut_to_nothing(folder):
    folder.mkdir()
    (folder / "p_1.tif").write_bytes(b"")
    return folder, r"p_1\.tif: is damaged, or not a TIFF or PNG"


def text(folder):
    folder.mkdir()
    (folder / "p_1.tif").write_text("hello")
    return folder / "p_1.tif", r"p_1\.tif: is damaged, or not a TIFF or PNG"


def not_a_number(folder):
    return save(folder / "p_1.tif", np.full((6, 5), np.nan, np.float32)), r"p_1\.tif: holds 30 NaN or infinite values"


def empty_folder(folder):
    folder.mkdir()
    return folder, r"p: holds no slices; expected files named <patient>_<number>\.tif"


def folder_of_folders(folder):
    make_folder(folder / "a", (1,))
    return folder, r"p: holds folders, not slices; expected one patient's folder"


def two_patients(folder):
    save(folder / "a_1.tif", slice_of(0))
    save(folder / "b_2.tif", slice_of(0))
    return folder, r"p: mixes a_1\.tif and b_2\.tif; expected the slices of one patient"


def same_number_twice(folder):
    save(folder / "p_1.tif", slice_of(0))
    save(folder / "p_01.tif", slice_of(0))
    return folder, r"p_1\.tif: is slice 1 a second time, beside p_01\.tif"


def no_number(folder):
    return save(
        folder / "flair.tif", slice_of(0)
    ).parent, r"flair\.tif: has no slice number; expected <patient>_<number>"


def mask_alone(folder):
    return save(folder / "a_mask.png", slice_of(0, (6, 5))), r"a_mask\.png: is a mask; expected the image .* a\.png"


def unknown_kind(folder):
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"")
    return folder / "a.jpg", r"a\.jpg: unknown kind of file; expected a folder of \.tif"


def missing(folder):
    return folder / "nowhere", r"nowhere: does not exist; expected"


@pytest.mark.parametrize(
    "make",
    [
        mask_without_image, image_without_mask, other_size, mask_of_other_size, grey_mask, colour_mask, two_channels,
        four_channels, truncated, truncated_png, cut_to_nothing, text, not_a_number, empty_folder, folder_of_folders,
        two_patients, same_number_twice, no_number, mask_alone, unknown_kind, missing, masks_of_two_labels, infinite_mask,
        second_mask_of_other_size, two_masks_of_one_slice, pages_in_a_folder, mask_of_fewer_pages, jpeg,
        sixteen_bit_colour, fourth_channel_without_meaning, palette,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_bad_input_is_one_line_that_names_the_file(tmp_path, make):
    path, message = make(tmp_path / "p")
    with pytest.raises(DataError, match=message) as caught:
        read_study(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("side", "message"),
    [
        (9000, "claims 9000 x 9000 pixels; expected at most 8192 a side"),
        (11000, "is damaged, or not"),
        (14000, "is damaged, or not"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bomb_is_refused_before_it_is_unpacked(tmp_path, side, message):
    Image.new("1", (side, side)).save(tmp_path / "a_1.png")
    with pytest.raises(DataError, match=message):
        read_study(tmp_path / "a_1.png")


def test_claims_that_a_file_can_not_hold_are_refused(tmp_path):
    path = save(tmp_path / "a_1.tif", np.zeros((6, 5), np.uint8))
    content = path.read_bytes()
    for tag in (b"\x00\x01", b"\x01\x01"):  # width and height, of type long or short, one value
        at = content.index(tag, 8)
        content = content[: at + 2] + struct.pack("<HII", 4, 1, 8000) + content[at + 12 :]
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"claims 64000000 values; expected what its .* bytes can hold"):
        read_study(path)


@settings(max_examples=60)
@given(data=st.data(), suffix=st.sampled_from([".tif", ".png"]))
def test_damaged_images_are_refused_or_read(tmp_path_factory, data, suffix):
    """Whatever bytes are there, it is a study or a DataError of one line; what is cut off is never a study."""
    path = save(tmp_path_factory.mktemp("any") / f"p_1{suffix}", np.arange(90, dtype=np.uint8).reshape(6, 5, 3))
    content = bytearray(path.read_bytes())
    whole = read_study(path).volume
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1), "cut")])
    try:
        np.testing.assert_array_equal(read_study(path).volume, whole)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017
    for _ in range(2):
        content[data.draw(st.integers(0, len(content) - 1), "place")] = data.draw(st.integers(0, 255), "byte")
    path.write_bytes(content)
    try:
        read_study(path)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("sequences", ["flair", (), ("t1", "t1", "t1ce"), ("t1", "flair", "T 2")])
def test_sequences_must_be_known_names(tmp_path, sequences):
    with pytest.raises(ValueError, match=r"sequences must be .* names such as t1, flair, t1ce, t2 or adc") as caught:
        read_study(tmp_path / "nowhere", sequences=sequences)
    assert not isinstance(caught.value, DataError)


def test_numbers_far_apart_cost_nothing(tmp_path):
    save(tmp_path / "p" / "p_1.tif", slice_of(1))
    save(tmp_path / "p" / "p_20200101235959.tif", slice_of(2))
    with pytest.warns(UserWarning, match=r"slices 2, 3, 4, 5, 6, \.\.\. are missing"):
        assert len(read_study(tmp_path / "p").volume) == 2


def test_sequences_must_fit_the_channels(tmp_path):
    path = save(tmp_path / "p_1.tif", slice_of(3))
    with pytest.raises(DataError, match=r"p_1\.tif: has 3 channel\(s\); expected 2 for flair, t1ce"):
        read_study(path, sequences=("flair", "t1ce"))


# --- writing --------------------------------------------------------------------------------------------------------

MASK = np.random.default_rng(0).random((3, 6, 5)) > 0.5


def test_folder_has_the_layout_of_the_dataset(tmp_path):
    names = ("p_1", "p_2", "p_10")
    write_segmentation(Segmentation(MASK, slice_names=names), tmp_path / "out")
    assert contents(tmp_path / "out") == sorted(f"{name}_mask.tif" for name in names)
    for name, mask in zip(names, MASK, strict=True):
        image = Image.open(tmp_path / "out" / f"{name}_mask.tif")
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), mask * 255)


@pytest.mark.filterwarnings("ignore:.*are missing:UserWarning")
def test_folder_round_trip(tmp_path):
    folder = make_folder(tmp_path / "p", masks=False)
    study = read_study(folder)
    mask = study.volume[..., 0] > 5
    write_segmentation(Segmentation(mask, slice_names=study.slice_names), folder)
    np.testing.assert_array_equal(read_study(folder).mask, mask)


def test_names_are_made_where_there_are_none(tmp_path):
    write_segmentation(Segmentation(MASK, name="case"), tmp_path / "out")
    assert contents(tmp_path / "out") == [f"case_{n}_mask.tif" for n in (1, 2, 3)]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_single_image(tmp_path, suffix):
    path = write_segmentation(Segmentation(MASK[:1]), tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), MASK[0] * 255)


def test_tiff_holds_pages(tmp_path):
    save(tmp_path / "a.tif", slice_of(0))
    write_segmentation(Segmentation(MASK), tmp_path / "a_mask.tif")
    pages = [Image.fromarray(slice_of(0))] * 3
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_study(tmp_path / "a.tif").mask, MASK)


def test_png_can_not_hold_a_volume(tmp_path):
    with pytest.raises(
        DataError, match=r"a\.png: PNG holds one slice; expected a folder, \.tif or \.nii\.gz for the 3"
    ):
        write_segmentation(Segmentation(MASK), tmp_path / "a.png")
    assert contents(tmp_path) == []


@pytest.mark.parametrize("name", ["out", "a.tif"])
def test_existing_output_is_kept_unless_overwrite(tmp_path, name):
    old, new = Segmentation(MASK), Segmentation(~MASK)
    path = write_segmentation(old, tmp_path / name)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(DataError, match="already exists"):
        write_segmentation(new, path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    write_segmentation(new, path, overwrite=True)
    after = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert after.keys() == before.keys()
    assert all(after[file] != before[file] for file in after)


def test_overwriting_a_folder_keeps_what_is_not_ours(tmp_path):
    write_segmentation(Segmentation(MASK), tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    write_segmentation(Segmentation(~MASK), tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("names", [("a", "a", "b"), ("../a", "b", "c"), ("a", "", "c/d")])
def test_names_that_are_no_files_are_refused(tmp_path, names):
    with pytest.raises(DataError, match=r"out: can't hold slices named .*; expected distinct names of files"):
        write_segmentation(Segmentation(MASK, slice_names=names), tmp_path / "out")
    assert contents(tmp_path) == []


@pytest.mark.parametrize("name", ["file/out", "file/a.tif"])
def test_unwritable_output_leaves_nothing(tmp_path, name):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match=r"can't be written"):
        write_segmentation(Segmentation(MASK), tmp_path / name)
    assert contents(tmp_path) == ["file"]


def test_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.jpg: unknown kind of file; expected a folder"):
        write_segmentation(Segmentation(MASK), tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.tif: can't hold probabilities"):
        write_segmentation(Segmentation(MASK), tmp_path / "a.tif", probabilities=True)


@given(numbers=st.sets(st.integers(0, 200), min_size=1, max_size=12))
def test_any_numbers_come_back_in_order(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("any") / "p"
    make_folder(folder, numbers, masks=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert read_study(folder).volume[:, 0, 0, 0].tolist() == sorted(numbers)
