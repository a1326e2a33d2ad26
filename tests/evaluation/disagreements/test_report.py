from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pandas as pd
from PIL import Image

from braintumorseg._core.draw import FOUND_COLOUR, TRUTH_COLOUR
from braintumorseg.evaluation import find_disagreements, write_disagreements


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
            elif key in ("src", "href") and value != "data:,":  # the empty icon
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


def test_names_can_not_break_the_page(pair, tmp_path):
    name = '<b>"x" & {y}'
    path = write_disagreements(find_disagreements([pair(name, np.ones((8, 8)), np.zeros((8, 8)))]), tmp_path)
    assert f"1. {name}, slice 1" in " ".join(Page(path.read_text(encoding="utf-8")).texts)


def test_table_says_what_was_counted(found, tmp_path):
    write_disagreements(found, tmp_path)
    table = pd.read_csv(tmp_path / "disagreements.csv")
    keys = ("name", "slice_name", "voxels", "unmarked", "unconfirmed")
    assert table[list(keys)].to_dict("records") == [{key: getattr(each, key) for key in keys} for each in found]


def test_table_and_page_count_slices_from_1(found, tmp_path):
    page = Page(write_disagreements(found, tmp_path).read_text(encoding="utf-8"))
    numbers = pd.read_csv(tmp_path / "disagreements.csv")["slice_number"].tolist()
    assert numbers == [each.slice + 1 for each in found]
    for place, number in enumerate(numbers, 1):
        assert f"{place}. {found[0].name}, slice {number}" in " ".join(page.texts)


def test_nothing_found_is_said(tmp_path):
    path = write_disagreements([], tmp_path)
    assert "No slice has a voxel that counts." in path.read_text(encoding="utf-8")
    assert pd.read_csv(tmp_path / "disagreements.csv").empty


def test_older_files_are_replaced(found, tmp_path):
    write_disagreements(found, tmp_path)
    write_disagreements(found[:1], tmp_path)
    assert len(pd.read_csv(tmp_path / "disagreements.csv")) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"disagreements.csv", "disagreements.html"}
