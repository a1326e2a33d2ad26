"""The result of a cross-validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import pandas as pd

from braintumorseg._core.checks import DataError, check_in
from braintumorseg.evaluation.report import EVALUATION_FILE
from braintumorseg.evaluation.table import OVERLAPS, Evaluation
from braintumorseg.study import Segmentation, Study
from braintumorseg.training.cross_validation.state import State, prediction_file, read_prediction


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """A finished cross-validation; made by :func:`cross_validate` or :meth:`read`.

    Attributes:
        folder: Where it is.
        folds: Names of each fold's patients; every patient is in exactly one fold.
        evaluation: Of all patients together, each predicted by the model of the other folds. Its table has one column more
            than others, ``fold``, from 1.
    """

    folder: Path
    folds: tuple[tuple[str, ...], ...]
    evaluation: Evaluation

    @classmethod
    def read(cls, folder: str | PathLike[str]) -> CrossValidation:
        """Read a finished cross-validation.

        Raises:
            DataError: If the folder holds none, or it is not finished.
        """
        folder = Path(folder)
        state = State.read(folder)
        if not (folder / EVALUATION_FILE).is_file():
            msg = f"{folder}: is not finished; expected {EVALUATION_FILE}, which cross_validate writes at the end"
            raise DataError(msg)
        return cls(folder, state.folds, Evaluation.from_json(folder / EVALUATION_FILE))

    def by_fold(self, measure: str = "dice") -> pd.DataFrame:
        """Summarise one measure for each fold.

        These are means of few patients and of different models; the figure to quote is that of all patients together.

        Args:
            measure: As for :meth:`Evaluation.summary`.

        Returns:
            One row a fold, from 1: ``patients``, ``mean`` and ``median``.

        Raises:
            ValueError: If there is no such measure.
        """
        check_in("measure", measure, OVERLAPS)
        grouped = self.evaluation.table.groupby("fold")[measure]
        return pd.DataFrame({"patients": grouped.size(), "mean": grouped.mean(), "median": grouped.median()})

    def pairs(self) -> Iterator[tuple[Study, Segmentation]]:
        """Yield each study with its out-of-fold segmentation, as ``score`` and ``find_disagreements`` take them.

        Masks are exactly those predicted; probabilities were kept in steps of 1/255. Studies are read from where they were
        when ``cross_validate`` was last called.

        Raises:
            DataError: If a study or a prediction can't be read.
        """
        return stored_pairs(self.folder, State.read(self.folder))

    def __str__(self) -> str:
        folds = self.by_fold()
        means = ", ".join(f"{row['mean']:.3f} (n = {row['patients']:.0f})" for _, row in folds.iterrows())
        lines = [
            f"Cross-validation of {len(self.folds)} folds, each patient predicted by the model that was trained on the others:",
            str(self.evaluation),
            f"Mean Dice by fold: {means}",
        ]
        return "\n".join(lines)


def stored_pairs(folder: Path, state: State) -> Iterator[tuple[Study, Segmentation]]:
    """Yield each study with its out-of-fold segmentation, by name."""
    for name in state.patients:
        study = state.sources.study(name)
        yield study, read_prediction(prediction_file(folder, name), study)
