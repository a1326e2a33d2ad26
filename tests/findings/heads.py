"""A plain head with a tumour in two pieces, whose measures can be counted by hand."""

import numpy as np

from braintumorseg import Segmentation, Study
from braintumorseg.study import Geometry

SHAPE = (6, 40, 50)
AFFINE = np.array([[-2.0, 0, 0, 45], [0, -1.5, 0, 30], [0, 0, 5, -10], [0, 0, 0, 1]])


def head(mask, geometry=None, spacing=None):
    """A study of a plain head in the middle of the grid, and a mask in it."""
    volume = np.zeros((*SHAPE, 1), np.float32)
    volume[:, 5:35, 5:45] = 100
    volume += 10 * np.random.default_rng(0).random(volume.shape, np.float32) * (volume > 0)
    study = Study(volume, ("flair",), geometry=geometry, spacing=spacing, name="case")
    return study, Segmentation(mask, geometry=geometry, spacing=study.spacing, name="case")


def two_pieces():
    mask = np.zeros(SHAPE, bool)
    mask[2:5, 10:20, 30:40] = True
    mask[1, 30:32, 34:38] = True
    return mask


def geometry():
    return Geometry(AFFINE, SHAPE[::-1], axes=(2, 1, 0))
