"""Shape features of one mask: in three dimensions, and in the slice of its largest area."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import marching_cubes

from braintumorseg._core.checks import check_integer, check_range, wrong
from braintumorseg._core.steps import SpacingLike, Steps, as_steps, in_plane, is_straight, lengths_of, place, size_of
from braintumorseg.cohort.shape.contour import angular_standard_deviation, margin_fluctuation, outer_contour, polar
from braintumorseg.cohort.shape.ellipsoid import enclosing_ellipsoid
from braintumorseg.measures._masks import Mask, as_mask
from braintumorseg.measures.diameters import in_plane_diameters

IN_SPACE = (
    "bevr",
    "sphericity",
    "elongation",
    "flatness",
    "solidity",
    "longest_diameter",
    "volume",
    "surface",
)
IN_SLICE = (
    "bear",
    "margin_fluctuation",
    "angular_standard_deviation",
    "slice_longest_diameter",
    "slice_perpendicular_diameter",
    "slice_area",
)
OVER_SLICES = ("mean_margin_fluctuation", "mean_angular_standard_deviation")
FEATURES = (*IN_SPACE, *IN_SLICE, *OVER_SLICES)
"""What ``shape_features`` returns besides ``slice``, in its order."""

_SMALLEST_SLICE = 20  # voxels: what has fewer has hardly a margin


def shape_features(
    mask: NDArray[Any],
    spacing: SpacingLike | None = None,
    *,
    smoothing: float = 0.1,
    bins: int = 10,
    largest_component: bool = False,
) -> dict[str, float]:
    """Measure the shape of a tumour.

    The features of Buda et al. (2019) and Mazurowski et al. (2017) are ``bevr``, ``margin_fluctuation`` and
    ``angular_standard_deviation``. The two of the margin are measured in one slice, that of the largest area (the first such),
    on the outer contour of the slice's largest component. Definitions, and where the papers leave a choice, are explained in
    the documentation, "Shape features".

    Args:
        mask: Boolean array (or 0 and 1), ``(slices, height, width)``, or one slice ``(height, width)``.
        spacing: Voxel size in mm along (slice, row, column), or along (row, column) for one slice; or the steps of a sheared
            grid (``Study.steps``). Where it is ``None``, voxels are taken as cubes of length 1: ``bevr``, ``bear`` and
            ``solidity`` are right all the same, as they do not depend on the spacing, and the features of the slice are
            where pixels are square. The other features of thick slices then mean little.
        smoothing: Length of the running mean of ``margin_fluctuation``, as a share of the contour; above 0, below 1.
        bins: Sectors of ``angular_standard_deviation``.
        largest_component: Whether to measure the largest component alone (26 neighbours), and not all foci together.

    Returns:
        Numbers by name. Lengths are in mm (voxels where ``spacing`` is ``None``), volume in mL (voxels), surface and area in
        mm² (voxels²). NaN where a feature is not defined: everything for an empty mask, and for a mask of one slice what needs
        three dimensions.

        * ``bevr``: volume of the mask over that of the smallest ellipsoid around its voxels' centres; 1 for an ellipsoid.
        * ``sphericity``: surface of the ball of the same volume over the surface; 1 for a ball.
        * ``elongation``, ``flatness``: the second, and the third, principal axis over the first; 1 for a ball.
        * ``solidity``: volume within the surface over that of its convex hull; 1 for what is convex.
        * ``longest_diameter``: the longest distance between two points of the surface.
        * ``volume``: of all voxels; ``surface``: area of the triangulated surface.
        * ``bear``: in the slice, area over that of the smallest ellipse around the component's pixels' centres.
        * ``margin_fluctuation``: in the slice, radii from the centroid along the contour, scaled to mean 1, minus their
          running mean; the standard deviation of that.
        * ``angular_standard_deviation``: in the slice, standard deviation of the same radii within a sector; mean over sectors.
        * ``slice_longest_diameter``, ``slice_perpendicular_diameter``: in the slice, the longest distance between two
          points of the contour, and the longest at right angles to it.
        * ``slice_area``: of all voxels of the slice.
        * ``mean_margin_fluctuation``, ``mean_angular_standard_deviation``: the same over all slices of at least 20 voxels,
          weighted by area.
        * ``slice``: which slice that is, from 0.

    Raises:
        ValueError: If the mask has another rank or other values, the spacing does not fit it, or an option is out of its range.

    References:
        Mazurowski, Clark, Czarnek et al.: "Radiogenomics of lower-grade glioma: algorithmically-assessed tumor shape is
        associated with tumor genomic subtypes and patient outcomes in a multi-institutional study with The Cancer Genome
        Atlas data", Journal of Neuro-Oncology 133, 2017.
        Buda, Saha, Mazurowski: "Association of genomic subtypes of lower-grade gliomas with shape features automatically
        extracted by a deep learning algorithm", Computers in Biology and Medicine 109, 2019.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.cohort import shape_features
        >>> z, y, x = np.ogrid[-20:21, -20:21, -20:21]
        >>> features = shape_features(z**2 + y**2 + x**2 <= 16**2, spacing=(1, 1, 1))
        >>> print(f"{features['bevr']:.2f} {features['margin_fluctuation']:.2f} {features['volume']:.1f}")
        1.00 0.01 17.1
    """
    mask, steps = _as_volume(mask, spacing)
    plane = in_plane(steps)
    check_range("smoothing", smoothing, 0, 1, low_open=True, high_open=True)
    check_integer("bins", bins, 2)
    if not mask.any():
        return dict.fromkeys((*FEATURES, "slice"), math.nan)
    if largest_component:
        labels, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        mask = labels == np.bincount(labels[mask]).argmax()
    areas = np.count_nonzero(mask, axis=(1, 2))
    chosen = int(areas.argmax())
    millilitre = 1 if spacing is None else 1000
    values = {
        **_in_space(mask, steps),
        "volume": int(areas.sum()) * size_of(steps) / millilitre,
        **_in_slice(mask[chosen], plane, smoothing, bins),
        **_over_slices(mask, plane, areas, smoothing, bins),
    }
    return {name: values[name] for name in FEATURES} | {"slice": float(chosen)}


def _as_volume(mask: NDArray[Any], spacing: SpacingLike | None) -> tuple[Mask, Steps]:
    mask = as_mask("mask", mask)
    if mask.ndim not in (2, 3):
        msg = wrong("mask", "an array (slices, height, width) or (height, width)", f"shape {mask.shape}")
        raise ValueError(msg)
    steps = np.eye(3)
    steps[3 - mask.ndim :, 3 - mask.ndim :] = as_steps(spacing, mask.ndim)
    return (mask if mask.ndim == 3 else mask[None]), steps


def _upright(plane: Steps) -> Steps:
    """Return the steps of a volume whose slices are this plane."""
    steps = np.eye(3)
    steps[1:, 1:] = plane
    return steps


def _in_space(mask: Mask, steps: Steps) -> dict[str, float]:
    """Return the features that need three dimensions."""
    touched = np.argwhere(mask)
    if len(np.unique(touched[:, 0])) == 1:
        return dict.fromkeys(IN_SPACE, math.nan)
    box = tuple(slice(low, high + 1) for low, high in zip(touched.min(axis=0), touched.max(axis=0), strict=True))
    mask = np.pad(mask[box], 1)
    straight = is_straight(steps)
    lengths = tuple(lengths_of(steps)) if straight else (1.0, 1.0, 1.0)
    corners, triangles, _, _ = marching_cubes(mask.astype(np.float32), 0.5, spacing=lengths, allow_degenerate=False)
    if not straight:
        corners = place(corners, steps)
    edges = corners[triangles].astype(np.float64)
    crosses = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    surface = float(np.linalg.norm(crosses, axis=1).sum() / 2)
    # The middle as the origin keeps the sum of signed volumes from losing digits.
    within = abs(float(((edges - edges.mean(axis=(0, 1)))[:, 0] * crosses).sum())) / 6
    hull = ConvexHull(corners.astype(np.float64))
    spread = np.linalg.eigvalsh(np.cov(place(touched, steps), rowvar=False, bias=True) + steps @ steps.T / 12)
    volume = len(touched) * size_of(steps)
    return {
        "bevr": _bounding_ratio(place(np.argwhere(mask & ~ndimage.binary_erosion(mask)), steps), volume),
        "sphericity": math.pi ** (1 / 3) * (6 * within) ** (2 / 3) / surface,
        "elongation": math.sqrt(spread[1] / spread[2]),
        "flatness": math.sqrt(spread[0] / spread[2]),
        "solidity": within / hull.volume,
        "longest_diameter": float(pdist(hull.points[hull.vertices]).max()),
        "surface": surface,
    }


def _in_slice(mask: Mask, plane: Steps, smoothing: float, bins: int) -> dict[str, float]:
    """Return the features of one slice, which holds a voxel."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels[mask])
    largest = labels == sizes.argmax()
    contour, centroid = outer_contour(largest, plane)
    radii, angles = polar(contour, centroid)
    pixel = size_of(plane)
    diameters = in_plane_diameters(largest[None], _upright(plane))
    assert diameters is not None
    return {
        "bear": _bounding_ratio(place(np.argwhere(largest), plane), int(sizes.max()) * pixel),
        "margin_fluctuation": margin_fluctuation(radii, smoothing),
        "angular_standard_deviation": angular_standard_deviation(radii, angles, bins),
        "slice_longest_diameter": diameters.longest,
        "slice_perpendicular_diameter": diameters.perpendicular,
        "slice_area": int(np.count_nonzero(mask)) * pixel,
    }


def _over_slices(mask: Mask, plane: Steps, areas: NDArray[np.int_], smoothing: float, bins: int) -> dict[str, float]:
    """Return the means over slices, weighted by area; NaN where all slices are too small."""
    slices = np.flatnonzero(areas >= _SMALLEST_SLICE)
    if not len(slices):
        return dict.fromkeys(OVER_SLICES, math.nan)
    values = []
    for index in slices:
        radii, angles = polar(*outer_contour(mask[index], plane))
        values.append((margin_fluctuation(radii, smoothing), angular_standard_deviation(radii, angles, bins)))
    means = np.average(values, axis=0, weights=areas[slices])
    return dict(zip(OVER_SLICES, map(float, means), strict=True))


def _bounding_ratio(places: NDArray[np.float64], size: float) -> float:
    """Return a size over that of the smallest ellipsoid around the places; NaN where they span none."""
    try:
        return size / enclosing_ellipsoid(places).volume
    except ValueError:
        return math.nan
