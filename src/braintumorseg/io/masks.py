"""Read what was written of a segmentation, or drawn by a reader, back onto its study."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.io.names import stem
from braintumorseg.study import Segmentation, Study

_NEAR = 1e-2  # mm: how far affines of one grid may lie apart, as headers hold them in float32


def read_segmentation(path: str | PathLike[str], study: Study) -> Segmentation:
    """Read a NIfTI mask that lies on a study's own grid, with the maps that ``write_segmentation`` left beside it.

    Args:
        path: The mask; what is above 0 is tumour. Its probabilities and uncertainty are read where
            ``<name>_probabilities.nii.gz`` and ``<name>_uncertainty.nii.gz`` lie beside it.
        study: The study that it belongs to.

    Returns:
        The segmentation, on the study's grid.

    Raises:
        DataError: If a file can't be read, or lies on another grid than the study.

    Examples:
        >>> from braintumorseg import Segmentation, make_study, read_segmentation, write_segmentation
        >>> study = make_study(seed=0, shape=(4, 64, 64))
        >>> path = write_segmentation(Segmentation(study.mask, geometry=study.geometry), "mask.nii.gz")
        >>> bool((read_segmentation(path, study).mask == study.mask).all())
        True
    """
    path = Path(path)
    if not nifti.is_nifti(path):
        msg = f"{path}: is no mask that can be read; expected .nii or .nii.gz"
        raise DataError(msg)
    mask = _read(path, study) > 0
    besides = [path.with_name(f"{stem(path)}_{name}.nii.gz") for name in ("probabilities", "uncertainty")]
    probabilities, uncertainty = (_read(beside, study) if beside.is_file() else None for beside in besides)
    try:
        return Segmentation(
            mask,
            spacing=study.spacing,
            name=study.name,
            geometry=study.geometry,
            slice_names=study.slice_names,
            notes=study.notes,
            probabilities=probabilities,
            uncertainty=uncertainty,
        )
    except ValueError as error:  # a map outside 0 to 1
        msg = f"{path}: {error}"
        raise DataError(msg) from error


def _read(path: Path, study: Study) -> NDArray[np.float32]:
    """Read values ``(slices, height, width)`` of a file that lies as the study's own file does."""
    try:
        volume = nifti.read_volume(path)
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror or error})"
        raise DataError(msg) from error
    stored = volume.geometry.to_file(volume.array)
    geometry = study.geometry
    if geometry is None:  # laid out as ``write_segmentation`` does where there is no geometry
        values = stored.transpose(2, 1, 0)[:, ::-1]
        same = values.shape == study.shape
    else:
        near = np.allclose(volume.geometry.file_affine, geometry.file_affine, rtol=0, atol=_NEAR)
        same = stored.shape == geometry.file_shape and near
        values = geometry.to_volume(stored) if same else stored
    if not same:
        msg = f"{path}: lies on another grid than {study.name}; expected one of shape {study.shape}, voxel upon voxel"
        raise DataError(msg)
    return np.ascontiguousarray(values)
