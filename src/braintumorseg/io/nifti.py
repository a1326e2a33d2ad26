"""NIfTI: one file of one or several sequences, or a folder of files that are named by what they hold."""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg._core.files import replacing
from braintumorseg._core.marks import Kind, kind_in, kind_of, mark
from braintumorseg._core.optional import lazy
from braintumorseg.io.grids.combining import Volume, combine
from braintumorseg.io.grids.orientation import is_usable, turned
from braintumorseg.io.label_table import compose_table, file_part, table_beside
from braintumorseg.io.names import is_mask, is_tumour_mask, meaning, stem
from braintumorseg.io.results import choose_mask, is_converted, is_label_map, is_result, kind_of_mask, shorten
from braintumorseg.io.undefined import fill_undefined
from braintumorseg.study import KNOWN, SEQUENCES, TUMOR, Classes, Geometry, Segmentation, Study

nib = lazy("nibabel")

_SUFFIXES = (".nii", ".nii.gz")
_LARGEST = 1 << 29  # values; a gigabyte of 16-bit integers, far above any study
_DEFLATE_RATIO = 1032  # the best that gzip's algorithm can do


def is_nifti(path: Path) -> bool:
    """Tell by the name whether this is a NIfTI file."""
    return path.name.lower().endswith(_SUFFIXES) and not path.name.startswith(".")


def read_file(path: Path, sequences: Sequence[str | None] | None, name: str | None) -> Study:
    """Read a 3-D or 4-D file; see ``read_study``."""
    return _study(path, *_load(path), sequences, name)


def _study(
    path: Path,
    data: NDArray[np.float32],
    geometry: Geometry,
    notes: tuple[str, ...],
    sequences: Sequence[str | None] | None,
    name: str | None,
) -> Study:
    """Make a study of values ``(i, j, k, sequences)``."""
    if sequences is None:
        sequences = _default_sequences(path, data.shape[3])
    if len(sequences) != data.shape[3]:
        named = ", ".join("none" if each is None else each for each in sequences)
        msg = f"{path}: has {data.shape[3]} sequence(s); expected {len(sequences)} for {named}"
        raise DataError(msg)
    kept = [index for index, each in enumerate(sequences) if each is not None]
    if len(kept) < len(sequences):
        data = data[..., kept]
    known = tuple(each for each in sequences if each is not None)
    volume = geometry.to_volume(data)
    covered = None
    if volume.dtype.kind == "f" and not np.isfinite(volume).all():
        volume, covered, told = _defined(path, volume, known)
        notes = (*notes, *told)
    return Study(volume, known, name=name or stem(path), geometry=geometry, notes=notes, covered=covered)


def _defined(
    path: Path, volume: NDArray[np.float32], sequences: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], list[str]]:
    """Return a volume ``(slices, height, width, sequences)`` that is finite, where it was, and notes of it."""
    filled = np.array(volume)
    covered = np.ones(volume.shape, bool)
    notes = []
    for channel, sequence in enumerate(sequences):
        filled[..., channel], known, told = fill_undefined(volume[..., channel], path)
        if known is not None:
            covered[..., channel] = known
        notes += [f"{sequence}: {note}" for note in told]
    return filled, covered, notes


def is_image(source: object) -> bool:
    """Tell whether this is an image of nibabel, which need not be installed, or imported, to be asked."""
    return hasattr(source, "affine") and hasattr(source, "dataobj") and hasattr(source, "header")


def refuse_result(path: Path) -> None:
    """Refuse what this package wrote where an image is asked for."""
    kind = kind_of(path)
    if kind is not None:
        raise DataError(_not_an_image(path, kind))


def _not_an_image(path: Path, kind: Kind) -> str:
    return (
        f"{path}: is a {kind} that braintumorseg wrote; expected an image of its study, or sequences= to read it as one"
    )


def study_of_image(image: Any, sequences: Sequence[str] | None = None) -> Study:
    """Make a study of an image that nibabel holds, with its affine; it is named by its file where it has one.

    Raises:
        DataError: If it is no volume of real numbers that lies in the world, has other sequences, or is a result.
    """
    file = image.get_filename()
    path = Path(file) if file else Path("image")
    kind = kind_in(image.header["descrip"].tobytes()) if isinstance(image.header, nib.Nifti1Header) else None
    if kind is not None and sequences is None:
        raise DataError(_not_an_image(path, kind))
    _check_values(path, image)
    try:
        data = _read_values(image)
    except Exception as error:  # the file that it reads from may be damaged, or gone
        msg = f"{path}: its values can't be read ({' '.join(str(error).split())})"
        raise DataError(msg) from error
    return _study(path, data, _geometry(path, image, data.shape[:3]), _notes(image), sequences, None)


