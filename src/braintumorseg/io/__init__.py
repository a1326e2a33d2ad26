"""Read studies and write segmentations."""

from braintumorseg.io.finding import find_studies
from braintumorseg.io.masks import read_segmentation
from braintumorseg.io.names import sequence_name
from braintumorseg.io.reading import read_study, study_name
from braintumorseg.io.writing import write_segmentation
from braintumorseg.study import SEQUENCES

__all__ = [
    "SEQUENCES",
    "find_studies",
    "read_segmentation",
    "read_study",
    "sequence_name",
    "study_name",
    "write_segmentation",
]
