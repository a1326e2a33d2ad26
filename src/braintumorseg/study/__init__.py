"""A study (what goes in) and a segmentation (what comes out): frozen, validated records of arrays.

Every array of a study has its axes in the order (slice, row, column[, sequence]); every length is in millimetres.
"""

from braintumorseg.study.classes import BRATS, TUMOR, TumorClass, as_classes
from braintumorseg.study.classes import MOST_CLASSES as MOST_CLASSES
from braintumorseg.study.classes import Classes as Classes
from braintumorseg.study.classes import from_configs as from_configs
from braintumorseg.study.classes import named_values as named_values
from braintumorseg.study.geometry import DicomSource, Geometry
from braintumorseg.study.geometry import Spacing as Spacing
from braintumorseg.study.segmentation import Segmentation
from braintumorseg.study.sequences import KNOWN, SEQUENCES
from braintumorseg.study.sequences import NAMES as NAMES
from braintumorseg.study.sequences import are_sequences as are_sequences
from braintumorseg.study.sequences import check_sequences as check_sequences
from braintumorseg.study.sequences import in_order as in_order
from braintumorseg.study.study import Study

__all__ = [
    "BRATS",
    "KNOWN",
    "SEQUENCES",
    "TUMOR",
    "DicomSource",
    "Geometry",
    "Segmentation",
    "Study",
    "TumorClass",
    "as_classes",
]
