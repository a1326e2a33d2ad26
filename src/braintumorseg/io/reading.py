"""Read a study: one format a file, chosen here by what the path is."""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import braintumorseg.io.dicom.containers as containers
import braintumorseg.io.dicom.reader as dicom
import braintumorseg.io.images as images
import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError, wrong
from braintumorseg.io.grids.combining import Volume, combine
from braintumorseg.io.names import meaning, sequence_name, stem
from braintumorseg.io.results import is_result, masks_among, shorten
from braintumorseg.study import NAMES, Classes, Study, are_sequences, as_classes

READS = "a folder of .tif or .png slices, a .tif or .png image, a .nii or .nii.gz file, or a folder or .zip of DICOM"
_UNKNOWN = (".hdr", ".img", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".mnc")  # volumes by other software
_READS_ONE = "a .nii or .nii.gz file, or the folder or .zip of one DICOM series"


def read_study(
    path: str | PathLike[str] | None = None,
    *,
    flair: str | PathLike[str] | None = None,
    t1: str | PathLike[str] | None = None,
    t1ce: str | PathLike[str] | None = None,
    files: Mapping[str, str | PathLike[str]] | None = None,
    sequences: Sequence[str | None] | None = None,
    series: Mapping[str, str | int] | None = None,
    reference: str | Sequence[str] = "flair",
    classes: int | Sequence[str] | Mapping[str, int] | None = None,
    align: bool = True,
    name: str | None = None,
) -> Study:
    """Read one study.

    * A folder of slices as the LGG dataset publishes them: ``<patient>_<number>.tif`` (or ``.png``), in the order of their
      numbers, with 3 channels (t1, flair, t1ce) or 1 (flair); ``<patient>_<number>_mask.tif`` beside all or none of them.
    * One ``.tif`` or ``.png`` image: a single slice, or a TIFF of many pages; with ``<name>_mask`` beside it if there is one.
    * One NIfTI file: 3-D (one sequence, flair unless its name says another) or 4-D (3 sequences: t1, flair, t1ce).
    * A folder of NIfTI files whose names end as in BraTS (``_flair``, ``_t1``, ``_t1ce``; ``-t2f``, ``-t1n``, ``-t1c``) or in
      BIDS (``_FLAIR``, ``_T1w``, ``_ce-*_T1w``; the folder itself, or one with ``anat`` in it), or are plain ``flair``, ``t1``
      and ``t1ce``. ``_seg`` is a mask, true where it is above 0; without one, a single ``mask`` or ``..._tumour_mask`` is.
    * A folder, at any depth, or a ``.zip`` of DICOM series of one examination. Which series is the FLAIR, and which the T1
      before and after contrast, is read from its description, contrast agent and times. Needs ``braintumorseg[dicom]``.
    * Of several formats in one folder, DICOM is read before NIfTI, and NIfTI before images; what is left is noted. That holds
      for NIfTI files above folders of DICOM too, where dcm2niix made them.
    * What this package wrote is known by its content and is no image, whatever it is called: results may lie with a study.
    * ``flair=``, ``t1=`` and ``t1ce=``: one NIfTI file each, or the folder or zip of one DICOM series. ``files=`` takes those
      of any sequences, and a mask; with a folder as ``path``, patterns of the names in it.

    Volumes are turned so that slices run from inferior to superior, rows from anterior to posterior, and columns from the
    patient's right to left. The FLAIR is never resampled; the other sequences are brought onto its grid through the affines
    where they lie on another. Where the images show that the patient moved between two of them, that is undone first, and told.

    Args:
        path: What to read.
        flair: The FLAIR's file, where the study is not at one path.
        t1: The file of T1 before contrast.
        t1ce: The file of T1 after contrast.
        files: Files by sequence, such as ``{"flair": "a.nii.gz", "adc": "b.nii.gz"}``; ``"mask"`` is one of them where there is
            a mask. With ``path``, each is a pattern that one file in that folder matches, such as ``{"adc": "*_ADC.nii.gz"}``.
        sequences: Sequence of each channel of one file or folder of slices, in order, if it differs from the above; ``None``
            for a channel to leave out. Names of BraTS and BIDS, ``"pre"`` and ``"post"`` are accepted: see ``sequence_name``.
        series: DICOM series of each sequence, by number, description or UID, if it is not recognised.
        reference: The sequence on whose grid the study lies; of several, the first that the study has. Where this text says
            FLAIR, it is this one.
        classes: Names and values of the classes that a mask of several values holds, such as ``{"core": 1, "edema": 2}``. If
            not given, they are called by their values; a mask of 0 and one other value has one class.
        align: Whether sequences on other grids may be moved rigidly; without, they lie where their headers say.
        name: What to call the study; by default what ``study_name`` says.

    Returns:
        The study, its volume in the order (slice, row, column, sequence), values as stored.

    Raises:
        DataError: If the path does not exist, or what is there can't be read as a study; the message names the file.
        ValueError: If ``sequences``, ``files``, ``series`` or ``reference`` does not name sequences; if both a path and
            ``flair``, ``t1`` or ``t1ce`` are given.

    Warns:
        UserWarning: For each of the study's notes: numbers of slices that are missing (the slices are then read as if they were
            neighbours); a NIfTI file that states no orientation (its sform and qform codes are 0: it is then taken to lie as
            Analyze files do, to the left, anterior and superior); a sequence that covers a part of the FLAIR alone, or was
            moved; slices of a DICOM series that are missing or there twice, and several series that look like one sequence.

    Examples:
        >>> from PIL import Image
        >>> from braintumorseg import read_study
        >>> Image.new("RGB", (240, 256), "gray").save("case_1.png")
        >>> read_study("case_1.png")
        Study 'case_1': 1 slice of 256x240, sequences t1, flair, t1ce, spacing unknown, no mask
    """
    named = {key: file for key, file in (("flair", flair), ("t1", t1), ("t1ce", t1ce)) if file is not None}
    if (path is None) == (not named) and (path is not None or not files):
        msg = wrong("path", "given, or files by flair=, t1=, t1ce= or files=", "both" if named else "neither")
        raise ValueError(msg)
    chosen = None if sequences is None else _check_sequences(sequences)
    wanted = _by_sequence("series", series or {})
    references = (reference,) if isinstance(reference, str) else tuple(reference)
    if not are_sequences(references):
        raise ValueError(wrong("reference", NAMES, reference))
    options = _Options(chosen, wanted, align, name, references, None if classes is None else as_classes(classes))
    listed = _by_sequence("files", {**named, **(files or {})}, mask=True)
    place = Path(path if path is not None else listed.get(references[0], next(iter(listed.values()))))
    try:
        if path is not None and not listed:
            study = _read_path(place, options)
        elif path is not None:
            options = options._replace(name=options.name or study_name(place))
            study = _read_files({key: _match(place, str(each)) for key, each in listed.items()}, options)
        else:
            study = _read_files({key: Path(each) for key, each in listed.items()}, options)
    except DataError:
        raise
    except ValueError as error:  # what Study, Geometry and masks refuse: shapes, names, NaN
        msg = f"{place}: {error}"
        raise DataError(msg) from error
    except OSError as error:
        msg = f"{place}: can't be read ({error.strerror or error})"
        raise DataError(msg) from error
    for note in study.notes:
        warnings.warn(f"{place}: {note}", UserWarning, stacklevel=2)
    return study


