"""Diameters in the plane of slices: shapes whose diameters are known, and properties of all shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from braintumorseg.measures import in_plane_diameters

SHAPE = (3, 8, 9)


def ellipse(rows, columns, half_height, half_width):
    row, column = np.mgrid[:rows, :columns]
    return ((row - rows // 2) / half_height) ** 2 + ((column - columns // 2) / half_width) ** 2 <= 1


def test_disc():
    found = in_plane_diameters(ellipse(101, 101, 30.2, 30.2)[None])
    assert found.longest == pytest.approx(61, abs=0.5)
    assert found.perpendicular == pytest.approx(61, abs=0.5)
    assert found.unit == "voxels"


def test_ellipse_in_mm_of_unequal_pixels():
    mask = np.zeros((3, 121, 121), bool)
    mask[2] = ellipse(121, 121, 20, 50)
    found = in_plane_diameters(mask, spacing=(5, 0.5, 2))
    assert (found.longest, found.slice, found.unit) == (pytest.approx(202), 2, "mm")
    assert found.perpendicular == pytest.approx(20.5, abs=0.3)
    # As rows and columns of the grid, not of a box around the tumour.
    assert found.longest_ends == ((60, 9.5), (60, 110.5))


def test_one_voxel_measures_one_voxel():
    found = in_plane_diameters(np.ones((1, 1, 1)), spacing=(5, 2, 2))
    assert found.longest == pytest.approx(2)
    assert found.perpendicular == pytest.approx(2, rel=0.01)


def test_pieces_are_not_joined():
    mask = np.zeros((1, 20, 40))
    mask[0, 5:8, 2:9] = mask[0, 5:8, 30:36] = 1
    assert in_plane_diameters(mask).longest == pytest.approx(np.hypot(7, 2))


def test_perpendicular_lies_within_the_outline_not_across_a_bend():
    """An L of two thin bars: what lies between them is not tumour."""
    mask = np.zeros((1, 60, 60))
    mask[0, 5:55, 5:8] = mask[0, 52:55, 5:55] = 1
    found = in_plane_diameters(mask)
    assert found.longest == pytest.approx(np.hypot(49, 49), abs=2)
    assert found.perpendicular < 6


def test_empty():
    assert in_plane_diameters(np.zeros(SHAPE)) is None


@pytest.mark.parametrize("mask", [np.ones((4, 4)), np.full(SHAPE, 255)])
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(ValueError, match="mask must be"):
        in_plane_diameters(mask)


masks = arrays(bool, SHAPE, elements=st.booleans())
spacings = st.tuples(st.just(5.0), st.floats(0.3, 3), st.floats(0.3, 3))


@settings(max_examples=60)
@given(masks, spacings)
def test_diameters_of_any_mask(mask, spacing):
    found = in_plane_diameters(mask, spacing)
    if not mask.any():
        assert found is None
        return
    scale = np.array(spacing[1:])
    along, across = (np.subtract(*ends) * scale for ends in (found.longest_ends, found.perpendicular_ends))
    assert np.linalg.norm(along) == pytest.approx(found.longest)
    assert np.linalg.norm(across) == pytest.approx(found.perpendicular)
    assert abs(along @ across) <= 1e-6 * found.longest * max(found.perpendicular, 1)
    assert 0 < found.perpendicular <= found.longest * (1 + 1e-9)
    assert found.longest >= min(spacing[1:])
    # Every end is on the rim of a tumour voxel of that slice.
    rows, columns = np.nonzero(mask[found.slice])
    for row, column in found.longest_ends:
        assert (np.abs(rows - row) + np.abs(columns - column)).min() == pytest.approx(0.5)


@settings(max_examples=30)
@given(masks, spacings)
def test_turning_the_slices_changes_nothing(mask, spacing):
    plain = in_plane_diameters(mask, spacing)
    turned = in_plane_diameters(mask.transpose(0, 2, 1)[::-1], (spacing[0], spacing[2], spacing[1]))
    assert (plain is None) == (turned is None)
    if plain:
        assert turned.longest == pytest.approx(plain.longest)