def read_volume(path: Path) -> Volume:
    """Read one sequence."""
    data, geometry, notes = _load(path)
    if data.shape[3] != 1:
        msg = f"{path}: has {data.shape[3]} sequences; expected 1"
        raise DataError(msg)
    return Volume(geometry.to_volume(data[..., 0]), geometry, path, notes)


def read_folder(
    folder: Path,
    name: str,
    references: Sequence[str] = ("flair",),
    classes: Classes | None = None,
    *,
    align: bool,
    notes: Sequence[str] = (),
) -> Study:
    """Read a folder of files whose names say what they hold; see ``read_study``."""
    found: dict[str, Path] = {}
    owners: dict[str, Path] = {}
    files = named_files(folder)
    for path in files:
        meant = meaning(path)
        if meant is None:
            continue
        if meant.kind in found and meant.owner in owners:
            msg = f"{folder}: {found[meant.kind].name} and {path.name} look alike; name the files with flair=, t1= and t1ce="
            raise DataError(msg)
        if meant.owner or meant.kind != "seg":
            owners.setdefault(meant.owner, path)
        found[meant.kind] = path
    if len(owners) > 1:
        first, second, *_ = owners.values()
        msg = f"{folder}: mixes {first.name} and {second.name}; expected the files of one patient"
        raise DataError(msg)
    reference = next((each for each in references if each in found), None)
    if reference is None:
        missing = "FLAIR (such as *_flair.nii.gz, *-t2f.nii.gz or *_FLAIR.nii.gz)"
        wanted = missing if tuple(references) == ("flair",) else f"{' or '.join(references)} by its name"
        msg = (
            f"{folder}: holds no {wanted}; "
            f"found {shorten(files)}; name the files with flair=, t1= and t1ce= (CLI: --flair, --t1, --t1ce)"
        )
        raise DataError(msg)
    told = list(notes)
    if not is_label_map(found[reference]):  # a phantom may be, and then so are its other sequences
        labels = {kind: found.pop(kind) for kind in KNOWN if kind in found and is_label_map(found[kind])}
        told += [
            f"{path.name} left out: it holds labels, so it is a mask and not {kind}" for kind, path in labels.items()
        ]
    mask, about = choose_mask(found, files, reference)
    readers = {kind: partial(read_volume, path) for kind, path in found.items() if kind in KNOWN}
    drawn = partial(read_volume, mask) if mask else None
    return combine(readers, name, reference, align=align, mask=drawn, notes=[*told, *about], classes=classes)


def named_files(folder: Path) -> list[Path]:
    """Return a folder's NIfTI files that are no results, in the order of their names.

    A mask that this package wrote is one of them where its name says that it is the study's own, ``_seg``.
    """
    files = (path for path in folder.iterdir() if is_nifti(path) and path.is_file())
    return sorted(path for path in files if _kind_by_name(path) == "seg" or not is_result(path))


def _kind_by_name(path: Path) -> str | None:
    meant = meaning(path)
    return None if meant is None else meant.kind


def is_named_study(folder: Path) -> bool:
    """Tell by the names whether a folder's NIfTI files belong together, rather than each being a FLAIR on its own."""
    files = named_files(folder)
    kinds = [_kind_by_name(path) for path in files]
    if set(kinds) & {"t1", "t1ce", "t2"}:
        return True
    masked = "seg" in kinds or any(
        kind is None and is_tumour_mask(path) for kind, path in zip(kinds, files, strict=True)
    )
    return kinds.count("flair") == 1 and masked


def has_flair(folder: Path, *, converted: bool = True) -> bool:
    """Tell by the names whether a folder's NIfTI files make a study.

    Args:
        folder: The folder.
        converted: Whether files that dcm2niix made count too.
    """
    flairs = [path for path in named_files(folder) if _kind_by_name(path) == "flair"]
    return any(converted or not is_converted(path) for path in flairs)