def study_name(path: str | PathLike[str] | None = None, *, flair: str | PathLike[str] | None = None) -> str:
    """Tell what a study is called after where it is: what ``read_study`` calls it, and commands name their files.

    Args:
        path: A study, as ``read_study`` takes it; it need not exist.
        flair: The FLAIR's file, where the study is not at one path.

    Returns:
        The folder's name, or the file's without suffix. For BIDS, subject and session, as the files are named. For a FLAIR's
        file, what its name says before ``_flair``, or else the name of its folder.

    Raises:
        ValueError: If not exactly one of the two is given.

    Examples:
        >>> from braintumorseg.io import study_name
        >>> study_name("scans/case_7.nii.gz")
        'case_7'
        >>> study_name(flair="BraTS-GLI-00001-000/BraTS-GLI-00001-000-t2f.nii.gz")
        'BraTS-GLI-00001-000'
    """
    if (path is None) == (flair is None):
        msg = wrong("path", "given, or flair=", "both" if flair is not None else "neither")
        raise ValueError(msg)
    if flair is not None:
        flair = Path(flair)
        meant = meaning(flair) if nifti.is_nifti(flair) else None
        return stem(flair) if meant is None else meant.owner or flair.absolute().parent.name
    place = Path(path or ".")
    if not place.is_dir():
        return stem(place)
    owners = {meant.owner for meant in map(meaning, nifti.named_files(_anatomy(place))) if meant is not None}
    (owner,) = owners if len(owners) == 1 else ("",)
    return owner if owner.lower().startswith("sub-") else _folder_name(place.absolute())


