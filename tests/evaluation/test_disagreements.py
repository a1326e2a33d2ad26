import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from braintumorseg import DataError, Segmentation, Study, make_study
from braintumorseg._core.draw import FOUND_COLOUR, TRUTH_COLOUR
from braintumorseg.evaluation import find_disagreements, write_disagreements


def pair(name, probabilities, mask, **options):
    """A study of slices in a row, each of a few voxels, and what was found in it."""
    probabilities, mask = np.atleast_2d(probabilities)[:, None], np.atleast_2d(mask)[:, None].astype(bool)
    study = Study(np.zeros((*mask.shape, 3)), mask=mask, name=name, **options)
    return study, Segmentation(probabilities >= 0.5, probabilities=probabilities)


def test_what_counts_is_confident_and_wrong():
    probabilities = [0.9, 0.89, 1.0, 0.1, 0.11, 0.0, 0.5, 0.95, 0.05]
    mask = [0, 0, 0, 1, 1, 1, 1, 1, 0]
    [found] = find_disagreements([pair("a", probabilities, mask)])
    assert (found.name, found.slice, found.slice_name) == ("a", 0, "a, slice 1")
    assert (found.unmarked, found.unconfirmed, found.voxels) == (2, 2, 4)


def test_confidence_can_be_asked_for():
    both = pair("a", [0.7, 0.2], [0, 1])
    assert find_disagreements([both]) == []
    [found] = find_disagreements([both], confidence=0.7)
    assert (found.unmarked, found.unconfirmed) == (1, 1)


def test_the_most_voxels_come_first_and_no_patient_fills_the_list():
    many = pair("many", np.ones((4, 9)), np.arange(9) >= [[5], [9], [8], [7]])
    few = pair("few", np.zeros((3, 9)), np.arange(9) < [[1], [0], [1]])
    everything = find_disagreements([few, many], per_patient=9)
    assert [(each.name, each.slice, each.voxels) for each in everything] == [
        ("many", 1, 9), ("many", 2, 8), ("many", 3, 7), ("many", 0, 5), ("few", 0, 1), ("few", 2, 1)
    ]  # fmt: skip
    usual = find_disagreements([few, many])
    assert [(each.name, each.slice) for each in usual] == [("many", 1), ("many", 2), ("few", 0), ("few", 2)]
    assert [each.slice for each in find_disagreements([few, many], count=3)] == [1, 2, 0]


@given(seed=st.integers(0, 10**6), count=st.integers(1, 9), per_patient=st.integers(1, 4))
def test_the_list_is_that_of_a_full_sort(seed, count, per_patient):
    rng = np.random.default_rng(seed)
    pairs = [pair(name, rng.choice([0.0, 0.5, 1.0], (5, 6)), rng.random((5, 6)) < 0.5) for name in "abcd"]
    rows = []
    for study, segmentation in pairs:
        counts = ((segmentation.probabilities != 0.5) & (segmentation.mask != study.mask)).sum(axis=(1, 2))
        own = sorted((-voxels, study.name, index) for index, voxels in enumerate(counts) if voxels)
        rows += own[:per_patient]
    found = find_disagreements(pairs, count=count, per_patient=per_patient)
    assert [(-each.voxels, each.name, each.slice) for each in found] == sorted(rows)[:count]


def test_slices_have_the_names_of_their_files():
    [found] = find_disagreements([pair("a", [1.0], [0], slice_names=("case_17",))])
    assert found.slice_name == "case_17"


@pytest.fixture(scope="module")
def found():
    """Slices of a phantom whose prediction lies beside its mask."""
    study = make_study(seed=3, shape=(8, 96, 96))
    moved = np.roll(study.mask, 12, axis=2)
    return find_disagreements([(study, Segmentation(moved, probabilities=moved.astype(float)))])


def test_picture_shows_the_slice_and_both_outlines(found):
    first, _ = found
    study = make_study(seed=3, shape=(8, 96, 96))
    np.testing.assert_array_equal(first.flair, study.sequence("flair")[first.slice])
    np.testing.assert_array_equal(first.truth, study.mask[first.slice])
    np.testing.assert_array_equal(first.found, np.roll(study.mask[first.slice], 12, axis=1))
    plain, outlined = first.plot().axes
    assert not plain.collections
    for contour, mask in zip(outlined.collections, (first.truth, first.found), strict=True):
        points = np.concatenate([path.vertices for path in contour.get_paths()])
        columns = np.flatnonzero(mask.any(axis=0))
        assert points[:, 0].min() == columns[0] - 0.5
        assert points[:, 0].max() == columns[-1] + 0.5


