"""The common ground of all datasets: studies with masks, by name and by patient, and a clinical table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import pandas as pd

from braintumorseg._core.checks import DataError, wrong
from braintumorseg.datasets.case import Case
from braintumorseg.study import Study

NOT_GIVEN = "not given"
"""The institution, or another group, of a patient of whom the clinical table does not say it."""

_SITES = ("institution", "site", "center", "centre", "hospital")


class Dataset(ABC):
    """Studies with masks, as ``train``, ``evaluate``, ``cross_validate`` and ``explore`` take them.

    Only names are held; a study is read when it is asked for. Iterating, ``dataset[0]`` and ``dataset[name]`` give studies,
    ``len(dataset)`` their number. A patient may have several studies, such as the sessions of BIDS; ``subset`` and splits go
    by patient. ``LGGDataset`` and ``StudyDataset`` are datasets; ``open_dataset`` chooses between them.

    Attributes:
        root: The folder, or the file that lists the studies.
        layout: Name of the layout, for readers.
    """

    root: Path
    layout: str

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the studies, sorted."""

    @abstractmethod
    def case(self, name: str) -> Case:
        """Return where a study is.

        Raises:
            ValueError: If the study is not in this dataset.
        """

    @property
    @abstractmethod
    def table(self) -> pd.DataFrame:
        """The clinical table, one row per study, indexed by the study's name; without columns where there is none."""

    @abstractmethod
    def subset(self, patients: Iterable[str]) -> Self:
        """Return the dataset of some of the patients, with all studies of each.

        Raises:
            ValueError: If one is not in this dataset, or none is named.
        """

    @abstractmethod
    def problems(self) -> list[str]:
        """Read every study, and say in one line each what is missing or odd; an empty list if nothing is."""

    @property
    def patients(self) -> tuple[str, ...]:
        """Names of the patients, sorted."""
        return tuple(sorted({self.patient(name) for name in self.names}))

    def patient(self, name: str) -> str:
        """Return the patient of a study.

        Raises:
            ValueError: If the study is not in this dataset.
        """
        return self.case(name).patient

    def study(self, name: str) -> Study:
        """Read a study.

        Raises:
            DataError: If it can't be read; the message names the file.
            ValueError: If the study is not in this dataset.
        """
        return self.case(name).study()

    @property
    def institutions(self) -> dict[str, str]:
        """Institution of each study by name, from the table's column ``institution``, ``site``, ``center`` or ``hospital``.

        Empty where the table has none of these.
        """
        found = {str(column).lower(): column for column in self.table.columns}
        column = next((found[name] for name in _SITES if name in found), None)
        return {} if column is None else self.groups(column)

    def groups(self, column: str) -> dict[str, str]:
        """Return the values of one column of the clinical table as texts, by the study's name.

        Args:
            column: The column, such as ``"institution"``. ``stratified_split`` takes the result as its groups.

        Raises:
            ValueError: If the table has no such column.
        """
        table = self.table
        if column not in table:
            columns = ", ".join(map(str, table.columns)) or "none: there is no clinical table"
            msg = wrong("column", f"a column of the clinical table ({columns})", repr(column))
            raise ValueError(msg)
        return {str(name): NOT_GIVEN if pd.isna(value) else str(value) for name, value in table[column].items()}

    def check_masks(self) -> None:
        """Refuse a dataset in which a study is known to have no mask, before any study is read.

        Raises:
            DataError: If there is one; the message names the first.
        """
        lacking = [name for name in self.names if self.case(name).lacks_mask]
        if lacking:
            others = f", as do {len(lacking) - 1} others" if len(lacking) > 1 else ""
            msg = (
                f"{self.root}: {lacking[0]} has no mask{others}; expected {self._expected_mask()}, or a split that leaves "
                f"the patient out: dataset.subset(...) (CLI: --split)"
            )
            raise DataError(msg)

    def describe(self) -> str:
        """Return the layout and the counts in one line."""
        studies, patients = len(self), len(self.patients)
        counted = f"{patients} patient{'' if patients == 1 else 's'}"
        if studies != patients:
            counted = f"{studies} studies of {counted}"
        columns = self.table.shape[1]
        table = f", clinical table of {columns} column{'' if columns == 1 else 's'}" if columns else ""
        return f"{self.layout}: {counted}{table}"

    def _expected_mask(self) -> str:
        return "a mask for every study"

    def _checked(self, name: str) -> str:
        """Return a name of a study of this dataset; refuse others."""
        names = self.names
        if name not in names:
            msg = wrong("name", f"one of the {len(names)} studies of this dataset, {names[0]} first", repr(name))
            raise ValueError(msg)
        return name

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Study]:
        return (self.study(name) for name in self.names)

    def __getitem__(self, index: int | str) -> Study:
        return self.study(index if isinstance(index, str) else self.names[index])

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __repr__(self) -> str:
        return f"{type(self).__name__} {str(self.root)!r}: {self.describe()}"