def _folder_name(folder: Path) -> str:
    """Return the name of a folder, or of the subject and session whose images it holds."""
    if folder.name.lower() != "anat":
        return folder.name
    owner = folder.parent
    session = owner.name.lower().startswith("ses-") and owner.parent.name.lower().startswith("sub-")
    return f"{owner.parent.name}_{owner.name}" if session else owner.name


class _Options(NamedTuple):
    sequences: tuple[str | None, ...] | None
    series: Mapping[str, str | int]
    align: bool
    name: str | None
    references: tuple[str, ...]
    classes: Classes | None

    def first(self, found: Container[str]) -> str | None:
        """Return the first of the references that was found."""
        return next((each for each in self.references if each in found), None)


def _by_sequence(argument: str, given: Mapping[str, Any], *, mask: bool = False) -> dict[str, Any]:
    """Return a table by our names of sequences, and perhaps of a mask."""
    translated = {sequence_name(key): value for key, value in given.items()}
    named = [key for key in translated if not (mask and key == "mask")]
    if given and (not are_sequences(named) or len(translated) < len(given)):
        raise ValueError(wrong(argument, f"a table by {NAMES}", list(given)))
    return translated


def _match(folder: Path, pattern: str) -> Path:
    """Return the one file in a folder that a pattern means."""
    if not folder.is_dir():
        msg = f"{folder}: is no folder; expected one, for the patterns of files="
        raise DataError(msg)
    found = [each for each in sorted(folder.glob(pattern)) if not each.name.startswith(".")]
    if len(found) != 1:
        msg = f"{folder}: holds {len(found)} files {pattern}; expected 1{': ' + shorten(found) if found else ''}"
        raise DataError(msg)
    return found[0]


def _read_path(path: Path, options: _Options) -> Study:
    if not path.exists():
        msg = f"{path}: does not exist; expected {READS}"
        raise DataError(msg)
    sequences, name = options.sequences, options.name
    if options.series and not (containers.is_zip(path) or path.is_dir()):
        msg = f"{path}: holds no series; expected series= for DICOM alone"
        raise DataError(msg)
    if path.is_dir():
        return _read_folder(path, options)
    if containers.is_zip(path):
        _check_several(path, sequences)
        name = name or study_name(path)
        return dicom.read_study(path, options.series, name, align=options.align, references=options.references)
    if nifti.is_nifti(path):
        if sequences is None:
            nifti.refuse_result(path)
        return nifti.read_file(path, sequences, name)
    if images.is_image(path):
        if sequences is None:
            nifti.refuse_result(path)
        return images.read_file(path, _all_named(path, sequences), name, options.classes)
    msg = f"{path}: unknown kind of file; expected {READS}"
    raise DataError(msg)