def write_file(
    segmentation: Segmentation, path: Path, *, overwrite: bool, probabilities: bool, uncertainty: bool
) -> Path:
    """Write a mask and, if asked, the maps beside it; see ``write_segmentation``."""
    maps = maps_beside(segmentation, path, probabilities, uncertainty)
    labels, kind = segmentation.labels, kind_of_mask(segmentation)
    with ExitStack() as files:  # all files are complete before the first is put in its place
        save(segmentation, labels, files.enter_context(replacing(path, overwrite=overwrite)), kind)
        if segmentation.classes != TUMOR:
            table = files.enter_context(replacing(table_beside(path), overwrite=overwrite))
            table.write_text(compose_table(segmentation.classes), encoding="utf-8", newline="\n")
        for place, array in maps.items():
            save(segmentation, array, files.enter_context(replacing(place, overwrite=overwrite)), "map")
    return path


def maps_beside(
    segmentation: Segmentation, path: Path, probabilities: bool, uncertainty: bool
) -> dict[Path, NDArray[Any]]:
    """Return the maps that were asked for, by where they go beside a mask."""
    found = {}
    for name, wanted in (("probabilities", probabilities), ("uncertainty", uncertainty)):
        beside, array = path.with_name(f"{stem(path)}_{name}.nii.gz"), getattr(segmentation, name)
        if wanted and array is None:
            msg = f"{beside}: this segmentation has no {name} to write"
            raise DataError(msg)
        if wanted:
            found[beside] = array
    if probabilities and segmentation.class_probabilities is not None:
        for each, array in zip(segmentation.classes, np.moveaxis(segmentation.class_probabilities, -1, 0), strict=True):
            found[probabilities_beside(path, each.name)] = array
    return found


def probabilities_beside(path: Path, name: str) -> Path:
    """Return where the probabilities of one class lie beside a label map."""
    return path.with_name(f"{stem(path)}_probabilities_{file_part(name)}.nii.gz")


def save(segmentation: Segmentation, array: NDArray[Any], path: Path, kind: Kind) -> None:
    """Write an array ``(slices, height, width)`` of a segmentation where its study lies, with the mark of this package."""
    image = _as_image(segmentation, array)
    image.header["descrip"] = mark(kind).encode()
    nib.save(image, path)


def _load(path: Path) -> tuple[NDArray[np.float32], Geometry, tuple[str, ...]]:
    """Return the values ``(i, j, k, sequences)``, where they lie, and what a reader must know."""
    try:
        image = nib.load(path)
        size = _check_header(path, image)
        if path.name.lower().endswith(".gz"):
            image = type(image).from_bytes(_unzip(path, image.dataobj.offset + size))
        data = _read_values(image)
        return data, _geometry(path, image, data.shape[:3]), _notes(image)
    except (DataError, FileNotFoundError):
        raise
    except Exception as error:  # damaged bytes make decoders raise anything
        msg = f"{path}: is damaged, or not a NIfTI file ({' '.join(str(error).split())})"
        raise DataError(msg) from error


def _check_header(path: Path, image: Any) -> int:
    """Refuse what can't be used, or what the file can't hold, before memory is asked for; return the values' bytes."""
    if not isinstance(image, nib.Nifti1Image):
        msg = f"{path}: is a {type(image).__name__}; expected a single NIfTI file"
        raise DataError(msg)
    claimed = _check_values(path, image)
    held = path.stat().st_size * (_DEFLATE_RATIO if path.name.lower().endswith(".gz") else 1)
    if claimed > held:
        msg = (
            f"{path}: is truncated: its header claims {claimed} bytes of shape {image.shape}; the file can't hold them"
        )
        raise DataError(msg)
    return claimed


def _check_values(path: Path, image: Any) -> int:
    """Refuse values that are no volume of real numbers; return their bytes."""
    shape = tuple(int(length) for length in image.shape)
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        msg = f"{path}: has shape {shape}; expected 3 axes, or 4 with the sequences last, or 2 of one slice"
        raise DataError(msg)
    if image.get_data_dtype().kind not in "iuf":
        msg = f"{path}: holds {image.get_data_dtype()}; expected real numbers"
        raise DataError(msg)
    unit = image.header.get_xyzt_units()[0] if isinstance(image.header, nib.Nifti1Header) else "mm"
    if unit not in ("mm", "unknown"):
        msg = f"{path}: has lengths in {unit}; expected mm"
        raise DataError(msg)
    values = math.prod(shape)
    if values > _LARGEST:
        msg = f"{path}: claims {values} values of shape {shape}; expected at most {_LARGEST}"
        raise DataError(msg)
    claimed: int = values * image.get_data_dtype().itemsize
    return claimed


