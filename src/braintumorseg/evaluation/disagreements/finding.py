"""Where a confident prediction and the mask disagree: slices whose labels are worth a second look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError, check_integer, check_range, wrong
from braintumorseg._core.draw import FOUND_COLOUR, TRUTH_COLOUR, Panel, Window, find_window, montage
from braintumorseg.study import Segmentation, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Disagreement:
    """One slice on which a confident prediction and the mask disagree.

    Attributes:
        name: The study's name.
        slice: Index of the slice in the study, from 0.
        slice_name: Name of the slice's file without suffix, or the study's name with the slice's number, from 1.
        confidence: From which probability on a prediction counted as confident.
        unmarked: Voxels outside the mask with a probability of at least ``confidence``.
        unconfirmed: Voxels of the mask with a probability of at most ``1 - confidence``.
        flair: Float32 array ``(height, width)``, the FLAIR as the study has it.
        bounds: The study's 1st and 99.7th percentile of the FLAIR, black and white of the picture.
        truth: Boolean array ``(height, width)``, the mask.
        found: Boolean array ``(height, width)``, the prediction.
        aspect: Height of a voxel by its width.
    """

    name: str
    slice: int
    slice_name: str
    confidence: float
    unmarked: int
    unconfirmed: int
    flair: NDArray[np.float32]
    bounds: Window
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]
    aspect: float = 1.0

    @property
    def voxels(self) -> int:
        """Voxels on which the two disagree: what slices are ranked by."""
        return self.unmarked + self.unconfirmed

    def plot(self) -> Figure:
        """Draw the FLAIR alone, and beside it with the outlines of the mask and of the prediction.

        Returns:
            A matplotlib figure, independent of pyplot.
        """
        outlines = ((self.truth, TRUTH_COLOUR), (self.found, FOUND_COLOUR))
        plain = Panel(self.flair, self.bounds, aspect=self.aspect)
        outlined = Panel(self.flair, self.bounds, outlines, aspect=self.aspect)
        return montage([plain, outlined], side=4, key={"found": FOUND_COLOUR, "mask": TRUTH_COLOUR})


def find_disagreements(
    pairs: Iterable[tuple[Study, Segmentation]], *, count: int = 20, per_patient: int = 2, confidence: float = 0.9
) -> list[Disagreement]:
    """Find the slices on which confident predictions and masks disagree by most voxels.

    A voxel counts where its probability is at least ``confidence`` outside the mask, or at most ``1 - confidence`` in it;
    what the model is unsure of does not. The more such voxels a slice has, the higher it stands. That is one of two things:
    a mistake of the model, or a doubtful label. A reader's eye decides; the number only says where to look first. The model
    must not have been trained on the masks, or it may have learnt their mistakes: take out-of-fold predictions.

    Neighbouring slices show the same lesion, so that one patient could fill the list; at most ``per_patient`` of each come
    in, those with most voxels.

    Args:
        pairs: Each study, with FLAIR and mask, and what was found in it, with probabilities, on the same grid; one pair is
            held at a time.
        count: How many slices at most. Slices without such a voxel are not listed.
        per_patient: How many of one study at most.
        confidence: From which probability on a prediction is confident; above 0.5.

    Returns:
        The slices, those with most voxels first; where equal, by name and number.

    Raises:
        DataError: If a study has no mask or no FLAIR, or a segmentation has no probabilities; the message names it.
        ValueError: If two of a pair are not on the same grid, or an argument is not as stated.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.evaluation import find_disagreements
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> nothing = np.zeros(study.shape)
        >>> found = Segmentation(nothing > 0, probabilities=nothing)
        >>> [first, second] = find_disagreements([(study, found)])
        >>> first.unmarked, first.unconfirmed, int(study.mask[first.slice].sum())
        (0, 422, 422)
    """
    check_integer("count", count, 1)
    check_integer("per_patient", per_patient, 1)
    check_range("confidence", confidence, 0.5, 1, low_open=True)
    kept: list[Disagreement] = []
    for study, segmentation in pairs:
        kept = sorted([*kept, *_worst(study, segmentation, per_patient, confidence)], key=_rank)[:count]
    return kept


def _rank(each: Disagreement) -> tuple[int, str, int]:
    return (-each.voxels, each.name, each.slice)


def _worst(study: Study, segmentation: Segmentation, per_patient: int, confidence: float) -> list[Disagreement]:
    """Return the slices of one study that disagree most."""
    if study.mask is None or "flair" not in study.sequences:
        msg = f"{study.name}: has no {'mask' if study.mask is None else 'FLAIR'}; disagreements need both"
        raise DataError(msg)
    if segmentation.probabilities is None:
        msg = f"{study.name}: its segmentation has no probabilities; expected those of Segmenter.predict"
        raise DataError(msg)
    if study.shape != segmentation.shape:
        msg = wrong("pairs", f"on one grid, {study.name} on {study.shape}", f"a segmentation of {segmentation.shape}")
        raise ValueError(msg)
    tumour, none = segmentation.probabilities >= confidence, segmentation.probabilities <= 1 - confidence
    unmarked = np.count_nonzero(tumour & ~study.mask, axis=(1, 2))
    unconfirmed = np.count_nonzero(none & study.mask, axis=(1, 2))
    flair = study.sequence("flair")
    window = find_window(flair)
    _, row, column = study.spacing or (1.0, 1.0, 1.0)
    worst = np.argsort(-(unmarked + unconfirmed), kind="stable")[:per_patient]
    return [
        Disagreement(
            name=study.name,
            slice=int(index),
            slice_name=study.slice_names[index] if study.slice_names else f"{study.name}, slice {index + 1}",
            confidence=confidence,
            unmarked=int(unmarked[index]),
            unconfirmed=int(unconfirmed[index]),
            flair=flair[index].copy(),  # a view would hold the whole volume
            bounds=window,
            truth=study.mask[index].copy(),
            found=segmentation.mask[index].copy(),
            aspect=row / column,
        )
        for index in worst
        if unmarked[index] + unconfirmed[index]
    ]
