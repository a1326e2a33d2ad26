from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from braintumorseg._core.draw import Panel, figure_uri, find_window, montage, thumbnail, to_picture, trace

SQUARE = np.zeros((8, 10), bool)
SQUARE[2:5, 3:7] = True


def picture(uri):
    return Image.open(BytesIO(b64decode(uri.partition(",")[2])))


def test_window_of_a_plain_image_has_a_width():
    low, high = find_window(np.full((3, 4), 7.0))
    assert low == 7 < high
    assert find_window(np.arange(1001.0)) == (10, 997)


def test_values_outside_the_window_are_black_and_white():
    shown = np.asarray(to_picture(np.array([[-1.0, 2.0, 3.0, 9.0]]), (2, 4)))
    assert shown.tolist() == [[0, 0, 127, 255]]


def test_outline_of_a_rectangle():
    empty, path = trace(np.stack([np.zeros_like(SQUARE), SQUARE]))
    assert empty == ""
    corners = np.array([pair.split() for pair in path.strip("MZ").split("L")], float)
    assert (corners.min(axis=0) == [2.5, 1.5]).all()
    assert (corners.max(axis=0) == [6.5, 4.5]).all()


def test_montage_places_slices_in_rows():
    panels = [Panel(np.zeros((8, 10)), (0, 1), [(SQUARE, "#E69F00")], f"slice {n}", aspect=2) for n in range(1, 6)]
    figure = montage(panels, columns=3, side=2, key={"found": "#E69F00"}, title="five")
    assert [axes.get_title() for axes in figure.axes] == ["slice 1", "slice 2", "slice 3", "slice 4", "slice 5", ""]
    assert [len(axes.collections) for axes in figure.axes] == [1, 1, 1, 1, 1, 0]
    assert figure.get_size_inches() == pytest.approx((6, 2 * 2 * 1.6 + 0.7))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["found"]
    assert picture(figure_uri(figure, dpi=50)).size == (300, 355)


def test_thumbnail_keeps_the_shape_of_the_head():
    plain = thumbnail(np.ones((8, 10)), SQUARE & False, (0, 1), aspect=2.5)
    assert picture(plain).size == (72, 144)
    outlined = np.asarray(picture(thumbnail(np.ones((8, 10)), SQUARE, (0, 1), aspect=2.5)).convert("RGB")).astype(int)
    assert (np.abs(outlined - (255, 176, 0)).sum(axis=-1) < 150).sum() > 50
