"""How many tumours were found: detection counted by connected components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._core.checks import check_integer, check_range
from braintumorseg.measures._masks import Mask, as_masks


@dataclass(frozen=True)
class LesionDetection:
    """Counts of lesions, and the rates that follow from them.

    With no lesion in the truth and none in the prediction, all three rates are 1; a rate that is 0 / 0 otherwise is 0.

    Attributes:
        true_positives: Lesions of the truth that were found.
        misses: Lesions of the truth that were not (false negatives).
        false_alarms: Predicted components that are no lesion (false positives).
    """

    true_positives: int
    misses: int
    false_alarms: int

    @property
    def sensitivity(self) -> float:
        """Share of the true lesions that were found."""
        return self._rate(self.true_positives, self.true_positives + self.misses)

    @property
    def precision(self) -> float:
        """Found lesions as a share of found lesions and false alarms."""
        return self._rate(self.true_positives, self.true_positives + self.false_alarms)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision."""
        return self._rate(2 * self.true_positives, 2 * self.true_positives + self.misses + self.false_alarms)

    def _rate(self, part: int, whole: int) -> float:
        if whole:
            return part / whole
        return 0.0 if self.misses or self.false_alarms else 1.0


def lesion_detection(
    truth: NDArray[Any], prediction: NDArray[Any], *, overlap: float = 0.0, connectivity: int | None = None
) -> LesionDetection:
    """Count the lesions that were found, missed, and invented.

    A lesion is a connected component of the truth. It is found if the prediction covers at least the share ``overlap`` of its
    voxels, and at least one. A predicted component is a false alarm unless the truth covers at least the share ``overlap`` of
    *its* voxels, and at least one. So one prediction over two lesions finds both, two predictions in one lesion find one
    lesion without a false alarm, and no pairing has to be chosen; swapping the masks can change the counts.

    Args:
        truth: Boolean array (or 0 and 1), ``(slices, height, width)`` or of any other rank above 0.
        prediction: Boolean array of the same shape.
        overlap: The share of a component that must be covered, 0 to 1; 0 asks for one voxel.
        connectivity: 1 joins voxels that share a face, 2 also those that share an edge, 3 also a corner; all neighbours (26
            in a volume) by default.

    Raises:
        ValueError: If the shapes differ, a mask holds other values than 0 and 1, or ``overlap`` or ``connectivity`` is out of
            its range.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import lesion_detection
        >>> lesion_detection(np.array([1, 1, 0, 1, 0, 0]), np.array([0, 1, 0, 0, 0, 1]))
        LesionDetection(true_positives=1, misses=1, false_alarms=1)
    """
    truth, prediction = as_masks(truth, prediction)
    check_range("overlap", overlap, 0, 1)
    connectivity = truth.ndim if connectivity is None else connectivity
    check_integer("connectivity", connectivity, 1)
    check_range("connectivity", connectivity, 1, truth.ndim)
    found = _covered(truth, prediction, overlap, connectivity)
    right = _covered(prediction, truth, overlap, connectivity)
    return LesionDetection(
        true_positives=int(found.sum()), misses=int((~found).sum()), false_alarms=int((~right).sum())
    )


def _covered(mask: Mask, by: Mask, overlap: float, connectivity: int) -> Mask:
    """Return for each component of ``mask`` whether ``by`` covers enough of it, ``(components,)``."""
    labels, _ = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, connectivity))
    sizes = np.bincount(labels[mask])[1:]
    shared = np.bincount(labels[mask & by], minlength=len(sizes) + 1)[1:]
    return (shared > 0) & (shared / sizes >= overlap)