def _unzip(path: Path, size: int) -> bytes:
    """Return the first ``size`` bytes, and read on to the checksum at the end, which nibabel alone never reaches."""
    with gzip.open(path) as stream:
        content = stream.read(size)
        while stream.read(1 << 20):
            pass
    return content


def _read_values(image: Any) -> NDArray[np.float32]:
    """Return the values, scaled as the header says, of shape ``(i, j, k, sequences)``."""
    data = image.get_fdata(dtype=np.float32, caching="unchanged")
    if data.ndim == 2:  # one slice
        data = data[:, :, None]
    return np.asarray(data if data.ndim == 4 else data[..., None])


def _default_sequences(path: Path, count: int) -> tuple[str, ...]:
    if count not in (1, 3):
        msg = f"{path}: has {count} sequences; expected 1 (flair) or 3 (t1, flair, t1ce), or sequences= to say which"
        raise DataError(msg)
    if count == 3:
        return SEQUENCES
    meant = meaning(path)
    if is_mask(path) or (meant is not None and meant.kind not in KNOWN):
        called = "seg" if meant is None else meant.kind
        msg = f"{path}: is {called} by its name; expected one of {', '.join(KNOWN)}, or sequences= to say which"
        raise DataError(msg)
    return ("flair",) if meant is None else (meant.kind,)


def _geometry(path: Path, image: Any, shape: tuple[int, ...]) -> Geometry:
    affine = np.asarray(np.full((4, 4), np.nan) if image.affine is None else image.affine, np.float64)
    if not is_usable(affine):
        msg = f"{path}: its affine is singular or not finite; expected one that places voxels in mm"
        raise DataError(msg)
    first, second, third = shape
    header = bytes(image.header.binaryblock) if isinstance(image.header, nib.Nifti1Header) else None
    return turned(affine, (first, second, third), header=header)


def _notes(image: Any) -> tuple[str, ...]:
    if not isinstance(image.header, nib.Nifti1Header):
        return ()
    if image.header["sform_code"] == 0 and image.header["qform_code"] == 0:
        return ("states no orientation (sform and qform codes are 0); read as left, anterior, superior",)
    return ()


def _as_image(segmentation: Segmentation, array: NDArray[Any]) -> Any:
    """Lay an array ``(slices, height, width)`` into the file that the study came from, or into a plain new one."""
    geometry = segmentation.geometry
    if geometry is None:
        return _without_geometry(segmentation, array)
    header = _header(geometry.header)
    header.set_data_dtype(array.dtype)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0
    header["intent_code"] = 0
    for text in ("descrip", "aux_file", "intent_name"):  # scanners write names and dates there
        header[text] = b""
    # The header's own sform and qform codes stay: the affine is that of the file, to the last bit.
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    image = kind(geometry.to_file(array), geometry.file_affine, header)
    if geometry.header is None:
        image.set_sform(geometry.file_affine, "scanner")
        image.set_qform(geometry.file_affine, "scanner")
        image.header.set_xyzt_units("mm")
    return image


def _without_geometry(segmentation: Segmentation, array: NDArray[Any]) -> Any:
    """Lay it out as Analyze files do, to the left, anterior and superior: codes of 0 are taken so by nibabel and viewers."""
    slice_mm, row_mm, column_mm = segmentation.spacing or (1.0, 1.0, 1.0)
    header = nib.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape[::-1])
    header.set_zooms((column_mm, row_mm, slice_mm))
    header.set_xyzt_units("unknown" if segmentation.spacing is None else "mm")
    return nib.Nifti1Image(array[:, ::-1].transpose(2, 1, 0), None, header)


def _header(content: bytes | None) -> Any:
    if content is None:
        return nib.Nifti1Header()
    kind = nib.Nifti2Header if len(content) == nib.Nifti2Header.sizeof_hdr else nib.Nifti1Header
    return kind(content)
