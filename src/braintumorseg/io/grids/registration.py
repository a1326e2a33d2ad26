"""The rigid motion between sequences of one head: patients move between acquisitions, and headers do not know it.

Maes et al., "Multimodality image registration by maximization of mutual information", IEEE TMI 16(2), 1997; the measure is
the normalised one of Studholme et al., "An overlap invariant entropy measure of 3D medical image alignment", Pattern
Recognition 32(1), 1999, which does not reward a small overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from braintumorseg._core.lower_end import find_lower_end
from braintumorseg.study import Geometry

_BINS = 32
_LEVELS_MM = (8.0, 5.0)  # distance of the points that are compared, coarse to fine
_EVALUATIONS = (160, 300)
_STARTS_MM = (0.0, -16.0, 16.0)  # along the slices, where fields of view differ most
_FIRST_STEP = (8.0, 3.0)  # mm and degrees
_LEAST_OVERLAP = 0.4
# What is found counts only where it explains clearly more than the headers do, moves the head by more than a voxel's
# breadth, and no further than a head can move in a coil.
_LEAST_GAIN = 1.1
_LEAST_MM = 2.0
_MOST_MM = 50.0
_MOST_DEGREES = 25.0
_HEAD_MM = 70.0  # how far from its centre the head's motion is judged


@dataclass(frozen=True, eq=False)
class Motion:
    """A rigid motion that brings one sequence onto another.

    Attributes:
        matrix: Array ``(4, 4)``: a place in the FLAIR's world to the same tissue's place in the other sequence's world, in mm.
        shift: How far the head's centre moved, in mm.
        angle: By how much the head turned, in degrees.
    """

    matrix: NDArray[np.float64]
    shift: float
    angle: float


def find_motion(
    moving: NDArray[np.float32],
    source: Geometry,
    fixed: NDArray[np.float32],
    target: Geometry,
    covered: NDArray[np.bool_] | None = None,
) -> Motion | None:
    """Find how a head moved between sequences, by the mutual information of their intensities.

    Args:
        moving: Array ``(slices, height, width)`` of one sequence.
        source: Where it lies by its header.
        fixed: Array ``(slices, height, width)`` of the FLAIR; or ``(slices, height, width, sequences)`` of it and others that
            were brought onto its grid. The mean over all of them is what counts: two T1 have more in common than T1 and FLAIR.
        target: Where the FLAIR lies by its header.
        covered: Boolean array of ``fixed``'s shape, false where a sequence does not reach; ``None`` where all do everywhere.

    Returns:
        The motion; ``None`` where the headers alone line the two up as well, or no motion explains them better.
    """
    if fixed.ndim == 3:
        fixed = fixed[..., None]
    centre = target.affine[:3, :3] @ ((np.array(target.shape) - 1) / 2) + target.affine[:3, 3]
    upward = target.affine[:3, 0] / np.linalg.norm(target.affine[:3, 0])
    candidates = [np.append(upward * start, [0.0, 0.0, 0.0]) for start in _STARTS_MM]
    score = _Score(moving, source, fixed, covered, target, centre, _LEVELS_MM[0])
    found = min((_descend(score, start, 1.0, _EVALUATIONS[0]) for start in candidates), key=score)
    score = _Score(moving, source, fixed, covered, target, centre, _LEVELS_MM[1])
    found = _descend(score, found, 0.3, _EVALUATIONS[1])
    shift, angle = float(np.linalg.norm(found[:3])), float(np.linalg.norm(found[3:]))
    furthest = shift + np.radians(angle) * _HEAD_MM
    gain = (-score(found) - 1) / max(-score(np.zeros(6)) - 1, 1e-9)
    if gain < _LEAST_GAIN or furthest < _LEAST_MM or shift > _MOST_MM or angle > _MOST_DEGREES:
        return None
    return Motion(_matrix(found, centre), shift, angle)


class _Score:
    """The negative of the mean normalised mutual information, 1 to 2, under six parameters: mm and degrees along x, y, z."""

    def __init__(
        self,
        moving: NDArray[np.float32],
        source: Geometry,
        fixed: NDArray[np.float32],
        covered: NDArray[np.bool_] | None,
        target: Geometry,
        centre: NDArray[np.float64],
        distance: float,
    ) -> None:
        self._moving = _smooth(moving, source, distance)
        self._low, self._high = _range(self._moving)
        steps = [max(1, round(distance / length)) for length in target.spacing]
        points = tuple(slice(None, None, step) for step in steps)
        index = np.stack(np.meshgrid(*(np.arange(n) for n in target.shape), indexing="ij"), dtype=np.float64)[
            :, *points
        ].reshape(3, -1)
        self._bins = []
        self._known = []
        for channel in range(fixed.shape[-1]):
            smooth = _smooth(fixed[..., channel], target, distance)
            self._bins.append(_binned(smooth[points].ravel(), *_range(smooth)))
            known = np.ones(target.shape, bool) if covered is None else covered[..., channel]
            self._known.append(known[points].ravel())
        self._world = target.affine[:3, :3] @ index + target.affine[:3, 3:]
        self._to_source = np.linalg.inv(source.affine)
        self._centre = centre
        self._last = np.array(moving.shape)[:, None] - 1

    def __call__(self, parameters: NDArray[np.float64]) -> float:
        matrix = self._to_source @ _matrix(parameters, self._centre)
        index = matrix[:3, :3] @ self._world + matrix[:3, 3:]
        inside = np.all((index >= -0.5) & (index <= self._last + 0.5), axis=0)
        if np.mean(inside) < _LEAST_OVERLAP:
            return 0.0
        values = ndimage.map_coordinates(self._moving, index[:, inside], order=1, mode="nearest")
        bins = _binned(values, self._low, self._high)
        shared = [
            _information(fixed[inside][known[inside]] * _BINS + bins[known[inside]])
            for fixed, known in zip(self._bins, self._known, strict=True)
        ]
        return -float(np.mean(shared))


def _information(pairs: NDArray[np.intp]) -> float:
    """Return the normalised mutual information of pairs of bins, each ``first * _BINS + second``; 0 where there are none."""
    joint = np.bincount(pairs, minlength=_BINS * _BINS).reshape(_BINS, _BINS) / max(pairs.size, 1)
    both = _entropy(joint)
    return (_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / both if both > 0 else 0.0


def _descend(score: _Score, start: NDArray[np.float64], scale: float, evaluations: int) -> NDArray[np.float64]:
    millimetres, degrees = _FIRST_STEP
    steps = np.diag([millimetres] * 3 + [degrees] * 3) * scale
    result = optimize.minimize(
        score,
        start,
        method="Nelder-Mead",
        options={
            "initial_simplex": np.vstack([start, start + steps]),
            "maxfev": evaluations,
            "xatol": 0.05,
            "fatol": 1e-6,
        },
    )
    return np.asarray(result.x, np.float64)


def _matrix(parameters: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(parameters[3:], degrees=True).as_matrix()
    matrix[:3, 3] = parameters[:3] + centre - matrix[:3, :3] @ centre
    return matrix


def _smooth(array: NDArray[np.float32], geometry: Geometry, distance: float) -> NDArray[np.float32]:
    """Blur along the axes that are finer than the distance of the points, so that they do not skip what lies between."""
    sigmas = [0.4 * distance / length if length < distance else 0.0 for length in geometry.spacing]
    ordinary = np.maximum(array, find_lower_end(array))  # padding would spread, and set the range
    return np.asarray(ndimage.gaussian_filter(ordinary, sigmas), np.float32)


def _range(array: NDArray[np.float32]) -> tuple[float, float]:
    low, high = np.percentile(array, (1, 99.5))
    return float(low), float(high)


def _binned(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.intp]:
    scaled = (values - low) * (_BINS / max(high - low, 1e-12))
    return np.asarray(np.clip(scaled, 0, _BINS - 1), np.intp)


def _entropy(shares: NDArray[np.float64]) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())
