"""Losses of segmentation: for each a pure function and a registered ``keras.losses.Loss``.

All take ``y_true`` and ``y_pred`` of shape ``(batch, *space, classes)``, give one value a sample, and compute in float32
whatever the policy. Every class (channel) has a loss of its own; a sample's value is their weighted mean.

A class without any true pixel has no overlap to measure, and two thirds of real slices are of that kind. ``empty`` says what
they cost, with F the sum of the probabilities, in pixels:

| truth | prediction | overlap losses, ``empty=100`` (default) | ``empty=None`` |
|---|---|---|---|
| empty | empty | 0 | 0 |
| empty | F pixels | F / (F + 100): 0.5 at 100 pixels, towards 1 | 0 |
| some | empty | 1 | 1 |
| some | the same | 0 | 0 |
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
