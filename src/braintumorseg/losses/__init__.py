"""Losses of segmentation: for each a pure function and a registered ``keras.losses.Loss``.

All take ``y_true`` and ``y_pred`` of shape ``(batch, *space, classes)``, give one value a sample, and compute in float32
whatever the policy. Every class (channel) has a loss of its own; a sample's value is their weighted mean.
"""

from braintumorseg.losses.base import SegmentationLoss, WeightedSum
from braintumorseg.losses.classes import BinaryFocal, Dice, FocalTversky, Jaccard, Tversky
from braintumorseg.losses.functions import binary_focal, dice, focal_tversky, jaccard, tversky

__all__ = [
    "BinaryFocal",
    "Dice",
    "FocalTversky",
    "Jaccard",
    "SegmentationLoss",
    "Tversky",
    "WeightedSum",
    "binary_focal",
    "dice",
    "focal_tversky",
    "jaccard",
    "tversky",
]
