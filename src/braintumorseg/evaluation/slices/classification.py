"""Detection of tumour by slice and by patient, judged against masks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError, check_in, wrong
from braintumorseg._core.choices import SliceScore
from braintumorseg.evaluation.slices.area import area_interval
from braintumorseg.evaluation.slices.curves import average_precision, best_threshold, roc_auc, sklearn
from braintumorseg.study import Segmentation, Study


def slice_scores(segmentation: Segmentation, by: SliceScore = "maximum") -> NDArray[np.float64]:
    """Return how sure a segmentation is of tumour in each slice.

    Args:
        segmentation: What a segmenter found, with probabilities for ``"maximum"``.
        by: ``"maximum"`` is the highest probability of the slice, ``"area"`` the number of its tumour voxels.

    Returns:
        Float64 array ``(slices,)``.

    Raises:
        ValueError: If there is no such score, or the segmentation has no probabilities.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg import Segmentation
        >>> from braintumorseg.evaluation import slice_scores
        >>> probabilities = np.zeros((2, 4, 4))
        >>> probabilities[1, 1, 1:3] = 0.75
        >>> found = Segmentation(probabilities >= 0.5, probabilities)
        >>> slice_scores(found).tolist(), slice_scores(found, "area").tolist()
        ([0.0, 0.75], [0.0, 2.0])
    """
    check_in("by", by, get_args(SliceScore))
    if by == "area":
        return np.asarray(np.count_nonzero(segmentation.mask, axis=(1, 2)), np.float64)
    if segmentation.probabilities is None:
        msg = wrong("segmentation", "one with probabilities, for the score 'maximum'", f"{segmentation.name!r} without")
        raise ValueError(msg)
    return np.asarray(segmentation.probabilities.max(axis=(1, 2)), np.float64)


@dataclass(frozen=True, eq=False)
class SliceClassification:
    """How well scores detect tumour.

    Attributes:
        table: One row a slice: ``name`` of the study, ``slice`` from 0, ``score``, ``truth`` (tumour in the mask), ``found``
            (score at least the threshold).
        threshold: From which score on a slice counts as one with tumour.
        by: Whose scores these are.
        chosen_here: Whether the threshold was chosen on these very slices, so that figures at it are too good.
    """

    table: pd.DataFrame
    threshold: float
    by: str
    chosen_here: bool

    @property
    def patients(self) -> pd.DataFrame:
        """One row a patient: ``score``, the highest of its slices; ``truth``; ``found``."""
        return self.table.groupby("name", sort=True)[["score", "truth", "found"]].max()

    @property
    def auc(self) -> float:
        """Area under the ROC curve over all slices; NaN where all slices are of one kind."""
        return roc_auc(self.table["score"], self.table["truth"]) if self.table["truth"].nunique() == 2 else float("nan")

    @property
    def average_precision(self) -> float:
        """Area under precision over recall; NaN where all slices are of one kind."""
        two = self.table["truth"].nunique() == 2
        return average_precision(self.table["score"], self.table["truth"]) if two else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of the slices that are judged rightly at the threshold."""
        return float((self.table["found"] == self.table["truth"]).mean())

    @property
    def confusion(self) -> pd.DataFrame:
        """Slices by truth (rows) and by what was found (columns), without tumour first."""
        kinds = ["no tumour", "tumour"]
        counts = pd.crosstab(self.table["truth"], self.table["found"]).reindex(
            index=[False, True], columns=[False, True], fill_value=0
        )
        return counts.set_axis(pd.Index(kinds, name="truth")).set_axis(pd.Index(kinds, name="found"), axis=1)

    def auc_interval(self, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
        """Return a bootstrap interval of the area, patients drawn: the slices of one patient resemble each other.

        Args:
            confidence: The share of the draws that the interval holds, above 0 and below 1.
            seed: Of the draws.

        Returns:
            The lower and the upper end; NaN for a single patient, and where all slices are of one kind.

        Raises:
            ValueError: If ``confidence`` is out of its range.
        """
        return area_interval(self.table, confidence=confidence, seed=seed)

    def __str__(self) -> str:
        counts = self.confusion.to_numpy()
        patients = self.patients
        low, high = self.auc_interval()
        chosen = "chosen on these slices" if self.chosen_here else "fixed before"
        return (
            f"by {self.by}: {len(self.table)} slices of {len(patients)} patients, "
            f"{int(self.table['truth'].sum())} with tumour\n"
            f"ROC AUC {self.auc:.4f} ({low:.4f} to {high:.4f}, patients drawn), "
            f"average precision {self.average_precision:.4f}\n"
            f"at a threshold of {self.threshold:.4g} ({chosen}): accuracy {self.accuracy:.4f}; {counts[1, 1]} found, "
            f"{counts[1, 0]} missed, {counts[0, 1]} false alarms, {counts[0, 0]} rightly left\n"
            f"patients: {int((patients['found'] == patients['truth']).sum())} of {len(patients)} judged rightly"
        )


def classify_slices(
    scored: Iterable[tuple[Study, NDArray[Any]]], *, threshold: float | None = None, by: str = "score"
) -> SliceClassification:
    """Judge scores of slices against the studies' masks.

    Args:
        scored: Each study, with a mask, and a score for each of its slices: ``slice_scores`` or ``SliceClassifier.predict``.
        threshold: From which score on a slice counts as one with tumour; chosen for the highest accuracy on these slices if
            not given, which is for validation patients.
        by: Whose scores they are, for readers.

    Raises:
        DataError: If a study has no mask.
        ImportError: If scikit-learn is not installed (extra ``research``); before any study is read.
        ValueError: If there are not as many finite scores as slices, no study, or nothing to choose a threshold by.

    Examples:
        >>> from braintumorseg import make_study
        >>> from braintumorseg.evaluation import classify_slices
        >>> study = make_study(seed=0, shape=(8, 64, 64))
        >>> found = classify_slices([(study, study.mask.sum(axis=(1, 2)))], threshold=1)
        >>> found.accuracy, found.auc
        (1.0, 1.0)
    """
    sklearn("metrics")
    rows: list[pd.DataFrame] = []
    for study, scores in scored:
        if study.mask is None:
            msg = f"{study.name}: has no mask; detection is judged against one"
            raise DataError(msg)
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != study.shape[:1] or not np.isfinite(values).all():
            msg = wrong(
                "scored", f"{study.shape[0]} finite scores for {study.name!r}", f"an array of shape {values.shape}"
            )
            raise ValueError(msg)
        truth = study.mask.any(axis=(1, 2))
        rows.append(
            pd.DataFrame({"name": study.name, "slice": np.arange(len(values)), "score": values, "truth": truth})
        )
    if not rows:
        msg = wrong("scored", "at least one study with its scores", "none")
        raise ValueError(msg)
    table = pd.concat(rows, ignore_index=True)
    chosen = best_threshold(table["score"], table["truth"]) if threshold is None else float(threshold)
    return SliceClassification(table.assign(found=table["score"] >= chosen), chosen, by, chosen_here=threshold is None)
