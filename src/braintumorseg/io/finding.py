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
from braintumorseg.io.names import holds_masks
from braintumorseg.io.reading import READS, is_other
from braintumorseg.io.results import images_among, is_converted, is_result, masks_among


def find_studies(root: str | PathLike[str]) -> list[Path]:
    """Find everything below a folder that ``read_study`` takes.

    Args:
        root: A study, or a folder of studies at any depth: folders of numbered slices; folders of NIfTI files that are named
            by what they hold; other NIfTI files, one study each; folders and zips of DICOM, one examination each. Masks and
            other results, hidden files, and other kinds of files are passed over, and so is what dcm2niix made of the DICOM
            beside it. What this package wrote is known by its content, whatever its name.

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
        known = nifti.is_nifti(root) and not images_among([root])
        found = [root] if is_other(root) and not is_result(root) and not known else []
    else:
        try:
            scanned = dicom.find(root, is_other, lambda path: _may_be_study(path) and not is_converted(path))[0]
            found = [*_studies(root, set(scanned), set(), inside=False), *scanned]
        except OSError as error:
            msg = f"{error.filename}: can't be listed ({error.strerror})"
            raise DataError(msg) from error
    if not found:
        msg = f"{root}: holds no study; expected {READS}"
        raise DataError(msg)
    return found


def _studies(folder: Path, scanned: set[Path], seen: set[Path], *, inside: bool) -> Iterator[Path]:
    """Find what is no folder of DICOM; pictures beside NIfTI or DICOM, above or below it, are no slices of a study.

    Args:
        folder: Where to look.
        scanned: Folders and zips of DICOM.
        seen: Folders that were looked at.
        inside: Whether it lies in the folder of a study of NIfTI files.
    """
    place = folder.resolve()
    if place in seen:  # a link back
        return
    seen.add(place)
    children = [child for child in sorted(folder.iterdir(), key=_by_number) if not child.name.startswith(".")]
    within = any(folder.is_relative_to(each) for each in scanned)
    named = folder not in scanned and nifti.is_named_study(folder) and not (within and _is_all_converted(folder))
    volumes = [child for child in children if child.is_file() and _may_be_study(child)]
    volumes = [] if named or folder in scanned else images_among(volumes)
    own = [child for child in children if child.is_file() and images.is_slice(child) and not is_result(child)]
    if own:
        drawn = masks_among(volumes)
        volumes = [each for each in volumes if each not in drawn]
    if within:  # copies of the series that are read
        volumes = [each for each in volumes if not is_converted(each)]
    below: list[Path] = []
    for child in children:
        if child.is_dir():
            if not holds_masks(child):
                below += _studies(child, scanned, seen, inside=inside or named)
        elif containers.is_zip(child):
            if dicom.holds_dicom(child):
                below.append(child)
        elif child in volumes:
            below.append(child)
    medical = named or any(each.is_file() for each in below) or any(each.is_relative_to(folder) for each in scanned)
    medical = medical or any(nifti.is_named_study(each) for each in below if each.is_dir())
    pictured = inside or within or medical or (len(own) == 1 and any(each.is_dir() for each in below))
    if named or (own and not pictured):
        yield folder
    yield from below


def _may_be_study(path: Path) -> bool:
    return nifti.is_nifti(path) and not is_result(path)


def _is_all_converted(folder: Path) -> bool:
    return all(map(is_converted, nifti.named_files(folder)))


def _by_number(path: Path) -> list[str | int]:
    """Sort "p2" before "p10"."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
