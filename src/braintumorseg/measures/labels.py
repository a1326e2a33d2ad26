"""All measures of a label map: class by class, and region by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong
from braintumorseg._core.steps import SpacingLike
from braintumorseg.measures.summary import Measures, measure


def measure_labels(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    regions: Mapping[str, int | Sequence[int]],
    spacing: SpacingLike | None = None,
    **options: Any,
) -> dict[str, Measures]:
    """Measure a label map against the truth, each class or union of classes as :func:`measure` does a mask.

    Args:
        truth: Label map ``(slices, height, width)``, whole numbers.
        prediction: Label map of the same shape.
        regions: Labels to measure, by name: one label, or several that make up a region.
        spacing: As for :func:`measure`.
        options: Its other arguments.

    Returns:
        The measures of each class or region, by its name.

    Raises:
        ValueError: If the shapes differ, or an argument is not as stated.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg.measures import measure_labels
        >>> truth, prediction = np.zeros((2, 2, 8, 8), int)
        >>> truth[0, :4], prediction[0, 2:4], truth[0, :2] = 2, 2, 1
        >>> found = measure_labels(truth, prediction, {"core": 1, "edema": 2, "whole": (1, 2)})
        >>> {name: round(each.dice, 2) for name, each in found.items()}
        {'core': 0.0, 'edema': 1.0, 'whole': 0.67}
    """
    for name, labels in (("truth", truth), ("prediction", prediction)):
        if np.asarray(labels).dtype.kind not in "biu":
            raise ValueError(wrong(name, "a label map of whole numbers", f"dtype {np.asarray(labels).dtype}"))
    if not regions:
        raise ValueError(wrong("regions", "at least one label by name", "none"))
    return {
        name: measure(np.isin(truth, values), np.isin(prediction, values), spacing, **options)
        for name, values in regions.items()
    }
