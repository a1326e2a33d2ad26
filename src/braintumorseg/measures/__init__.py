"""What is published of a segmentation: agreement with the truth, in plain NumPy, one study at a time.

Every function takes ``truth`` and ``prediction``, boolean arrays ``(slices, height, width)`` or of any other rank, as two
arrays of one shape. Lengths are in the unit of ``spacing`` (mm), or in voxels where the spacing is unknown. One rule holds
for the empty cases: two empty masks agree perfectly (overlap 1, distance 0), and one empty mask agrees in nothing (overlap
0, distance infinite).
"""

from braintumorseg.measures.diameters import Diameters, in_plane_diameters
from braintumorseg.measures.labels import measure_labels
from braintumorseg.measures.lesions import LesionDetection, lesion_detection
from braintumorseg.measures.overlap import dice, iou, precision, recall
from braintumorseg.measures.summary import Measures, measure
from braintumorseg.measures.surface import assd, hd95, surface_dice, surface_distances
from braintumorseg.measures.volume import relative_volume_difference, volume_difference, volume_ml

__all__ = [
    "Diameters",
    "LesionDetection",
    "Measures",
    "assd",
    "dice",
    "hd95",
    "in_plane_diameters",
    "iou",
    "lesion_detection",
    "measure",
    "measure_labels",
    "precision",
    "recall",
    "relative_volume_difference",
    "surface_dice",
    "surface_distances",
    "volume_difference",
    "volume_ml",
]
