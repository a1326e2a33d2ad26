"""Targets of training: from a study's mask or label map to what a loss compares a network's output with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg.inference.labelling import Labelling
from braintumorseg.preprocessing.transform import Placement, Preprocessing
from braintumorseg.study import TUMOR, Classes, Study


def prepare_target(study: Study, preprocessing: Preprocessing, placement: Placement, classes: Classes) -> NDArray[Any]:
    """Return a study's target on the grid of a network's input, ``(slices, size, size)``.

    Of one class, it is the share of each pixel that the mask covers, 0 to 1. Of several, it is the number of the class that has
    the largest share, from 1, or 0 where that is the background.

    Raises:
        DataError: If the study has no mask, or no label map of these classes.
    """
    if study.mask is None:
        msg = f"{study.name}: has no mask; training needs the truth"
        raise DataError(msg)
    if len(classes) == 1 and (classes == TUMOR or study.labels is None):
        return preprocessing.apply_mask(study.mask, placement)
    if study.labels is None:
        names = ", ".join(f"{each.name} = {each.value}" for each in classes)
        msg = f"{study.name}: has a mask of one kind of tumour; expected a label map of {names}"
        raise DataError(msg)
    shares = [preprocessing.apply_mask(study.labels == each.value, placement) for each in classes]
    if len(classes) == 1:
        return shares[0]
    strange = set(np.unique(study.labels).tolist()) - {0, *(each.value for each in classes)}
    if strange:
        names = ", ".join(f"{each.name} = {each.value}" for each in classes)
        msg = (
            f"{study.name}: holds the label {min(strange)}; expected 0 and {names}, as the configuration's classes say"
        )
        raise DataError(msg)
    background = 1 - np.sum(shares, axis=0)
    return np.asarray(np.argmax([background, *shares], axis=0))


def spread(targets: NDArray[Any], number: int) -> NDArray[np.float32]:
    """Return targets ``(batch, size, size)`` as maps of 0 and 1 for each class, ``(batch, size, size, classes)``."""
    if number == 1:
        return np.asarray(targets >= 0.5, np.float32)[..., None]
    return np.asarray(targets[..., None] == np.arange(1, number + 1), np.float32)


def as_outputs(masks: NDArray[np.float32], labelling: Labelling) -> NDArray[np.float32]:
    """Return maps of classes that exclude each other as the channels of a network: with the background, or as regions."""
    if len(labelling.classes) == 1:
        return masks
    if labelling.nested:
        return np.cumsum(masks[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([1 - masks.sum(axis=-1, keepdims=True), masks], axis=-1)
