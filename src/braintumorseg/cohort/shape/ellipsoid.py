"""The ellipsoid of least volume around points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from braintumorseg._core.checks import check_range, wrong

_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """The points ``x`` with ``(x - centre) @ matrix @ (x - centre) <= 1``.

    Attributes:
        centre: Float64 array ``(dimensions,)``.
        matrix: Symmetric, positive definite float64 array ``(dimensions, dimensions)``.
    """

    centre: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @property
    def volume(self) -> float:
        """Volume of the ellipsoid (area of the ellipse), in the unit of its points."""
        dimensions = len(self.centre)
        unit_ball: float = math.pi ** (dimensions / 2) / math.gamma(dimensions / 2 + 1)
        return unit_ball / math.sqrt(float(np.linalg.det(self.matrix)))

    @property
    def semi_axes(self) -> NDArray[np.float64]:
        """Lengths of the semi-axes, ``(dimensions,)``, the longest first."""
        return np.asarray(1 / np.sqrt(np.linalg.eigvalsh(self.matrix)))


def enclosing_ellipsoid(points: ArrayLike, *, tolerance: float = 1e-4) -> Ellipsoid:
    """Find the ellipsoid of least volume that holds all points.

    Khachiyan's ascent, with the away steps of Todd and Yildirim, which drop points that turn out to lie inside; only
    vertices of the convex hull take part. At the end the ellipsoid is blown up until it holds every point, so that its volume
    is never too small, and too large by at most the factor ``(1 + tolerance) ** (dimensions / 2)``.

    Args:
        points: Array ``(points, dimensions)``, more points than dimensions, not all in one plane.
        tolerance: How far from the least the ellipsoid may be, above 0.

    Raises:
        ValueError: If the points lie in one plane (on one line in two dimensions), are too few, or are not finite.

    References:
        Khachiyan: "Rounding of polytopes in the real number model of computation", Mathematics of Operations Research 21, 1996.
        Todd and Yildirim: "On Khachiyan's algorithm for the computation of minimum-volume enclosing ellipsoids", Discrete
        Applied Mathematics 155, 2007.

    Examples:
        >>> from braintumorseg.cohort import enclosing_ellipsoid
        >>> ellipse = enclosing_ellipsoid([(0, 0), (2, 0), (0, 1), (2, 1)])
        >>> print(f"{ellipse.volume:.3f}")
        3.142
    """
    check_range("tolerance", tolerance, 0, low_open=True)
    places = np.asarray(points, dtype=np.float64)
    if places.ndim != 2 or not np.isfinite(places).all():
        msg = wrong("points", "a finite array (points, dimensions)", f"an array of shape {places.shape}")
        raise ValueError(msg)
    try:
        corners = places[ConvexHull(places).vertices]
    except (QhullError, ValueError) as error:
        msg = wrong("points", "more than there are dimensions, and not all in one plane", f"{len(places)} points")
        raise ValueError(msg) from error
    # In the coordinates of their own spread the points are well conditioned, whatever the spacing; volumes' ratios stay.
    middle = corners.mean(axis=0)
    spread = np.linalg.cholesky(np.cov(corners, rowvar=False, bias=True))
    scaled = np.linalg.solve(spread, (corners - middle).T).T
    centre, matrix = _least(scaled, tolerance)
    back = np.linalg.inv(spread)
    return Ellipsoid(middle + spread @ centre, back.T @ matrix @ back)


def _least(points: NDArray[np.float64], tolerance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centre and matrix of the ellipsoid of least volume."""
    count, dimensions = points.shape
    lifted = np.vstack([points.T, np.ones(count)])
    goal = dimensions + 1
    weights = np.full(count, 1 / count)
    for _ in range(_STEPS):
        moments = (lifted * weights) @ lifted.T
        reach = np.einsum("ij,ij->j", lifted, np.linalg.solve(moments, lifted))
        far = int(np.argmax(reach))
        held = np.where(weights > 0, reach, np.inf)
        near = int(np.argmin(held))
        too_far, too_near = reach[far] / goal - 1, 1 - held[near] / goal
        if max(too_far, too_near) <= tolerance:
            break
        chosen = far if too_far >= too_near else near
        step = (reach[chosen] - goal) / (goal * (reach[chosen] - 1)) if reach[chosen] > 1 else -np.inf
        step = max(step, -weights[chosen] / (1 - weights[chosen]))  # a weight that falls to 0 leaves its point behind
        weights = (1 - step) * weights
        weights[chosen] = max(weights[chosen] + step, 0.0)
    centre = points.T @ weights
    spread = (points.T * weights) @ points - np.outer(centre, centre)
    matrix = np.linalg.inv(spread) / dimensions
    away = points - centre
    return centre, matrix / np.einsum("ij,jk,ik->i", away, matrix, away).max()
