"""How far apart two tumour surfaces are: HD95, ASSD, surface Dice.

The surface of a mask is the set of its voxels with a face neighbour outside it (6-connected erosion), each counted once and
taken at its centre. Beyond the array is outside, so a mask that touches the image's edge has a surface there, and padding
changes nothing. Along an axis of length 1 there is no surface: the one slice of a 2-D study has a contour, and not itself
as two flat faces.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from braintumorseg._core.checks import check_in, check_range
from braintumorseg._core.steps import SpacingLike, as_steps, place
from braintumorseg.measures._masks import Mask, as_masks

Distances = NDArray[np.float64]
Directions = Literal["maximum", "pooled"]

_ROUNDING = 1 + 1e-9  # three voxels of 0.1 mm are 0.30000000000000004 mm, and within 0.3 mm


def surface_distances(
    truth: NDArray[Any], prediction: NDArray[Any], spacing: SpacingLike | None = None
) -> tuple[Distances, Distances]:
    """Return how far each surface voxel of one mask is from the other mask's surface, in both directions.

    Args:
        truth: Boolean array (or 0 and 1), ``(slices, height, width)`` or of any other rank above 0.
        prediction: Boolean array of the same shape.
        spacing: Voxel size in mm along each axis, (slice, row, column), the steps of a sheared grid (``Study.steps``), or
            ``None``.

    Returns:
        Two float64 arrays of Euclidean distances between voxel centres, in mm (voxels where ``spacing`` is ``None``): one
        value for each surface voxel of the truth, and one for each of the prediction. An empty mask has no surface voxels,
        and every distance to it is infinite.

    Raises:
        ValueError: If the shapes differ, a mask holds other values than 0 and 1, or the spacing does not fit them.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import surface_distances
        >>> surface_distances(np.array([[1, 0, 0, 0]]), np.array([[0, 0, 1, 1]]), (1.0, 0.5))
        (array([1.]), array([1. , 1.5]))
    """
    truth, prediction = as_masks(truth, prediction)
    steps = as_steps(spacing, truth.ndim)
    of_truth, of_prediction = place(_surface(truth), steps), place(_surface(prediction), steps)
    return _nearest(of_truth, of_prediction), _nearest(of_prediction, of_truth)


# Our own, as hausdorff_distance of scikit-image and directed_hausdorff of SciPy have no percentile and no voxel size, and
# MedPy and MONAI go through distance transforms, which are slower, and leave empty masks to errors and NaN.
def hd95(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    spacing: SpacingLike | None = None,
    *,
    directions: Directions = "maximum",
    empty: float = 0.0,
    missing: float = math.inf,
) -> float:
    """Return the 95th percentile of the Hausdorff distance of two masks.

    Libraries differ in how the two directions (truth to prediction, and back) become one number:

    * ``"maximum"``, the default: the larger of the two percentiles (MONAI, DeepMind's surface-distance).
      A small false focus far away counts as soon as it is 5 % of the *prediction's* surface.
    * ``"pooled"``: one percentile over the distances of both directions together (MedPy, seg-metrics). The larger surface
      outweighs the smaller, and a fault of one mask alone must be about twice as large to show.

    Args:
        truth: Boolean array (or 0 and 1), ``(slices, height, width)`` or of any other rank above 0.
        prediction: Boolean array of the same shape.
        spacing: Voxel size in mm along each axis, (slice, row, column), the steps of a sheared grid (``Study.steps``), or
            ``None``.
        directions: How the two directions become one number.
        empty: What it is if both are empty.
        missing: What it is if only one is. There is no such distance; infinity can't be averaged unseen, as NaN can. BraTS
            uses 373.13, the diagonal of its volumes in mm.

    Returns:
        The distance in mm (voxels where ``spacing`` is ``None``), percentiles interpolated linearly; symmetric.

    Raises:
        ValueError: If the shapes differ, a mask holds other values than 0 and 1, the spacing does not fit them, or
            ``directions`` is another word.

    References:
        Huttenlocher et al.: "Comparing images using the Hausdorff distance", IEEE TPAMI 15, 1993.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import hd95
        >>> truth, prediction = np.zeros((2, 3, 8, 8), bool)
        >>> truth[1, 4, 2] = prediction[1, 4, 5] = True
        >>> hd95(truth, prediction, spacing=(5, 1, 0.5))
        1.5
    """
    check_in("directions", directions, ("maximum", "pooled"))
    return hd95_of(surface_distances(truth, prediction, spacing), directions, empty, missing)


def assd(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    spacing: SpacingLike | None = None,
    *,
    empty: float = 0.0,
    missing: float = math.inf,
) -> float:
    """Return the average symmetric surface distance: the mean over the surface voxels of both masks.

    Each surface voxel weighs the same, whichever mask it belongs to. MedPy instead takes the mean of the two directions'
    means, in which each voxel of the smaller surface weighs more.

    Args:
        truth: Boolean array (or 0 and 1), ``(slices, height, width)`` or of any other rank above 0.
        prediction: Boolean array of the same shape.
        spacing: Voxel size in mm along each axis, (slice, row, column), the steps of a sheared grid (``Study.steps``), or
            ``None``.
        empty: What it is if both are empty.
        missing: What it is if only one is; see :func:`hd95`.

    Returns:
        The distance in mm (voxels where ``spacing`` is ``None``); symmetric.

    Raises:
        ValueError: If the shapes differ, a mask holds other values than 0 and 1, or the spacing does not fit them.

    References:
        Heimann et al.: "Comparison and evaluation of methods for liver segmentation from CT datasets", IEEE TMI 28, 2009.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import assd
        >>> assd(np.array([1, 0, 0, 0]), np.array([0, 0, 1, 0]), (2.0,))
        4.0
    """
    return assd_of(surface_distances(truth, prediction, spacing), empty, missing)


def surface_dice(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    spacing: SpacingLike | None = None,
    *,
    tolerance: float,
    empty: float = 1.0,
) -> float:
    """Return the share of both surfaces that lies within a tolerance of the other (normalised surface distance).

    Surface voxels are counted, as MONAI does by default; DeepMind's surface-distance weighs pieces of a surface between the
    voxels by their area, which differs most where voxels are far from cubes.

    Args:
        truth: Boolean array (or 0 and 1), ``(slices, height, width)`` or of any other rank above 0.
        prediction: Boolean array of the same shape.
        spacing: Voxel size in mm along each axis, (slice, row, column), the steps of a sheared grid (``Study.steps``), or
            ``None``.
        tolerance: The distance that still counts as agreement, in mm (voxels where ``spacing`` is ``None``), at least 0;
            equality counts.
        empty: What it is if both are empty. If only one is, it is 0.

    Returns:
        0 to 1; symmetric in its first two arguments.

    Raises:
        ValueError: If the shapes differ, a mask holds other values than 0 and 1, the spacing does not fit them, or the
            tolerance is below 0.

    References:
        Nikolov et al.: "Clinically applicable segmentation of head and neck anatomy for radiotherapy", JMIR 23, 2021.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import surface_dice
        >>> surface_dice(np.array([1, 0, 0, 0]), np.array([1, 0, 0, 1]), tolerance=1)
        0.6666666666666666
    """
    check_range("tolerance", tolerance, 0)
    return surface_dice_of(surface_distances(truth, prediction, spacing), tolerance, empty)


def hd95_of(distances: tuple[Distances, Distances], directions: Directions, empty: float, missing: float) -> float:
    """Return :func:`hd95` of distances that are known already."""
    if not all(direction.size for direction in distances):
        return float(missing if any(direction.size for direction in distances) else empty)
    if directions == "pooled":
        return float(np.percentile(np.concatenate(distances), 95))
    return max(float(np.percentile(direction, 95)) for direction in distances)


def assd_of(distances: tuple[Distances, Distances], empty: float, missing: float) -> float:
    """Return :func:`assd` of distances that are known already."""
    if not all(direction.size for direction in distances):
        return float(missing if any(direction.size for direction in distances) else empty)
    return float(np.concatenate(distances).mean())


def surface_dice_of(distances: tuple[Distances, Distances], tolerance: float, empty: float) -> float:
    """Return :func:`surface_dice` of distances that are known already."""
    pooled = np.concatenate(distances)
    return float(np.mean(pooled <= tolerance * _ROUNDING)) if pooled.size else float(empty)


def _surface(mask: Mask) -> NDArray[np.intp]:
    """Return the indices of the surface voxels, ``(voxels, axes)``."""
    if not mask.any():
        return np.zeros((0, mask.ndim), np.intp)
    axes = [axis for axis, length in enumerate(mask.shape) if length > 1]
    box = _bounding_box(mask)
    cropped = mask[box]
    padded = np.pad(cropped, 1)
    inside = np.ones_like(cropped) if axes else np.zeros_like(cropped)  # a single voxel is its own surface
    for axis in axes:
        for start in (0, 2):  # the neighbour before, and the neighbour after
            window = [slice(1, -1)] * mask.ndim
            window[axis] = slice(start, start + cropped.shape[axis])
            inside &= padded[tuple(window)]
    corner = np.array([side.start for side in box], np.intp)
    return np.asarray(np.argwhere(cropped & ~inside) + corner, np.intp)


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    """Return the smallest box that holds every true voxel of a mask that has one."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        touched = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(touched[0]), int(touched[-1]) + 1))
    return tuple(box)


def _nearest(points: Distances, targets: Distances) -> Distances:
    """Return the distance from each point to the nearest target, ``(points,)``.

    A tree over the surface's points is many times quicker than a distance transform of the volume, the more so the further
    apart the surfaces are: it never visits the voxels between them.
    """
    if len(points) == 0 or len(targets) == 0:
        return np.full(len(points), np.inf)
    tree = cKDTree(targets, balanced_tree=False, compact_nodes=False)  # points of a grid need no balancing
    return np.asarray(tree.query(points)[0], np.float64)
