"""Folders that are read and written, checked before the work."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import braintumorseg as bts
from braintumorseg._core import files as _files
from braintumorseg.cli._console import DATA, USAGE, complain, fail

if TYPE_CHECKING:
    from braintumorseg import LGGDataset
    from braintumorseg._core.choices import Part


def check_free(files: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse before the work what would be overwritten after it, and folders that can't be written to."""
    folders: dict[Path, None] = {}
    for file in files:
        try:
            _files.check_free(file, overwrite=overwrite)
        except bts.DataError as error:
            fail(str(error), USAGE)
        folders[file.parent] = None
    for folder in folders:
        check_writable(folder)


def check_writable(folder: Path) -> None:
    """Refuse a path that is no folder, or a folder without the right to write; an absent folder is not made yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        fail(f"{folder}: can't be written ({there} is no folder)", DATA)
    if not os.access(there, os.W_OK | os.X_OK):
        fail(f"{folder}: can't be written ({there} allows no writing)", DATA)


def check_folder(option: str, folder: Path) -> None:
    """Refuse a path that is not a folder."""
    if not folder.is_dir():
        fail(f"{option} {folder}: is not a folder", USAGE)


def is_lgg(data: Path) -> bool:
    """Tell whether a folder is the LGG dataset's."""
    return (data / "data.csv").is_file()


def open_lgg(data: Path) -> LGGDataset:
    """Open the LGG dataset, for what needs its genomics."""
    if not is_lgg(data):
        fail(f"--data {data}: holds no data.csv; expected the folder of the LGG dataset", USAGE)
    return bts.LGGDataset(data)


def lgg_part(dataset: LGGDataset, part: Part) -> LGGDataset:
    """Return a part of the dataset's split, with a line on standard error if patients of the part are absent."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        kept = dataset.split(part)
    for warning in caught:
        complain(str(warning.message), "warning")
    return kept
