"""Find studies below a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import braintumorseg.io.dicom.containers as containers
import braintumorseg.io.dicom.reader as dicom
import braintumorseg.io.images as images
import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.io.names import is_result
from braintumorseg.io.reading import READS


def find_studies(root: str | PathLike[str]) -> list[Path]:
    """Find everything below a folder that ``read_study`` takes.

    Args:
        root: A study, or a folder of studies at any depth: folders of numbered slices; folders of NIfTI files that are named
            by what they hold; other NIfTI files, one study each; folders and zips of DICOM, one examination each. Masks and
            other results, hidden files, and other kinds of files are passed over.

    Returns:
        Paths in the order of their names, numbers in them by value; the path itself if it is a study.

    Raises:
        DataError: If it does not exist, can't be listed, or there is no study.
    """
    root = Path(root)
    if not root.exists():
        msg = f"{root}: does not exist; expected a study or a folder of studies"
        raise DataError(msg)
    if root.is_file():
        found = [root] if _is_other(root) and not is_result(root) else []
    else:
        try:
            found = [*_studies(root, set()), *dicom.find(root, _is_other)[0]]
        except OSError as error:
            msg = f"{error.filename}: can't be listed ({error.strerror})"
            raise DataError(msg) from error
    if not found:
        msg = f"{root}: holds no study; expected {READS}"
        raise DataError(msg)
    return found


def _studies(folder: Path, seen: set[Path]) -> Iterator[Path]:
    place = folder.resolve()
    if place in seen:  # a link back
        return
    seen.add(place)
    children = [child for child in sorted(folder.iterdir(), key=_by_number) if not child.name.startswith(".")]
    sliced = any(child.is_file() and images.is_slice(child) for child in children)
    named = not sliced and nifti.is_named_study(folder)
    if sliced or named:
        yield folder
    for child in children:
        if child.is_dir():
            yield from _studies(child, seen)
        elif containers.is_zip(child):
            if dicom.holds_dicom(child):
                yield child
        elif not named and nifti.is_nifti(child) and not is_result(child):
            yield child


def _by_number(path: Path) -> list[str | int]:
    """Sort "p2" before "p10"."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def _is_other(path: Path) -> bool:
    """Tell by the name whether a file is one of those that need no look into it."""
    return nifti.is_nifti(path) or images.is_image(path) or containers.is_zip(path)
