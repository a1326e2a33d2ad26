"""How much a segmenter loses where studies differ from those it was trained on: the drop under each change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from braintumorseg._core.checks import DataError, wrong
from braintumorseg._core.files import replacing
from braintumorseg._core.tables import write_table
from braintumorseg.evaluation.perturbations import CHANGES, Change
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.io import read_study
from braintumorseg.measures import dice
from braintumorseg.study import Study

UNCHANGED = "unchanged"
_COLUMNS = ("name", "change", "dice")

BARS: Mapping[str, float] = {
    **dict.fromkeys(CHANGES, 0.02),
    **dict.fromkeys(("skull removed, background 0", "skull removed, background minimum", "slices interpolated"), 0.03),
    **dict.fromkeys(("air added", "cropped tight"), 0.005),
    "left-right flip": 0.01,
}
"""By how much the mean Dice may drop under each change."""


@dataclass(frozen=True, eq=False)
class Robustness:
    """How well a segmenter did on studies as they are and under each change; made by :func:`measure_robustness`.

    Attributes:
        segmenter: The segmenter's name.
        patients: One row a patient and change: ``name``, ``change`` (``"unchanged"`` for the study as it is) and ``dice``,
            over the whole volume, every slice in.

    Raises:
        ValueError: If a column is missing, or not every patient has one Dice unchanged and one under each change.

    Examples:
        >>> import pandas as pd
        >>> from braintumorseg.evaluation import Robustness
        >>> rows = [("A", "unchanged", 0.9), ("A", "left-right flip", 0.895)]
        >>> robustness = Robustness("mine", pd.DataFrame(rows, columns=["name", "change", "dice"]))
        >>> robustness.table["drop"].round(3).tolist()
        [0.0, 0.005]
    """

    segmenter: str
    patients: pd.DataFrame

    def __post_init__(self) -> None:
        absent = [column for column in _COLUMNS if column not in self.patients]
        if absent:
            msg = wrong(
                "patients", f"a table with the columns {', '.join(_COLUMNS)}", f"one without {', '.join(absent)}"
            )
            raise ValueError(msg)
        object.__setattr__(self, "patients", self.patients[list(_COLUMNS)].reset_index(drop=True).copy())
        counts = pd.crosstab(self.patients["name"], self.patients["change"])
        if UNCHANGED not in counts or not (counts == 1).all(axis=None):
            msg = wrong("patients", f"of one Dice for each patient {UNCHANGED} and under each change", "others")
            raise ValueError(msg)

    @property
    def table(self) -> pd.DataFrame:
        """One row a change: ``change``, the mean ``dice`` over patients, its ``drop``, and its ``bar`` (NaN if none)."""
        means = self.patients.groupby("change", sort=False)["dice"].mean()
        frame = means.reset_index()
        frame["drop"] = means[UNCHANGED] - frame["dice"]
        frame["bar"] = frame["change"].map(BARS).astype(float)
        return frame

    @property
    def drops(self) -> pd.DataFrame:
        """One row a patient, one column a change: by how much the patient's Dice drops; negative where it rises."""
        dices = self.patients.pivot(index="name", columns="change", values="dice")
        order = self.patients["change"].unique()
        return (-dices.sub(dices[UNCHANGED], axis=0))[[change for change in order if change != UNCHANGED]]

    def to_csv(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the table, one row per change, with six significant digits.

        Raises:
            DataError: If the file exists and may not be replaced, or can't be written.
        """
        return write_table(self.table, Path(path), overwrite=overwrite)

    def to_json(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the table for readers, and every patient's Dice.

        Numbers have all their digits, so that :meth:`from_json` gives the same table.

        Raises:
            DataError: If the file exists and may not be replaced, or can't be written.
        """
        path = Path(path)
        table = [{**row, "bar": None if np.isnan(row["bar"]) else row["bar"]} for row in self.table.to_dict("records")]
        record = {"segmenter": self.segmenter, "changes": table, "patients": self.patients.to_dict("records")}
        with replacing(path, overwrite=overwrite) as beside:
            beside.write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
        return path

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> Robustness:
        """Read what :meth:`to_json` wrote.

        Raises:
            DataError: If the file can't be read, or is none of those.
        """
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(str(record["segmenter"]), pd.DataFrame(record["patients"]))
        except OSError as error:
            msg = f"{path}: can't be read ({error.strerror or error})"
            raise DataError(msg) from error
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{path}: expected a table as Robustness.to_json writes it ({type(error).__name__}: {error})"
            raise DataError(msg) from error

    def __str__(self) -> str:
        lines = [f"{self.segmenter}, mean Dice over {self._count()}, whole volumes, every slice in:"]
        for row in self.table.to_dict("records"):
            drop = "" if row["change"] == UNCHANGED else f", drop {row['drop']:+.3f}"
            held = "holds" if row["drop"] <= row["bar"] else "missed"
            bar = "" if np.isnan(row["bar"]) else f" (at most {row['bar']:g}: {held})"
            lines.append(f"  {row['dice']:.3f}{drop}{bar}: {row['change']}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        table = self.table[self.table["bar"].notna()]
        held = int((table["drop"] <= table["bar"]).sum())
        return f"Robustness of {self.segmenter!r}: {self._count()}, {held} of {len(table)} bars held"

    def _count(self) -> str:
        patients = self.patients["name"].nunique()
        return f"{patients} {'patient' if patients == 1 else 'patients'}"


def measure_robustness(
    segmenter: Segmenter,
    studies: Iterable[Study | str | PathLike[str]],
    *,
    changes: Mapping[str, Change] | None = None,
) -> Robustness:
    """Predict studies as they are and under each change, and measure how far the Dice drops.

    Args:
        segmenter: The segmenter.
        studies: ``Study`` objects, or paths that ``read_study`` takes; they are read one after the other, so that one is
            in memory at a time. Each has a mask, which moves along with the image.
        changes: Name of each change and the function from study to study that makes it; by default all of
            ``braintumorseg.evaluation.perturbations.CHANGES``: sequences dropped, skull removed, air added or cut, slices
            interpolated,
            intensities, geometry. Where slices are interpolated or moved, the Dice is that on the new grid.

    Raises:
        DataError: If a study can't be read or has no mask, or two have the same name; the message names it.
        ValueError: If there are no studies, or a change is called ``"unchanged"``.

    Examples:
        >>> from braintumorseg import load_pretrained, make_study
        >>> from braintumorseg.evaluation import measure_robustness
        >>> from braintumorseg.evaluation.perturbations import CHANGES
        >>> chosen = {"left-right flip": CHANGES["left-right flip"]}
        >>> studies = [make_study(seed=0, shape=(4, 96, 96))]
        >>> robustness = measure_robustness(load_pretrained("resunet-lgg"), studies, changes=chosen)
        >>> robustness.table["change"].tolist()
        ['unchanged', 'left-right flip']
    """
    changes = CHANGES if changes is None else changes
    if UNCHANGED in changes:
        msg = wrong("changes", f"of other names than {UNCHANGED!r}, which is the study as it is", tuple(changes))
        raise ValueError(msg)
    dices = [row for rows in map(partial(_measure, segmenter, changes), studies) for row in rows]
    if not dices:
        msg = wrong("studies", "at least one", "none")
        raise ValueError(msg)
    frame = pd.DataFrame(dices, columns=list(_COLUMNS))
    twice = frame["name"][frame.duplicated(["name", "change"])].unique()
    if len(twice):
        msg = f"{twice[0]}: comes twice; robustness is measured on one study a patient, each of its own name"
        raise DataError(msg)
    return Robustness(segmenter.name, frame)


def _measure(
    segmenter: Segmenter, changes: Mapping[str, Change], item: Study | str | PathLike[str]
) -> list[tuple[str, str, float]]:
    study = item if isinstance(item, Study) else read_study(item)
    if study.mask is None:
        msg = f"{study.name if isinstance(item, Study) else item}: has no mask; robustness needs the truth"
        raise DataError(msg)
    study = study.with_mask(study.mask)  # the whole tumour is measured; changes move no label map
    rows = [(study.name, UNCHANGED, _dice(segmenter, study))]
    rows += [(study.name, name, _dice(segmenter, change(study))) for name, change in changes.items()]
    return rows


def _dice(segmenter: Segmenter, study: Study) -> float:
    if study.mask is None:
        msg = f"{study.name}: a change lost the mask"
        raise DataError(msg)
    return dice(study.mask, segmenter.predict(study).mask)
