"""NIfTI: one file of one or several sequences."""

from __future__ import annotations

import gzip
import math
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._checks import DataError
from braintumorseg._files import replacing
from braintumorseg._optional import lazy
from braintumorseg.study import SEQUENCES, Geometry, Segmentation, Study

nib = lazy("nibabel")

_SUFFIXES = (".nii", ".nii.gz")
_LARGEST = 1 << 29  # values; a gigabyte of 16-bit integers, far above any study
_DEFLATE_RATIO = 1032  # the best that gzip's algorithm can do
# Slices run inferior to superior (axis 2 of RAS+, along), rows anterior to posterior (axis 1, against), columns from
# the patient's right to left (axis 0, against): as the LGG dataset shows its slices.
_VOLUME_AXES = ((2, 1), (1, -1), (0, -1))


def is_nifti(path: Path) -> bool:
    """Tell by the name whether this is a NIfTI file."""
    return path.name.lower().endswith(_SUFFIXES)


def read_file(path: Path, sequences: tuple[str, ...] | None, name: str | None) -> Study:
    """Read a 3-D or 4-D file; see ``read_study``."""
    try:
        image = nib.load(path)
        size = _check_header(path, image)
        if path.name.lower().endswith(".gz"):
            image = type(image).from_bytes(_unzip(path, image.dataobj.offset + size))
        data = _read_values(image)
        geometry = _geometry(path, image, data.shape[:3])
    except DataError:
        raise
    except Exception as error:  # damaged bytes make decoders raise anything
        msg = f"{path}: is damaged, or not a NIfTI file ({' '.join(str(error).split())})"
        raise DataError(msg) from error
    if sequences is None:
        sequences = _default_sequences(path, data.shape[3])
    if len(sequences) != data.shape[3]:
        msg = f"{path}: has {data.shape[3]} sequence(s); expected {len(sequences)} for {', '.join(sequences)}"
        raise DataError(msg)
    return Study(geometry.to_volume(data), sequences, name=name or _stem(path), geometry=geometry)


def write_file(
    segmentation: Segmentation, path: Path, *, overwrite: bool, probabilities: bool, uncertainty: bool
) -> Path:
    """Write a mask and, if asked, the maps beside it; see ``write_segmentation``."""
    arrays: dict[Path, NDArray[Any]] = {path: segmentation.mask.astype(np.uint8)}
    for name, wanted in (("probabilities", probabilities), ("uncertainty", uncertainty)):
        beside, array = path.with_name(f"{_stem(path)}_{name}.nii.gz"), getattr(segmentation, name)
        if wanted and array is None:
            msg = f"{beside}: this segmentation has no {name} to write"
            raise DataError(msg)
        if wanted:
            arrays[beside] = array
    with ExitStack() as files:  # all files are complete before the first is put in its place
        for place, array in arrays.items():
            nib.save(_as_image(segmentation, array), files.enter_context(replacing(place, overwrite=overwrite)))
    return path


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".GZ")[: -len(".nii")]


def _check_header(path: Path, image: Any) -> int:
    """Refuse what can't be used, or what the file can't hold, before memory is asked for; return the values' bytes."""
    if not isinstance(image, nib.Nifti1Image):
        msg = f"{path}: is a {type(image).__name__}; expected a single NIfTI file"
        raise DataError(msg)
    shape = tuple(int(length) for length in image.shape)
    if len(shape) not in (3, 4) or min(shape) < 1:
        msg = f"{path}: has shape {shape}; expected 3 axes, or 4 with the sequences last"
        raise DataError(msg)
    if image.get_data_dtype().kind not in "iuf":
        msg = f"{path}: holds {image.get_data_dtype()}; expected real numbers"
        raise DataError(msg)
    unit = image.header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        msg = f"{path}: has lengths in {unit}; expected mm"
        raise DataError(msg)
    values = math.prod(shape)
    if values > _LARGEST:
        msg = f"{path}: claims {values} values of shape {shape}; expected at most {_LARGEST}"
        raise DataError(msg)
    claimed: int = values * image.get_data_dtype().itemsize
    held = path.stat().st_size * (_DEFLATE_RATIO if path.name.lower().endswith(".gz") else 1)
    if claimed > held:
        msg = f"{path}: is truncated: its header claims {claimed} bytes of shape {shape}; the file can't hold them"
        raise DataError(msg)
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
    return np.asarray(data if data.ndim == 4 else data[..., None])


def _default_sequences(path: Path, count: int) -> tuple[str, ...]:
    if count not in (1, 3):
        msg = f"{path}: has {count} sequences; expected 1 (flair) or 3 (pre, flair, post), or sequences= to say which"
        raise DataError(msg)
    return ("flair",) if count == 1 else SEQUENCES


def _geometry(path: Path, image: Any, shape: tuple[int, ...]) -> Geometry:
    affine = np.asarray(image.affine, np.float64)
    axes_mm = affine[:3, :3]
    if not np.isfinite(affine).all() or abs(np.linalg.det(axes_mm)) <= 1e-6 * np.prod(np.linalg.norm(axes_mm, axis=0)):
        msg = f"{path}: its affine is singular or not finite; expected one that places voxels in mm"
        raise DataError(msg)
    if image.header["sform_code"] == 0 and image.header["qform_code"] == 0:
        text = f"{path}: states no orientation (sform and qform codes are 0); read as left, anterior, superior"
        warnings.warn(text, UserWarning, stacklevel=4)
    orientation = nib.io_orientation(affine)
    axes, flips = [], []
    for world, direction in _VOLUME_AXES:
        axis = int(np.flatnonzero(orientation[:, 0] == world)[0])
        axes.append(axis)
        flips.append(bool(orientation[axis, 1] != direction))
    first, second, third = shape
    return Geometry(
        affine,
        (first, second, third),
        (axes[0], axes[1], axes[2]),
        (flips[0], flips[1], flips[2]),
        bytes(image.header.binaryblock),
    )


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