def test_voxels_that_are_not_square_keep_their_shape(phantom):
    nothing = np.zeros(phantom.shape)
    study = Study(phantom.volume, mask=phantom.mask, spacing=(5.0, 2.0, 1.0))
    first, *_ = find_disagreements([(study, Segmentation(nothing > 0, probabilities=nothing))])
    assert first.aspect == 2
    assert first.plot().axes[0].get_aspect() == 2


class Page(HTMLParser):
    """The pictures and the texts of a page, and whatever it would load from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.pictures, self.elsewhere, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for key, value in attributes:
            if tag == "img" and key == "src" and value.startswith("data:image/png;base64,"):
                self.pictures.append(Image.open(BytesIO(b64decode(value.partition(",")[2]))).convert("RGB"))
            elif key in ("src", "href"):
                self.elsewhere.append(value)
        if tag == "img":
            assert dict(attributes)["alt"]

    def handle_data(self, data):
        self.texts.append(data)


def test_page_holds_its_pictures(found, tmp_path):
    path = write_disagreements(found, tmp_path / "folder")
    page = Page(path.read_text(encoding="utf-8"))
    assert page.elsewhere == []
    assert len(page.pictures) == len(found) == 2
    for picture in page.pictures:
        for colour in (FOUND_COLOUR, TRUTH_COLOUR):
            rgb = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
            assert (np.abs(np.asarray(picture).astype(int) - rgb).max(axis=-1) < 40).sum() > 100
    text = " ".join(page.texts)
    for place, each in enumerate(found, 1):
        assert f"{place}. {each.slice_name}" in text
        assert f"{each.unmarked} voxels outside the mask with a probability of at least 0.9" in text
        assert f"{each.unconfirmed} voxels of the mask with one of at most 0.1." in text


def test_names_can_not_break_the_page(tmp_path):
    name = '<b>"x" & {y}'
    path = write_disagreements(find_disagreements([pair(name, np.ones((8, 8)), np.zeros((8, 8)))]), tmp_path)
    assert f"1. {name}, slice 1" in " ".join(Page(path.read_text(encoding="utf-8")).texts)


def test_table_says_what_was_counted(found, tmp_path):
    write_disagreements(found, tmp_path)
    table = pd.read_csv(tmp_path / "disagreements.csv")
    assert table.to_dict("records") == [
        {key: getattr(each, key) for key in ("name", "slice", "slice_name", "voxels", "unmarked", "unconfirmed")}
        for each in found
    ]


def test_nothing_found_is_said(tmp_path):
    path = write_disagreements([], tmp_path)
    assert "No slice has a voxel that counts." in path.read_text(encoding="utf-8")
    assert pd.read_csv(tmp_path / "disagreements.csv").empty


def test_older_files_are_replaced(found, tmp_path):
    write_disagreements(found, tmp_path)
    write_disagreements(found[:1], tmp_path)
    assert len(pd.read_csv(tmp_path / "disagreements.csv")) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"disagreements.csv", "disagreements.html"}


def test_what_is_lacking_is_named():
    study, segmentation = pair("case-7", [1.0], [0])
    with pytest.raises(DataError, match="case-7: has no mask"):
        find_disagreements([(study.with_mask(None), segmentation)])
    without = Study(study.volume[..., :1], ("t1",), mask=study.mask, name="case-8")
    with pytest.raises(DataError, match="case-8: has no FLAIR"):
        find_disagreements([(without, segmentation)])
    with pytest.raises(DataError, match="case-7: its segmentation has no probabilities"):
        find_disagreements([(study, Segmentation(segmentation.mask))])
    _, other = pair("case-7", [1.0, 1.0], [0, 0])
    with pytest.raises(ValueError, match=re.escape("pairs must be on one grid, case-7 on (1, 1, 1)")):
        find_disagreements([(study, other)])


@pytest.mark.parametrize("options", [{"count": 0}, {"per_patient": 0}, {"confidence": 0.5}, {"confidence": 1.1}])
def test_arguments_are_checked(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        find_disagreements([], **options)
