"""A dataset of one's own: a folder of studies with masks in any known layout, or a table that lists them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from copy import copy
from os import PathLike
from pathlib import Path

import pandas as pd

from braintumorseg._core.checks import DataError, wrong
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.dataset import Dataset
from braintumorseg.datasets.layouts import bids, dataset_json, folder, listed
from braintumorseg.datasets.layouts.found import Found
from braintumorseg.datasets.lgg import LGGDataset, is_lgg

LAYOUTS = "the LGG dataset, BraTS, BIDS, nnU-Net, Medical Segmentation Decathlon, a CSV that lists paths, or studies"


class StudyDataset(Dataset):
    """Studies with masks in any known layout, and the clinical table that comes with them.

    | layout | studies | masks | clinical table |
    |---|---|---|---|
    | BraTS | ``BraTS*/*_flair.nii.gz``, ``-t2f``, ... | ``*_seg.nii.gz`` beside | |
    | BIDS | ``sub-*/[ses-*/]anat/*_FLAIR.nii.gz`` | ``derivatives/**/sub-*_mask.nii.gz``, ``*_dseg`` | ``participants.tsv`` |
    | nnU-Net | ``imagesTr/CASE_0000.nii.gz``, channels in ``dataset.json`` | ``labelsTr/CASE.nii.gz`` | |
    | Medical Segmentation Decathlon | 4-D files that ``dataset.json`` lists | listed with them | |
    | CSV | columns ``patient``, ``study``, ``flair``, ``t1``, ... | column ``mask`` | all other columns |
    | other folders | all that ``find_studies`` finds | as ``read_study`` reads them | |

    Sequences may have any name. A mask of several values is a label map, whose classes ``dataset.json`` names, or else its
    values do.

    Args:
        root: The folder, or the CSV (TSV) file.

    Attributes:
        root: That folder or file.
        layout: Name of its layout, such as ``"BIDS"``.
        labels: Value of each label in the masks, or the values of each region, by its name, as ``dataset.json`` states them.
        notes: Files that were left out, each with the reason.

    Raises:
        DataError: If there is no study, a file is missing or damaged, or two studies have one name; the message names the file.

    Examples:
        >>> import nibabel as nib
        >>> from pathlib import Path
        >>> from braintumorseg import make_study
        >>> from braintumorseg.datasets import StudyDataset
        >>> study = make_study(seed=0, shape=(4, 64, 64))
        >>> for name, array in (("flair", study.sequence("flair")), ("seg", study.mask.astype("uint8"))):
        ...     Path("data/BraTS20_001").mkdir(parents=True, exist_ok=True)
        ...     image = nib.Nifti1Image(study.geometry.to_file(array), study.geometry.file_affine)
        ...     nib.save(image, f"data/BraTS20_001/BraTS20_001_{name}.nii.gz")
        >>> dataset = StudyDataset("data")
        >>> dataset
        StudyDataset 'data': BraTS: 1 patient
        >>> dataset[0]
        Study 'BraTS20_001': 4 slices of 64x64, sequences flair, spacing 33 x 3.75 x 3.75 mm, mask of 192 voxels
    """

    labels: Mapping[str, int | tuple[int, ...]]
    notes: tuple[str, ...]

    def __init__(self, root: str | PathLike[str]) -> None:
        self.root = Path(root)
        found = _find(self.root)
        self.layout, self.labels, self.notes = found.layout, found.labels, found.notes
        self._cases = {case.name: case for case in found.cases}
        self._hint = found.expected_mask
        empty = pd.DataFrame(index=pd.Index(list(self._cases), name="name"))
        self._table = empty if found.table is None else found.table.reindex(empty.index)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the studies, sorted."""
        return tuple(self._cases)

    def case(self, name: str) -> Case:
        """Return where a study is.

        Raises:
            ValueError: If the study is not in this dataset.
        """
        return self._cases[self._checked(name)]

    @property
    def table(self) -> pd.DataFrame:
        """The clinical table, one row per study, indexed by the study's name; without columns where there is none.

        Studies of one patient share the patient's row, but for a CSV, which has one row per study.
        """
        return self._table.copy()

    def subset(self, patients: Iterable[str]) -> StudyDataset:
        """Return the dataset of some of the patients, with all studies of each.

        Raises:
            ValueError: If one is not in this dataset, or none is named.
        """
        chosen = set(patients)
        there = self.patients
        if not chosen:
            msg = wrong("patients", "at least one name", "none")
            raise ValueError(msg)
        unknown = sorted(chosen - set(there))
        if unknown:
            msg = wrong("patients", f"out of the {len(there)} of this dataset, {there[0]} first", repr(unknown[0]))
            raise ValueError(msg)
        dataset = copy(self)
        dataset._cases = {name: case for name, case in self._cases.items() if case.patient in chosen}
        dataset._table = self._table.loc[list(dataset._cases)]
        return dataset

    def problems(self) -> list[str]:
        """Read every study, and say in one line each what is missing or odd; an empty list if nothing is.

        Named are studies that can't be read (the first reason), warnings at reading, studies without a mask, and masks
        without any tumour.
        """
        return [line for case in self._cases.values() for line in _problems(case)]

    def _expected_mask(self) -> str:
        return self._hint


def open_dataset(root: str | PathLike[str]) -> Dataset:
    """Open a folder of studies with masks, or a CSV that lists them, in whichever layout it is.

    Args:
        root: The LGG dataset's folder, with ``data.csv``, or what ``StudyDataset`` takes.

    Returns:
        An ``LGGDataset``, or a ``StudyDataset``; ``describe()`` says which layout it is, with counts.

    Raises:
        DataError: If there is no study, a file is missing or damaged, or two studies have one name; the message names the file.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from braintumorseg.datasets import open_dataset
        >>> Path("mine/a").mkdir(parents=True)
        >>> Image.new("L", (64, 64), 90).save("mine/a/a_1.png")
        >>> Image.new("L", (64, 64)).save("mine/a/a_1_mask.png")
        >>> open_dataset("mine").describe()
        'folder of studies: 1 patient'
    """
    return LGGDataset(root) if is_lgg(Path(root)) else StudyDataset(root)


def _find(root: Path) -> Found:
    if not root.exists():
        msg = f"{root}: does not exist; expected {LAYOUTS}"
        raise DataError(msg)
    if listed.is_listed(root):
        return listed.find(root)
    if root.is_dir() and dataset_json.is_described(root):
        return dataset_json.find(root)
    if root.is_dir() and bids.is_bids(root):
        return bids.find(root)
    return folder.find(root)


def _problems(case: Case) -> list[str]:
    """Say what is wrong with one study."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            study = case.study()
        except DataError as error:
            return [str(error)]
    lines = [str(warning.message) for warning in caught]
    if study.mask is None:
        lines.append(f"{case.name}: has no mask")
    elif not study.mask.any():
        lines.append(f"{case.name}: has a mask without any tumour")
    return lines
