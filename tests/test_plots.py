import numpy as np
import pytest
from PIL import Image

from braintumorseg import DataError, Segmentation, Study, overlay, save_overlay
from braintumorseg._core.draw import FOUND_COLOUR, TRUTH_COLOUR


def colours(path):
    """The picture as (height, width, 3), and a counter of pixels near a colour."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)

    def count(colour):
        rgb = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        return int((np.abs(pixels - rgb).max(axis=-1) < 40).sum())

    return pixels, count


def test_slices_shown_are_those_with_tumour(phantom):
    figure = overlay(phantom, Segmentation(phantom.mask))
    touched = np.flatnonzero(phantom.mask.any(axis=(1, 2))) + 1
    assert [axes.get_title() for axes in figure.axes] == [f"slice {number}" for number in touched]


def test_too_many_slices_are_thinned_out_evenly():
    volume = np.random.default_rng(0).random((30, 20, 20, 3))
    figure = overlay(Study(volume), Segmentation(np.ones((30, 20, 20), bool)), max_slices=4)
    assert [axes.get_title() for axes in figure.axes] == ["slice 1", "slice 11", "slice 20", "slice 30"]


def test_without_tumour_the_whole_volume_is_shown(phantom):
    study = phantom.with_mask(None)
    figure = overlay(study, Segmentation(np.zeros(study.shape, bool)), max_slices=3)
    assert len(figure.axes) == 3
    assert all(not axes.collections for axes in figure.axes)


def test_outline_follows_the_mask(phantom):
    """The outline's own coordinates lie within half a voxel of the mask's border."""
    mask = np.zeros(phantom.shape, bool)
    mask[2, 10:20, 30:50] = True
    figure = overlay(phantom.with_mask(None), Segmentation(mask))
    (contour,) = figure.axes[0].collections
    points = np.concatenate([path.vertices for path in contour.get_paths()])
    np.testing.assert_allclose(points.min(axis=0), [29.5, 9.5])
    np.testing.assert_allclose(points.max(axis=0), [49.5, 19.5])


def test_picture_shows_found_and_truth(phantom, tmp_path):
    found = Segmentation(np.roll(phantom.mask, 8, axis=2))
    _, count = colours(save_overlay(phantom, found, tmp_path / "both.png"))
    assert count(FOUND_COLOUR) > 100
    assert count(TRUTH_COLOUR) > 100
    _, count = colours(save_overlay(phantom.with_mask(None), found, tmp_path / "found.png"))
    assert count(FOUND_COLOUR) > 100
    assert count(TRUTH_COLOUR) == 0


def test_existing_picture_is_kept_unless_overwrite(phantom, tmp_path):
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(DataError, match=r"a\.png: already exists"):
        save_overlay(phantom, Segmentation(phantom.mask), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_text() == "mine"
    save_overlay(phantom, Segmentation(phantom.mask), tmp_path / "a.png", overwrite=True)
    assert Image.open(tmp_path / "a.png").width > 100


def test_other_grid_is_refused(phantom):
    with pytest.raises(ValueError, match=r"segmentation must be on the study's grid \(8, 96, 96\)"):
        overlay(phantom, Segmentation(np.ones((1, 2, 3), bool)))
