"""Splits of a dataset by patient, made, written as JSON and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import combinations
from os import PathLike
from pathlib import Path

from braintumorseg._core.checks import DataError, wrong
from braintumorseg._core.files import replacing
from braintumorseg.datasets.dataset import Dataset
from braintumorseg.datasets.splits import stratified_folds, stratified_split

Split = dict[str, tuple[str, ...]]
"""Patients by part."""


def split_patients(
    dataset: Dataset, shares: Mapping[str, float], *, stratify: str | None = None, seed: int = 0
) -> Split:
    """Divide the patients of a dataset into parts; all studies of a patient are on one side.

    Args:
        dataset: The dataset.
        shares: Share of each part by the part's name, each above 0, 1 together.
        stratify: A column of the clinical table whose values are spread over all parts, such as ``"institution"``.
        seed: Which of the many such splits.

    Returns:
        The sorted patients of each part, as ``dataset.subset`` takes them.

    Raises:
        ValueError: If the shares are not as stated, or the table has no such column.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from braintumorseg.datasets import open_dataset, split_patients, write_split
        >>> for name in "abcde":
        ...     Path(f"mine/{name}").mkdir(parents=True)
        ...     Image.new("L", (64, 64), 90).save(f"mine/{name}/{name}_1.png")
        ...     Image.new("L", (64, 64)).save(f"mine/{name}/{name}_1_mask.png")
        >>> dataset = open_dataset("mine")
        >>> parts = split_patients(dataset, {"train": 0.8, "val": 0.2})
        >>> {part: len(dataset.subset(patients)) for part, patients in parts.items()}
        {'train': 4, 'val': 1}
        >>> write_split(parts, "split.json").name
        'split.json'
    """
    return stratified_split(dataset.patients, patient_groups(dataset, stratify), shares, seed=seed)


def patient_groups(dataset: Dataset, column: str | None) -> dict[str, str]:
    """Return the group of each patient: the cell of the patient's first study, or one group of all without a column.

    Raises:
        ValueError: If the clinical table has no such column.
    """
    if column is None:
        return dict.fromkeys(dataset.patients, "all")
    return by_patient(dataset.groups(column), {name: dataset.patient(name) for name in dataset.names})


def by_patient(groups: Mapping[str, str], patients: Mapping[str, str]) -> dict[str, str]:
    """Return the group of each patient, that of the first study.

    Args:
        groups: Group of each study by its name.
        patients: Patient of each study by its name.
    """
    found: dict[str, str] = {}
    for name in sorted(patients):
        if name in groups:
            found.setdefault(patients[name], groups[name])
    return found


def folds_of_studies(
    patients: Mapping[str, str], groups: Mapping[str, str], folds: int, *, seed: int = 0
) -> tuple[tuple[str, ...], ...]:
    """Divide studies into folds, all studies of a patient into one; see ``stratified_folds``.

    Args:
        patients: Patient of each study by its name.
        groups: Group of each study by its name.
        folds: How many, at least 2 and at most as many as there are patients.
        seed: Which of the many such divisions.

    Raises:
        ValueError: If there are too few patients, or a study has no group.
    """
    divided = stratified_folds(set(patients.values()), by_patient(groups, patients), folds, seed=seed)
    return tuple(tuple(sorted(name for name in patients if patients[name] in fold)) for fold in divided)


def write_split(parts: Mapping[str, Iterable[str]], path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a split as JSON: patients by part.

    Raises:
        DataError: If the file exists and may not be replaced, can't be written, or a patient is in two parts.
    """
    path = Path(path)
    kept = {part: sorted(patients) for part, patients in parts.items()}
    _check_sides(path, kept)
    with replacing(path, overwrite=overwrite) as beside:
        beside.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return path


def read_split(path: str | PathLike[str], dataset: Dataset | None = None) -> Split:
    """Read a split, and check it against the data.

    Args:
        path: A JSON file: an object of lists of patients by part, such as ``{"train": ["a", "b"], "val": ["c"]}``. A part
            may have any name; one called ``"excluded"`` names the patients that are in no part of use.
        dataset: The dataset that it divides; without one, the split is not compared with any.

    Returns:
        The sorted patients of each part.

    Raises:
        DataError: If it can't be read or is no split, a patient is in two parts or twice in one, is not in the dataset, or
            is in the dataset and in no part.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror}); expected a split, as write_split writes it"
        raise DataError(msg) from error
    except ValueError as error:
        msg = f"{path}: is no JSON ({error})"
        raise DataError(msg) from error
    lists = isinstance(record, dict) and record and all(isinstance(each, list) for each in record.values())
    if not lists or not all(isinstance(name, str) for each in record.values() for name in each):
        msg = f"{path}: is no split; expected an object of lists of patients by part, such as train and val"
        raise DataError(msg)
    _check_sides(path, record)
    parts = {part: tuple(sorted(patients)) for part, patients in record.items()}
    if dataset is not None:
        _check_against(path, parts, dataset)
    return parts


def part_of(dataset: Dataset, parts: Mapping[str, Iterable[str]], part: str) -> Dataset:
    """Return the dataset of one part of a split.

    Raises:
        ValueError: If the split has no such part, or the part holds nobody.
    """
    if not parts.get(part):
        msg = wrong("part", f"a part of the split that holds patients ({', '.join(parts)})", repr(part))
        raise ValueError(msg)
    return dataset.subset(parts[part])


def _check_sides(path: Path, parts: Mapping[str, list[str]]) -> None:
    for part, patients in parts.items():
        twice = next((name for name in patients if patients.count(name) > 1), None)
        if twice is not None:
            msg = f"{path}: the patient {twice} is twice in {part}; expected every patient once"
            raise DataError(msg)
    for (first, some), (second, others) in combinations(parts.items(), 2):
        shared = sorted(set(some) & set(others))
        if shared:
            msg = f"{path}: the patient {shared[0]} is in {first} and in {second}; expected every patient on one side"
            raise DataError(msg)


def _check_against(path: Path, parts: Split, dataset: Dataset) -> None:
    named, there = {name for patients in parts.values() for name in patients}, set(dataset.patients)
    unknown, missing = sorted(named - there), sorted(there - named)
    if unknown:
        msg = f"{path}: the patient {unknown[0]} is not in {dataset.root}; expected its patients alone"
        raise DataError(msg)
    if missing:
        msg = f"{path}: the patient {missing[0]} of {dataset.root} is in no part; list it, if only as excluded"
        raise DataError(msg)
