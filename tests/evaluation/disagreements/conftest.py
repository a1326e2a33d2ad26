import numpy as np
import pytest

from braintumorseg import Segmentation, Study, make_study
from braintumorseg.evaluation import find_disagreements


@pytest.fixture(scope="session")
def pair():
    """Makes a study of slices in a row, each of a few voxels, and what was found in it."""

    def make(name, probabilities, mask, **options):
        probabilities, mask = np.atleast_2d(probabilities)[:, None], np.atleast_2d(mask)[:, None].astype(bool)
        study = Study(np.zeros((*mask.shape, 3)), mask=mask, name=name, **options)
        return study, Segmentation(probabilities >= 0.5, probabilities=probabilities)

    return make


@pytest.fixture(scope="session")
def found():
    """Slices of a phantom whose prediction lies beside its mask."""
    study = make_study(seed=3, shape=(8, 96, 96))
    moved = np.roll(study.mask, 12, axis=2)
    return find_disagreements([(study, Segmentation(moved, probabilities=moved.astype(float)))])
