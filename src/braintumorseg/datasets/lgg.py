"""The LGG dataset: its studies and its clinical table.

Mateusz Buda et al.: "Association of genomic subtypes of lower-grade gliomas with shape features automatically extracted by
a deep learning algorithm", Computers in Biology and Medicine 109, 2019; 110 patients of the TCGA-LGG collection.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from copy import copy
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from braintumorseg._core.checks import DataError, wrong
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.dataset import Dataset
from braintumorseg.datasets.project_split import PARTS, lgg_split
from braintumorseg.io import read_study
from braintumorseg.study import SEQUENCES, Study

_PATIENT = re.compile(r"TCGA_([A-Z0-9]{2})_[A-Z0-9]{4}_\d{8}")  # institution, patient, date
_SIDE = 256


class LGGDataset(Dataset):
    """The published folder of the LGG dataset, one study a patient.

    Only names are listed here; a study is read when it is asked for. Iterating, ``dataset[0]`` and ``dataset[name]`` give
    studies, ``len(dataset)`` their number.

    Args:
        root: The folder that holds ``data.csv`` and one folder a patient (``kaggle_3m``).

    Attributes:
        root: That folder.

    Raises:
        DataError: If it does not exist, can't be listed, or holds no patient's folder.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from braintumorseg import LGGDataset
        >>> folder = Path("kaggle_3m/TCGA_CS_4941_19960909")
        >>> folder.mkdir(parents=True)
        >>> Image.new("RGB", (256, 256), (40, 90, 40)).save(folder / f"{folder.name}_1.tif")
        >>> Image.new("L", (256, 256)).save(folder / f"{folder.name}_1_mask.tif")
        >>> dataset = LGGDataset("kaggle_3m")
        >>> dataset
        LGGDataset 'kaggle_3m': 1 patient
        >>> dataset[0]
        Study 'TCGA_CS_4941_19960909': 1 slice of 256x256, sequences t1, flair, t1ce, spacing unknown, mask of 0 voxels
    """

    layout = "LGG dataset"

    def __init__(self, root: str | PathLike[str]) -> None:
        self.root = Path(root)
        try:
            folders = [path.name for path in self.root.iterdir() if path.is_dir()]
        except OSError as error:
            msg = f"{self.root}: can't be listed ({error.strerror}); expected the folder that holds the patients"
            raise DataError(msg) from error
        self._names = tuple(sorted(name for name in folders if _PATIENT.fullmatch(name)))
        if not self._names:
            msg = f"{self.root}: holds no patient; expected folders named TCGA_<institution>_<patient>_<date>"
            raise DataError(msg)
        self._expected = tuple(name for part in PARTS for name in lgg_split(part))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the studies, which are those of the patients."""
        return self._names

    @property
    def patients(self) -> tuple[str, ...]:
        """Names of the patients' folders that are there, sorted."""
        return self._names

    def patient(self, name: str) -> str:
        """Return the patient of a study: each patient has one, of the same name.

        Raises:
            ValueError: If the patient is not in this dataset.
        """
        return self.path(name).name

    def split(self, part: str) -> LGGDataset:
        """Return the dataset of one part of the project's split; see ``lgg_split``.

        Args:
            part: ``"train"``, ``"val"`` or ``"test"``.

        Raises:
            DataError: If none of the part's patients is there.
            ValueError: If there is no such part.

        Warns:
            UserWarning: If some of them are not there: figures are then not those of the part.
        """
        expected = lgg_split(part)
        present = tuple(name for name in self.patients if name in expected)
        lacking = [name for name in expected if name not in present]
        if not present:
            msg = f"{self.root}: holds none of the {len(expected)} {part} patients; expected {expected[0]} and others"
            raise DataError(msg)
        if lacking:
            text = (
                f"{self.root}: {len(lacking)} of the {len(expected)} {part} patients are not there, {lacking[0]} first"
            )
            warnings.warn(text, UserWarning, stacklevel=2)
        return self._restricted(present, expected)

    def subset(self, patients: Iterable[str]) -> LGGDataset:
        """Return the dataset of some of the patients, such as a fold's.

        Raises:
            ValueError: If one is not in this dataset, or there are none.
        """
        chosen = tuple(sorted(set(patients)))
        if not chosen:
            msg = wrong("patients", "at least one name", "none")
            raise ValueError(msg)
        for name in chosen:
            self.path(name)
        return self._restricted(chosen, chosen)

    def path(self, name: str) -> Path:
        """Return a patient's folder.

        Raises:
            ValueError: If the patient is not in this dataset.
        """
        if name not in self:
            msg = wrong(
                "name", f"one of the {len(self)} patients of this dataset, {self.patients[0]} first", repr(name)
            )
            raise ValueError(msg)
        return self.root / name

    def case(self, name: str) -> Case:
        """Return where a patient's study is; as stored, with copies of the FLAIR in place of what was not taken.

        Raises:
            ValueError: If the patient is not in this dataset.
        """
        return Case(name, name, self.path(name))

    def study(self, name: str) -> Study:
        """Read a patient's study.

        Where a sequence was not taken, the dataset holds a copy of the FLAIR in its place. Such copies are left out of the
        study, so that it states what was imaged; ``Preprocessing`` fills them in again, with the same result.

        Args:
            name: The patient's folder.

        Raises:
            DataError: If the folder can't be read as a study; the message names the file.
            ValueError: If the patient is not in this dataset.
        """
        study = read_study(self.path(name))
        flair = study.sequence("flair")
        kept = [each for each in study.sequences if each == "flair" or not np.array_equal(study.sequence(each), flair)]
        if len(kept) == len(study.sequences):
            return study
        return study.with_sequences(kept)

    def absent_sequences(self, name: str) -> tuple[str, ...]:
        """Name the sequences that a patient lacks: those whose every voxel is the FLAIR's, or that aren't stored.

        The pixels decide. The dataset's own README says post-contrast is missing for nine patients and pre-contrast for six;
        in its files it is both for six patients and post-contrast alone for four.

        Raises:
            DataError: If the folder can't be read as a study; the message names the file.
            ValueError: If the patient is not in this dataset.
        """
        present = self.study(name).sequences
        return tuple(sequence for sequence in SEQUENCES if sequence not in present)

    def institution(self, name: str) -> str:
        """Return where a patient was imaged, a code of two letters: CS, DU, EZ, FG or HT.

        Raises:
            ValueError: If the patient is not in this dataset.
        """
        return self.path(name).name.split("_")[1]

    @property
    def institutions(self) -> dict[str, str]:
        """Institution of every patient, as ``evaluate`` and ``stratified_folds`` take them."""
        return {name: self.institution(name) for name in self.patients}

    @property
    def table(self) -> pd.DataFrame:
        """The clinical and genomic table, one row a patient of this dataset, columns as published, unknown values NaN.

        The index is the name of the patient's folder, and so joins the table of an evaluation. Rows are found by the TCGA
        identifier, the first three parts of that name; a patient without a row has one of NaN.

        Raises:
            DataError: If ``data.csv`` can't be read, or names a patient twice.
        """
        index = pd.Index(self.patients, name="name")
        return self._published().reindex(index.map(_identifier)).set_axis(index)

    def problems(self) -> list[str]:
        """Read every study, and say in one line each what is missing or odd; an empty list if nothing is.

        Named are patients of the split that are not there, patients who don't belong to it or are not in the table, and for
        each patient: what keeps the study from being read (the first such thing), missing slices, missing masks, a mask
        without any tumour, images that are not 256 x 256, and slices of another patient.
        """
        known = {name for part in PARTS for name in lgg_split(part)}
        lines = [f"{self.root / name}: is not there" for name in sorted(set(self._expected) - set(self.patients))]
        lines += [f"{self.root / name}: is not a patient of the split" for name in self.patients if name not in known]
        try:
            listed = set(self._published().index)
            rowless = [name for name in self.patients if _identifier(name) not in listed]
            lines += [f"{self.root / name}: has no row {_identifier(name)} in data.csv" for name in rowless]
        except DataError as error:
            lines.append(str(error))
        return lines + [line for name in self.patients for line in _problems(self.root / name)]

    def __repr__(self) -> str:
        return f"LGGDataset {str(self.root)!r}: {len(self)} patient{'s' if len(self) > 1 else ''}"

    def _restricted(self, patients: tuple[str, ...], expected: tuple[str, ...]) -> LGGDataset:
        dataset = copy(self)
        dataset._names, dataset._expected = patients, expected
        return dataset

    def _published(self) -> pd.DataFrame:
        """Return the whole table, one row a TCGA identifier."""
        file = self.root / "data.csv"
        try:
            published = pd.read_csv(file, index_col="Patient")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
            msg = f"{file}: can't be read ({reason}); expected a table with a column Patient"
            raise DataError(msg) from error
        twice = published.index[published.index.duplicated()]
        if len(twice):
            msg = f"{file}: has {twice[0]} twice; expected one row a patient"
            raise DataError(msg)
        return published


