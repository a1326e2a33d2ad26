"""All measures of one study at once, with their units named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_in, check_range
from braintumorseg._core.steps import SpacingLike
from braintumorseg.measures._masks import as_masks
from braintumorseg.measures.lesions import LesionDetection, lesion_detection
from braintumorseg.measures.overlap import dice, iou, precision, recall
from braintumorseg.measures.surface import Directions, assd_of, hd95_of, surface_dice_of, surface_distances
from braintumorseg.measures.volume import relative_volume_difference, volume_difference, volume_ml


@dataclass(frozen=True)
class Measures:
    """How well a prediction agrees with the truth, over the whole volume of one study.

    Attributes:
        dice: Dice coefficient, 0 to 1.
        iou: Intersection over union, 0 to 1.
        precision: Share of the predicted voxels that are true.
        recall: Share of the true voxels that are predicted.
        hd95: 95th percentile of the Hausdorff distance, in ``length_unit``.
        assd: Average symmetric surface distance, in ``length_unit``.
        surface_dice: Share of the surfaces that agree within ``tolerance``.
        true_volume: Volume of the truth, in ``volume_unit``.
        predicted_volume: Volume of the prediction, in ``volume_unit``.
        volume_difference: Predicted minus true volume, in ``volume_unit``.
        relative_volume_difference: The same as a share of the true volume.
        lesions: Lesions found, missed and invented.
        tolerance: What ``surface_dice`` was counted at, in ``length_unit``.
        length_unit: ``"mm"``, or ``"voxels"`` where the spacing is unknown.
        volume_unit: ``"mL"``, or ``"voxels"`` where the spacing is unknown.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    hd95: float
    assd: float
    surface_dice: float
    true_volume: float
    predicted_volume: float
    volume_difference: float
    relative_volume_difference: float
    lesions: LesionDetection
    tolerance: float
    length_unit: Literal["mm", "voxels"]
    volume_unit: Literal["mL", "voxels"]

    def to_dict(self) -> dict[str, float | int | str]:
        """Return one flat row for a table, the lesions' counts and rates as ``lesion_...``."""
        row = {name: value for name, value in vars(self).items() if name != "lesions"}
        names = ("true_positives", "misses", "false_alarms", "sensitivity", "precision", "f1")
        return row | {f"lesion_{name}": getattr(self.lesions, name) for name in names}

    def __str__(self) -> str:
        return (
            f"Dice {self.dice:.3f}, IoU {self.iou:.3f}, precision {self.precision:.3f}, recall {self.recall:.3f}, "
            f"HD95 {self.hd95:.2f} {self.length_unit}, ASSD {self.assd:.2f} {self.length_unit}, "
            f"surface Dice {self.surface_dice:.3f} at {self.tolerance:g} {self.length_unit}, "
            f"volume {self.predicted_volume:.4g} of {self.true_volume:.4g} {self.volume_unit}, "
            f"lesions {self.lesions.true_positives} found, {self.lesions.misses} missed, "
            f"{self.lesions.false_alarms} false"
        )


def measure(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    spacing: SpacingLike | None = None,
    *,
    tolerance: float = 2.0,
    directions: Directions = "maximum",
    lesion_overlap: float = 0.0,
    connectivity: int | None = None,
) -> Measures:
    """Measure a prediction against the truth in every way that this package knows.

    Args:
        truth: Boolean array (or 0 and 1), ``(slices, height, width)``.
        prediction: Boolean array of the same shape.
        spacing: Voxel size in mm along (slice, row, column), or the steps of a sheared grid (``Study.steps``). With ``None``,
            lengths and volumes are in voxels, and the result says so.
        tolerance: The distance that surface Dice forgives, in mm (voxels where ``spacing`` is ``None``).
        directions: How HD95 joins its two directions, see :func:`hd95`.
        lesion_overlap: The share of a lesion that must be covered, see :func:`lesion_detection`.
        connectivity: Which voxels are neighbours in a lesion, see :func:`lesion_detection`.

    Returns:
        The measures; of two empty masks, all agree perfectly; of one empty mask, overlaps are 0 and distances infinite.

    Raises:
        ValueError: If the shapes differ, a mask holds other values than 0 and 1, the spacing does not fit them, or an
            option is out of its range.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import measure
        >>> truth, prediction = np.zeros((2, 4, 16, 16), bool)
        >>> truth[1:3, 4:12, 4:12] = prediction[1:3, 4:12, 5:13] = True
        >>> result = measure(truth, prediction, spacing=(5, 1, 1))
        >>> result.dice, result.hd95, result.length_unit
        (0.875, 1.0, 'mm')
    """
    truth, prediction = as_masks(truth, prediction)
    check_range("tolerance", tolerance, 0)
    check_in("directions", directions, ("maximum", "pooled"))
    distances = surface_distances(truth, prediction, spacing)
    volumes = [float(np.count_nonzero(m)) if spacing is None else volume_ml(m, spacing) for m in (truth, prediction)]
    return Measures(
        dice=dice(truth, prediction),
        iou=iou(truth, prediction),
        precision=precision(truth, prediction),
        recall=recall(truth, prediction),
        hd95=hd95_of(distances, directions, empty=0.0, missing=np.inf),
        assd=assd_of(distances, empty=0.0, missing=np.inf),
        surface_dice=surface_dice_of(distances, tolerance, empty=1.0),
        true_volume=volumes[0],
        predicted_volume=volumes[1],
        volume_difference=volume_difference(truth, prediction, spacing),
        relative_volume_difference=relative_volume_difference(truth, prediction),
        lesions=lesion_detection(truth, prediction, overlap=lesion_overlap, connectivity=connectivity),
        tolerance=float(tolerance),
        length_unit="voxels" if spacing is None else "mm",
        volume_unit="voxels" if spacing is None else "mL",
    )
