"""Studies with masks that ``--data`` names: any layout of datasets, a part of it, and its two sides for training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

import braintumorseg as bts
from braintumorseg._core.choices import Part
from braintumorseg.cli._console import USAGE, complain, fail, inform
from braintumorseg.cli._places import lgg_part

if TYPE_CHECKING:
    from braintumorseg.datasets import Dataset

SPLIT_FILE = "split.json"
_SHARE = 0.2  # of the patients, to validate on
_SHOWN = 12

Data = Annotated[
    Path,
    typer.Option(
        help="Studies with masks: the LGG dataset's folder, BraTS, BIDS, nnU-Net, Decathlon, any other folder, or a CSV."
    ),
]
SplitFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Patients by part (train, val, test), as JSON.")]
Stratify = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Spread the values of this column of the clinical table evenly.")
]


class Sides(NamedTuple):
    """Whom a model is trained on, and whom it is validated on; ``None`` for nobody. ``file`` is the split, if there is one."""

    training: Dataset
    validation: Dataset | None
    file: Path | None = None


def open_data(data: Path, option: str = "--data") -> Dataset:
    """Open a folder of studies, or a CSV that lists them, in its layout."""
    if not data.is_dir() and not (data.is_file() and data.suffix.lower() in (".csv", ".tsv")):
        fail(f"{option} {data}: is not a folder, nor a CSV that lists studies", USAGE)
    return bts.datasets.open_dataset(data)


def tell(dataset: Dataset) -> None:
    """Say which layout was recognised, with counts, and what was left out."""
    inform(f"data: {dataset.root} is {dataset.describe()}")
    for note in getattr(dataset, "notes", ()):
        complain(f"{dataset.root}: {note}", "warning")


def choose_part(dataset: Dataset, split: Part | None, split_file: Path | None, default: Part | None) -> Dataset:
    """Return a part of a dataset, with a mask for every study: of a split file, or of the LGG dataset's split.

    Args:
        dataset: The dataset.
        split: The part that was asked for.
        split_file: A file of parts.
        default: The part of the LGG dataset if none was asked for; ``None`` for all.
    """
    chosen = dataset
    if split_file is not None:
        chosen = _part(dataset, bts.datasets.read_split(split_file, dataset), split or "val", split_file)
    elif isinstance(dataset, bts.LGGDataset):
        part = split or default
        chosen = lgg_part(dataset, part) if part else dataset
    elif split is not None:
        fail(f"--split {split}: is a part of the LGG dataset, or of --split-file; {dataset.root} has no split", USAGE)
    chosen.check_masks()
    return chosen


def choose_sides(
    dataset: Dataset,
    output: Path,
    *,
    validation: Dataset | None = None,
    split_file: Path | None = None,
    stratify: str | None = None,
) -> Sides:
    """Divide a dataset by patient, as the options say; a split that is made here is kept in the run's folder.

    Where nothing is said, the LGG dataset has its own split; of others a fifth of the patients validates, at least one.
    """
    if stratify is not None and stratify not in dataset.table:
        columns = ", ".join(map(str, dataset.table.columns)) or "none"
        fail(f"--stratify {stratify}: is not a column of the clinical table of {dataset.root} ({columns})", USAGE)
    if validation is not None:
        if split_file is not None:
            fail("--split-file: already says whom to validate on; leave out --validation", USAGE)
        return Sides(dataset, validation)
    kept = output / SPLIT_FILE
    if split_file is None and kept.is_file():
        split_file = kept  # the run goes on
    if split_file is not None:
        parts = bts.datasets.read_split(split_file, dataset)
    elif isinstance(dataset, bts.LGGDataset) and stratify is None:
        return Sides(lgg_part(dataset, "train"), lgg_part(dataset, "val"))
    else:
        parts = _divide(dataset, stratify)
    judges = _part(dataset, parts, "val", split_file) if parts.get("val") else None
    sides = Sides(_part(dataset, parts, "train", split_file), judges, kept)
    sides.training.check_masks()
    if split_file != kept:
        bts.datasets.write_split(parts, kept, overwrite=True)
    return sides


def tell_sides(sides: Sides) -> None:
    """Print whom a model is trained on, and whom it is validated on."""
    inform(f"train on: {_list(sides.training)}")
    if sides.validation is not None:
        inform(f"validate on: {_list(sides.validation)}")
    if sides.file is not None:
        inform(f"split: {sides.file}")


def _divide(dataset: Dataset, stratify: str | None) -> dict[str, tuple[str, ...]]:
    patients = len(dataset.patients)
    if patients == 1:
        return {"train": dataset.patients, "val": ()}
    share = max(_SHARE, 1 / patients)
    return bts.datasets.split_patients(dataset, {"train": 1 - share, "val": share}, stratify=stratify)


def _part(dataset: Dataset, parts: dict[str, tuple[str, ...]], part: str, file: Path | None) -> Dataset:
    if not parts.get(part):
        named = ", ".join(name for name, patients in parts.items() if patients)
        fail(f"--split-file {file}: has no patients of the part {part}; expected some, it has {named or 'none'}", USAGE)
    return dataset.subset(parts[part])


def _list(dataset: Dataset) -> str:
    names = dataset.patients
    others = f" and {len(names) - _SHOWN} others" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + others