def is_lgg(root: Path) -> bool:
    """Tell whether a folder is the LGG dataset's: with its table, and with patients of its names."""
    return (root / "data.csv").is_file() and any(_PATIENT.fullmatch(path.name) for path in root.iterdir())


def _identifier(name: str) -> str:
    """Return the TCGA identifier of a patient's folder."""
    return "_".join(name.split("_")[:3])


def _problems(folder: Path) -> list[str]:
    """Say what is wrong with one patient's folder."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            study = read_study(folder)
        except DataError as error:
            return [str(error)]
    lines = [str(warning.message) for warning in caught]
    names = study.slice_names or ()
    foreign = [name for name in names if not re.fullmatch(rf"{re.escape(folder.name)}_\d+", name)]
    if foreign:
        lines.append(f"{folder}: holds {foreign[0]}; expected slices named {folder.name}_<number>")
    elif int(names[0].rpartition("_")[2]) != 1:
        lines.append(f"{folder}: starts with {names[0]}; expected {folder.name}_1")
    _, height, width = study.shape
    if (height, width) != (_SIDE, _SIDE):
        lines.append(f"{folder}: has slices of {height} x {width} pixels; expected {_SIDE} x {_SIDE}")
    if study.mask is None:
        lines.append(f"{folder}: has no masks; expected <slice>_mask.tif beside every slice")
    elif not study.mask.any():
        lines.append(f"{folder}: has masks without any tumour; every patient of the dataset has one")
    return lines