def _read_folder(path: Path, options: _Options) -> Study:
    """Read the richest format that a folder holds: DICOM, or NIfTI, or slices; pictures beside them are left."""
    folder, name = _anatomy(path), options.name or study_name(path)
    volumes = nifti.named_files(folder)
    if path == folder and images.holds_slices(folder):  # masks of the slices, or of a DICOM series below
        drawn = masks_among(volumes)
        volumes = [each for each in volumes if each not in drawn]
    else:
        drawn = []
    scanned = dicom.holds_dicom_itself(folder, is_other)
    if not scanned and not nifti.has_flair(folder, converted=False):
        scanned = dicom.holds_dicom(path, is_other)
    if scanned:
        _check_several(path, options.sequences)
        notes = _left(folder, sorted([*volumes, *drawn]))
        return dicom.read_study(
            path, options.series, name, align=options.align, notes=notes, references=options.references
        )
    if volumes:
        _check_several(path, options.sequences)
        return nifti.read_folder(
            folder, name, options.references, options.classes, align=options.align, notes=_left(folder)
        )
    children = sorted(folder.iterdir())
    single = sum(map(images.is_image, children)) == 1
    below = [
        child
        for child in children
        if (child.is_dir() and (nifti.has_flair(child) or (single and images.holds_slices(child))))
        or (containers.is_zip(child) and dicom.holds_dicom(child))
    ]
    if below and any(map(images.is_image, children)):
        msg = f"{path}: holds pictures, and a study in {below[0].name}; expected the folder of one study"
        raise DataError(msg)
    unknown = [child for child in children if child.name.lower().endswith(_UNKNOWN)]
    notes = [f"{shorten(drawn)} left out: masks of slices are images beside them"] if drawn else []
    if unknown:
        notes.append(
            f"{shorten(unknown)} left out: of a format that is not read; the images beside it are taken as slices"
        )
    return images.read_folder(path, _all_named(path, options.sequences), name, notes, options.classes)


def is_other(path: Path) -> bool:
    """Tell by the name whether a file is one of those that need no look into it to be no DICOM file."""
    return nifti.is_nifti(path) or images.is_image(path) or containers.is_zip(path)


def _left(folder: Path, volumes: Sequence[Path] = ()) -> list[str]:
    """Note what lies beside a study and is no part of it, unless this package wrote it."""
    files = [*volumes, *(each for each in sorted(folder.iterdir()) if images.is_image(each) and not is_result(each))]
    if not files:
        return []
    why = "; DICOM is read before NIfTI" if volumes else ""
    return [f"{len(files)} {'file' if len(files) == 1 else 'files'} of other formats left out: {shorten(files)}{why}"]


def _read_files(files: dict[str, Path], options: _Options) -> Study:
    reference = options.first(files)
    if reference is None:
        first = "flair= too" if options.references == ("flair",) else f"{' or '.join(options.references)} too"
        what = "a FLAIR" if options.references == ("flair",) else " or ".join(options.references)
        msg = (
            f"{next(iter(files.values()))}: is given without {what}; expected {first}, on whose grid a study lies, "
            "or reference= to name another"
        )
        raise DataError(msg)
    readers = {key: partial(_read_volume, path) for key, path in files.items() if key != "mask"}
    name = options.name or study_name(flair=files[reference])
    mask = partial(nifti.read_volume, files["mask"]) if "mask" in files else None
    return combine(readers, name, reference, align=options.align, mask=mask, classes=options.classes)


def _read_volume(path: Path) -> Volume:
    if not path.exists():
        msg = f"{path}: does not exist; expected {_READS_ONE}"
        raise DataError(msg)
    if nifti.is_nifti(path):
        nifti.refuse_result(path)
        return nifti.read_volume(path)
    if path.is_dir() or containers.is_zip(path):
        return dicom.read_volume(path)
    msg = f"{path}: does not say where it lies in the world; expected {_READS_ONE}"
    raise DataError(msg)


def _check_several(path: Path, sequences: object) -> None:
    if sequences is not None:
        msg = f"{path}: holds several files; expected sequences= for a single one, or flair=, t1= and t1ce="
        raise DataError(msg)


def _anatomy(folder: Path) -> Path:
    """Return the folder of a BIDS subject or session that holds its images; any other is its own."""
    return folder / "anat" if (folder / "anat").is_dir() else folder


def _all_named(path: Path, sequences: tuple[str | None, ...] | None) -> tuple[str, ...] | None:
    if sequences is None:
        return None
    named = tuple(each for each in sequences if each is not None)
    if len(named) < len(sequences):
        msg = f"{path}: images have no channels to leave out; expected sequences= without None"
        raise DataError(msg)
    return named


def _check_sequences(sequences: Sequence[str | None]) -> tuple[str | None, ...]:
    if isinstance(sequences, str):
        msg = wrong("sequences", f"a list of {NAMES}", repr(sequences))
        raise ValueError(msg)
    translated = tuple(None if each is None else sequence_name(each) for each in sequences)
    named = [each for each in translated if each is not None]
    if not are_sequences(named):
        msg = wrong("sequences", NAMES, sequences)
        raise ValueError(msg)
    return translated
