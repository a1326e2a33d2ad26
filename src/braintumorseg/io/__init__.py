"""Read studies and write segmentations: one format a file, chosen here by what the path is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

from braintumorseg._checks import DataError, wrong
from braintumorseg.io import images, nifti
from braintumorseg.study import SEQUENCES, Segmentation, Study

_READS = "a folder of .tif or .png slices, a .tif or .png image, or a .nii or .nii.gz file"
_WRITES = "a folder (no suffix), .tif, .png, .nii or .nii.gz"


def read_study(path: str | PathLike[str], *, sequences: Sequence[str] | None = None, name: str | None = None) -> Study:
    """Read one study.

    * A folder of slices as the LGG dataset publishes them: ``<patient>_<number>.tif`` (or ``.png``), in the order of their
      numbers, with 3 channels (pre, flair, post) or 1 (flair); ``<patient>_<number>_mask.tif`` beside all or none of them.
    * One ``.tif`` or ``.png`` image: a single slice, or a TIFF of many pages; with ``<name>_mask`` beside it if there is one.
    * One NIfTI file: 3-D (one sequence, flair) or 4-D (3 sequences: pre, flair, post). It is turned, never resampled, so that
      slices run from inferior to superior, rows from anterior to posterior, and columns from the patient's right to left.

    Args:
        path: What to read.
        sequences: What the channels hold, in order, where it is not as stated above.
        name: What to call the study; the file's or folder's name by default.

    Returns:
        The study, its volume in the order (slice, row, column, sequence), values as stored.

    Raises:
        DataError: If the path does not exist, or what is there can't be read as a study; the message names the file.
        ValueError: If ``sequences`` is not distinct names out of pre, flair and post.

    Warns:
        UserWarning: If numbers of slices are missing: the slices are then read as if they were neighbours. If a NIfTI file
            states no orientation (its sform and qform codes are 0): it is then taken to lie as Analyze files do, to the
            left, anterior and superior.

    Examples:
        >>> from PIL import Image
        >>> from braintumorseg import read_study
        >>> Image.new("RGB", (240, 256), "gray").save("case_1.png")
        >>> read_study("case_1.png")
        Study 'case_1': 1 slice of 256x240, sequences pre, flair, post, spacing unknown, no mask
    """
    path = Path(path)
    chosen = None if sequences is None else _check_sequences(sequences)
    try:
        if path.is_dir():
            return images.read_folder(path, chosen, name)
        if not path.exists():
            msg = f"{path}: does not exist; expected {_READS}"
            raise DataError(msg)
        if nifti.is_nifti(path):
            return nifti.read_file(path, chosen, name)
        if images.is_image(path):
            return images.read_file(path, chosen, name)
    except DataError:
        raise
    except ValueError as error:  # what Study, Geometry and masks refuse: shapes, names, NaN
        msg = f"{path}: {error}"
        raise DataError(msg) from error
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror or error})"
        raise DataError(msg) from error
    msg = f"{path}: unknown kind of file; expected {_READS}"
    raise DataError(msg)


def find_studies(root: str | PathLike[str]) -> list[Path]:
    """Find everything below a folder that ``read_study`` takes.

    Args:
        root: A study, or a folder of studies at any depth: folders of numbered slices, and NIfTI files. Masks and other
            results, hidden files, and other kinds of files are passed over.

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
        found = [root] if (nifti.is_nifti(root) or images.is_image(root)) and not _is_result(root) else []
    else:
        try:
            found = list(_studies(root, set()))
        except OSError as error:
            msg = f"{error.filename}: can't be listed ({error.strerror})"
            raise DataError(msg) from error
    if not found:
        msg = f"{root}: holds no study; expected {_READS}"
        raise DataError(msg)
    return found


def write_segmentation(
    segmentation: Segmentation,
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    probabilities: bool = False,
    uncertainty: bool = False,
) -> Path:
    """Write a mask, in a format that follows from the path.

    * ``.nii`` or ``.nii.gz``: values 0 and 1 on the study's own grid, with the header geometry of the file that the study
      came from. Where no geometry is known, the header says so (code 0), and its unit is mm only if the spacing is known.
    * A path without suffix: a folder of ``<slice>_mask.tif`` with 0 and 255, as the LGG dataset publishes masks.
    * ``.png`` or ``.tif``: one image with 0 and 255 for a study of one slice; a TIFF of pages for more.

    Files appear whole or not at all.

    Args:
        segmentation: What to write.
        path: Where to.
        overwrite: Whether files there may be replaced.
        probabilities: Also write the probabilities, float32, to ``<name>_probabilities.nii.gz`` beside a NIfTI mask.
        uncertainty: Also write the uncertainty, float32, to ``<name>_uncertainty.nii.gz`` beside a NIfTI mask.

    Returns:
        The path.

    Raises:
        DataError: If a file exists and may not be replaced, can't be written, or can't hold this segmentation.

    Examples:
        >>> from braintumorseg import Segmentation, make_study, write_segmentation
        >>> study = make_study(seed=0, shape=(4, 64, 64))
        >>> found = Segmentation(study.mask, geometry=study.geometry)
        >>> path = write_segmentation(found, "mask.nii.gz", overwrite=True)
    """
    path = Path(path)
    if nifti.is_nifti(path):
        return nifti.write_file(
            segmentation, path, overwrite=overwrite, probabilities=probabilities, uncertainty=uncertainty
        )
    if probabilities or uncertainty:
        msg = f"{path}: can't hold {'probabilities' if probabilities else 'uncertainty'}; expected .nii or .nii.gz"
        raise DataError(msg)
    if images.is_image(path):
        return images.write_file(segmentation, path, overwrite=overwrite)
    if path.suffix == "" or path.is_dir():
        return images.write_folder(segmentation, path, overwrite=overwrite)
    msg = f"{path}: unknown kind of file; expected {_WRITES}"
    raise DataError(msg)


def _check_sequences(sequences: Sequence[str]) -> tuple[str, ...]:
    names = tuple(sequences)
    if isinstance(sequences, str) or not names or len(set(names)) < len(names) or not set(names) <= set(SEQUENCES):
        msg = wrong("sequences", f"distinct names out of {', '.join(SEQUENCES)}", sequences)
        raise ValueError(msg)
    return names


def _studies(folder: Path, seen: set[Path]) -> Iterator[Path]:
    place = folder.resolve()
    if place in seen:  # a link back
        return
    seen.add(place)
    children = [child for child in sorted(folder.iterdir(), key=_by_number) if not child.name.startswith(".")]
    if any(child.is_file() and images.is_slice(child) for child in children):
        yield folder
    for child in children:
        if child.is_dir():
            yield from _studies(child, seen)
        elif nifti.is_nifti(child) and not _is_result(child):
            yield child


def _by_number(path: Path) -> list[str | int]:
    """Sort "p2" before "p10"."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def _is_result(path: Path) -> bool:
    """Tell masks and what else is written beside studies from studies."""
    return Path(path.name.removesuffix(".gz")).stem.endswith(("_mask", "_probabilities", "_uncertainty", "_overlay"))
