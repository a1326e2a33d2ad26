"""Slices with tumour told from slices without, and how well that is done."""

from braintumorseg.evaluation.slices.classification import SliceClassification, classify_slices, slice_scores
from braintumorseg.evaluation.slices.curves import Curves, average_precision, best_threshold, roc_auc
from braintumorseg.evaluation.slices.report import SLICE_CLASSIFICATION_FILES, write_slice_classification

__all__ = [
    "SLICE_CLASSIFICATION_FILES",
    "Curves",
    "SliceClassification",
    "average_precision",
    "best_threshold",
    "classify_slices",
    "roc_auc",
    "slice_scores",
    "write_slice_classification",
]
