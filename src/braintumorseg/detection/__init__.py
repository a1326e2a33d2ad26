"""Is there tumour in a slice, or in a study? From a segmenter's probabilities, or by a classifier of its own."""

from braintumorseg.detection.curves import Curves, average_precision, best_threshold, roc_auc
from braintumorseg.detection.detection import Detection, detect, slice_scores
from braintumorseg.detection.detector import Detector, load_detector
from braintumorseg.detection.report import write_detection

__all__ = [
    "Curves",
    "Detection",
    "Detector",
    "average_precision",
    "best_threshold",
    "detect",
    "load_detector",
    "roc_auc",
    "slice_scores",
    "write_detection",
]
