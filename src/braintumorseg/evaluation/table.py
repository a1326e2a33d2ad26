"""The record of an evaluation: one row per patient, the settings of the prediction, and all that follows from them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from braintumorseg._core.checks import DataError, check_in, wrong
from braintumorseg._core.files import replacing
from braintumorseg._core.tables import write_table
from braintumorseg.evaluation.conventions import HEADLINE, count_conventions
from braintumorseg.evaluation.intervals import RESAMPLES
from braintumorseg.evaluation.summary import Summary, count_patients, summarise
from braintumorseg.presets.scores import check_settings, describe_settings
from braintumorseg.runtimes.choice import Precision

OVERLAPS = ("dice", "iou", "precision", "recall", "lesion_sensitivity", "lesion_precision", "lesion_f1")
"""Columns of shares, 0 to 1, more is better: what can be summarised and compared."""

GROUPS = ("institution", "tumour_size", "missing_sequences")
_TEXTS = ("name", "institution", "missing_sequences", "length_unit", "volume_unit")
_SLICES = ("name", "slice", "true", "predicted", "shared")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a segmenter did, patient by patient; made by :func:`evaluate`, :func:`score` or :meth:`from_json`.

    Attributes:
        segmenter: The segmenter's name, without the settings of the prediction.
        table: One row a patient: ``name``, ``institution`` (or ``"not given"``), ``missing_sequences`` (``"none"``, or
            names joined by a comma), ``slices``, and every measure of :class:`Measures`; the tumour's size is
            ``true_volume``, in ``volume_unit``.
        slices: One row a slice: ``name``, ``slice`` (from 0), and the numbers of voxels that are ``true``, ``predicted`` and
            ``shared``.
        tta: Whether predictions were the mean of each slice's and its mirror image's (test-time augmentation).
        precision: The network's precision; ``None`` if not recorded.

    Raises:
        ValueError: If a column is missing, there is no patient, a name comes twice, or the two tables differ in patients; if
            there is no such precision.

    Examples:
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.evaluation.evaluate import score
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> found = Segmentation(study.mask & (study.volume[..., 1] > 100))
        >>> evaluation = score([(study, found)], name="thresholded")
        >>> len(evaluation.table), len(evaluation.slices)
        (1, 8)
    """

    segmenter: str
    table: pd.DataFrame
    slices: pd.DataFrame
    tta: bool = False
    precision: Precision | None = None

    def __post_init__(self) -> None:
        check_settings(self.tta, self.precision)
        for name, frame, needed in (("table", self.table, (*_TEXTS, *OVERLAPS)), ("slices", self.slices, _SLICES)):
            absent = [column for column in needed if column not in frame]
            if absent:
                msg = wrong(name, f"a table with the columns {', '.join(needed)}", f"one without {', '.join(absent)}")
                raise ValueError(msg)
            object.__setattr__(self, name, frame.reset_index(drop=True).copy())
        if self.table.empty:
            msg = wrong("table", "of at least one patient", "none")
            raise ValueError(msg)
        twice = self.table["name"][self.table["name"].duplicated()].unique()
        if len(twice):
            msg = wrong("table", "one row a patient", f"several of {', '.join(twice)}")
            raise ValueError(msg)
        if set(self.table["name"]) != set(self.slices["name"]):
            msg = wrong("slices", "of the patients of the table", "others")
            raise ValueError(msg)

    @property
    def overlaps(self) -> tuple[str, ...]:
        """Columns of shares, 0 to 1, more is better: what can be summarised."""
        return (*OVERLAPS, *(name for name in map(str, self.table) if name.startswith("dice of ")))

    @property
    def label(self) -> str:
        """The segmenter's name with the settings of the prediction, such as ``"unet-lgg (int8)"``."""
        settings = describe_settings(self.tta, self.precision)
        return f"{self.segmenter} ({settings})" if settings else self.segmenter

    def summary(self, measure: str = "dice", *, resamples: int = RESAMPLES, seed: int = 0) -> Summary:
        """Summarise one measure over the patients.

        Args:
            measure: A column that is a share: dice, iou, precision, recall, lesion_sensitivity, lesion_precision, lesion_f1,
                or ``dice of <class>``.
            resamples: Draws of patients for the interval.
            seed: Of the draws.

        Raises:
            ValueError: If there is no such measure.
        """
        check_in("measure", measure, self.overlaps)
        return summarise(measure, self.table[measure], resamples, seed)

    def by(self, column: str, measure: str = "dice", *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
        """Summarise one measure for each group of patients.

        Args:
            column: ``"institution"``, ``"missing_sequences"``, or ``"tumour_size"``: thirds of the patients by true volume
                (small up to the 33rd percentile, medium up to the 67th, large above, percentiles interpolated linearly).
            measure: As for :meth:`summary`.
            resamples: Draws of patients for the intervals.
            seed: Of the draws.

        Returns:
            One row a group: ``patients``, ``mean``, ``median``, quartiles, and ``low`` and ``high`` of the mean.

        Raises:
            ValueError: If there is no such column or measure, or sizes are partly in mL and partly in voxels.
        """
        check_in("column", column, GROUPS)
        check_in("measure", measure, self.overlaps)
        groups = self._sizes() if column == "tumour_size" else self.table[column]
        rows = {
            group: vars(summarise(measure, values, resamples, seed))
            for group, values in self.table[measure].groupby(groups, sort=True, observed=True)
        }
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis(column)
        return frame.drop(columns=["measure", "resamples", "seed"])

    def conventions(self, *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
        """Count the Dice of the same masks in the six ways that publications do.

        ======================  ==========================================================================================
        ``patient_mean``        mean over patients of the Dice over the whole volume, every slice in: the headline
        ``patient_median``      median over patients of the same
        ``pooled_pixels``       one Dice over the pixels of all patients together (1 if all masks are empty)
        ``tumour_slices``       mean of the slices' Dice over slices with tumour in the truth
        ``skip_empty_slices``   the same over slices with tumour in the truth, the prediction or both
        ``empty_slice_is_one``  the same over all slices; where both masks are empty, the slice's Dice is 1
        ======================  ==========================================================================================

        Means over slices weigh the slices of all patients alike. A slice that is empty in one mask only has Dice 0.

        Args:
            resamples: Draws of patients for the intervals.
            seed: Of the draws.

        Returns:
            One row a convention: ``dice``, ``low`` and ``high`` (95 % bootstrap interval, percentile method, patients
            drawn), ``counted`` (the definition), ``headline``. NaN where a convention is left with no slice.
        """
        return count_conventions(self.slices, resamples=resamples, seed=seed)

    def to_csv(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the table, one row per patient, with six significant digits.

        Raises:
            DataError: If the file exists and may not be replaced, or can't be written.
        """
        return write_table(self.table, Path(path), overwrite=overwrite)

    def to_json(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write everything, with the summaries for readers; infinite distances are the text ``"inf"``.

        Numbers have all their digits and slices count from 0, so that :meth:`from_json` gives the same evaluation.

        Raises:
            DataError: If the file exists and may not be replaced, or can't be written.
        """
        path = Path(path)
        record = {
            "segmenter": self.segmenter,
            "tta": self.tta,
            "precision": self.precision,
            "dice": self.conventions().reset_index().to_dict("records"),
            "summary": vars(self.summary()),
            "groups": {column: frame.reset_index().to_dict("records") for column, frame in self._groups().items()},
            "patients": self.table.to_dict("records"),
            "slices": self.slices.to_dict("list"),
        }
        with replacing(path, overwrite=overwrite) as beside:
            beside.write_text(json.dumps(_plain(record), indent=1, allow_nan=False), encoding="utf-8")
        return path

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> Evaluation:
        """Read what :meth:`to_json` wrote.

        Raises:
            DataError: If the file can't be read, or is none of those.
        """
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
            table = pd.DataFrame(record["patients"])
            for column in table.columns.difference(list(_TEXTS)):
                table[column] = pd.to_numeric(table[column])
            slices = pd.DataFrame(record["slices"])
            return cls(str(record["segmenter"]), table, slices, record["tta"], record["precision"])
        except OSError as error:
            msg = f"{path}: can't be read ({error.strerror or error})"
            raise DataError(msg) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{path}: expected an evaluation as Evaluation.to_json writes it ({type(error).__name__}: {error})"
            raise DataError(msg) from error

    def __str__(self) -> str:
        lines = [
            f"{self.label} on {count_patients(len(self.table))}. Dice by convention, with 95 % intervals (percentile bootstrap "
            f"of {RESAMPLES} resamples of patients):"
        ]
        for key, row in self.conventions().iterrows():
            mark = "; the headline" if key == HEADLINE else ""
            lines.append(f"  {row['dice']:.3f} ({row['low']:.3f} to {row['high']:.3f}): {row['counted']}{mark}")
        lines.extend(str(self.summary(name)) for name in self.overlaps if name == "dice" or name not in OVERLAPS)
        for column, frame in self._groups().items():
            groups = (f"{group} {row['mean']:.3f} (n = {row['patients']:.0f})" for group, row in frame.iterrows())
            lines.append(f"Mean Dice by {column.replace('_', ' ')}: {', '.join(groups)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        mean = self.table["dice"].mean()
        return f"Evaluation of {self.label!r}: {count_patients(len(self.table))}, mean of their whole-volume Dice {mean:.3f}"

    def _groups(self) -> dict[str, pd.DataFrame]:
        """Summarise the Dice by every column that groups; tumours in different units are not compared in size."""
        comparable = self.table["volume_unit"].nunique() == 1
        return {column: self.by(column) for column in GROUPS if comparable or column != "tumour_size"}

    def _sizes(self) -> pd.Series[Any]:
        units = sorted(self.table["volume_unit"].unique())
        if len(units) > 1:
            msg = wrong("column", "one whose values share a unit", f"tumour sizes in {' and '.join(units)}")
            raise ValueError(msg)
        sizes = self.table["true_volume"].to_numpy(np.float64)
        thirds = np.searchsorted(np.quantile(sizes, [1 / 3, 2 / 3]), sizes, side="left")
        return pd.Series(
            pd.Categorical.from_codes(thirds, dtype=pd.CategoricalDtype(["small", "medium", "large"], ordered=True))
        )


def _plain(value: Any) -> Any:
    """Return what strict JSON can hold: infinite and undefined numbers become text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
