import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg.cohort import enclosing_ellipsoid


def holds(ellipsoid, points):
    away = points - ellipsoid.centre
    return np.einsum("ij,jk,ik->i", away, ellipsoid.matrix, away).max() <= 1 + 1e-9


@pytest.mark.parametrize("sides", [(1, 1), (3, 0.5), (1, 1, 1), (0.2, 5, 40)])
def test_box(sides):
    """The smallest ellipsoid around a box has semi-axes sqrt(dimensions) / 2 times the sides."""
    corners = np.stack(np.meshgrid(*[(0, side) for side in sides]), -1).reshape(-1, len(sides))
    found = enclosing_ellipsoid(corners)
    np.testing.assert_allclose(found.centre, np.array(sides) / 2, rtol=1e-3)
    np.testing.assert_allclose(found.semi_axes, np.sort(sides)[::-1] * math.sqrt(len(sides)) / 2, rtol=1e-3)


def test_triangle():
    """Steiner: the smallest ellipse around a triangle has 4 pi / (3 sqrt 3) times its area."""
    found = enclosing_ellipsoid([(0, 0), (7, 1), (2, 5)])
    assert found.volume == pytest.approx(4 * math.pi / (3 * math.sqrt(3)) * abs(7 * 5 - 1 * 2) / 2, rel=1e-3)


def test_points_of_an_ellipsoid_give_it_back():
    random = np.random.default_rng(0)
    sphere = random.standard_normal((3000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    found = enclosing_ellipsoid(sphere * (9, 3, 1) + (5, 6, 7))
    np.testing.assert_allclose(found.semi_axes, (9, 3, 1), rtol=0.02)
    np.testing.assert_allclose(found.centre, (5, 6, 7), atol=0.05)
    assert found.volume == pytest.approx(4 / 3 * math.pi * 27, rel=0.02)


points = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).standard_normal((30, 3)))


@settings(max_examples=25)
@given(points, st.integers(0, 2**32 - 1))
def test_every_point_is_held_and_volume_follows_an_affine_map(points, seed):
    found = enclosing_ellipsoid(points)
    assert holds(found, points)
    random = np.random.default_rng(seed)
    turn = random.standard_normal((3, 3)) + 2 * np.eye(3)
    mapped = enclosing_ellipsoid(points @ turn.T + 10)
    assert mapped.volume == pytest.approx(found.volume * abs(np.linalg.det(turn)), rel=5e-4)


@settings(max_examples=25)
@given(points)
def test_no_ellipsoid_nearby_is_smaller(points):
    """Around the least one, every changed one that holds all points is at least as large."""
    found = enclosing_ellipsoid(points)
    random = np.random.default_rng(0)
    for _ in range(20):
        change = np.eye(3) + 0.05 * random.standard_normal((3, 3))
        matrix = change.T @ found.matrix @ change
        away = points - found.centre - 0.05 * random.standard_normal(3)
        scaled = matrix / np.einsum("ij,jk,ik->i", away, matrix, away).max()
        assert np.linalg.det(scaled) <= np.linalg.det(found.matrix) * (1 + 1e-3)


@pytest.mark.parametrize(
    "points", [[(0, 0), (1, 1), (2, 2)], [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)], [(0, 0), (1, 0)], [(1.0,)]]
)
def test_flat_points_are_refused(points):
    with pytest.raises(ValueError, match="points must be more than there are dimensions, and not all in one plane"):
        enclosing_ellipsoid(points)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="points must be a finite array"):
        enclosing_ellipsoid([(0, np.nan), (1, 1), (2, 0)])
    with pytest.raises(ValueError, match="tolerance must be more than 0"):
        enclosing_ellipsoid([(0, 0), (1, 1), (2, 0)], tolerance=0)
