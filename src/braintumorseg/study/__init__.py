"""A study (what goes in) and a segmentation (what comes out): frozen, validated records of arrays.

Every array of a study has its axes in the order (slice, row, column[, sequence]); every length is in millimetres.
"""

from braintumorseg.study.classes import (
    BRATS,
    MOST_CLASSES,
    TUMOR,
    Classes,
    TumorClass,
    as_classes,
    from_configs,
    named_values,
)
from braintumorseg.study.geometry import DicomSource, Geometry, Spacing
from braintumorseg.study.segmentation import Segmentation
from braintumorseg.study.sequences import KNOWN, NAMES, SEQUENCES, are_sequences, check_sequences, in_order
from braintumorseg.study.study import Study

__all__ = [
    "BRATS",
    "KNOWN",
    "MOST_CLASSES",
    "NAMES",
    "SEQUENCES",
    "TUMOR",
    "Classes",
    "DicomSource",
    "Geometry",
    "Segmentation",
    "Spacing",
    "Study",
    "TumorClass",
    "are_sequences",
    "as_classes",
    "check_sequences",
    "from_configs",
    "in_order",
    "named_values",
]
