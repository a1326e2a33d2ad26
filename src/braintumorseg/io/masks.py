"""Read what was written of a segmentation, or drawn by a reader, back onto its study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import braintumorseg.io.dicom.seg as dicom_seg
import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.io.grids.combining import label_map
from braintumorseg.io.label_table import read_table, table_beside
from braintumorseg.io.names import stem
from braintumorseg.study import TUMOR, Segmentation, Study, TumorClass, as_classes, named_values

_NEAR = 1e-2  # mm: how far affines of one grid may lie apart, as headers hold them in float32


def read_segmentation(
    path: str | PathLike[str],
    study: Study,
    *,
    classes: int | Sequence[str | TumorClass] | Mapping[str, int] | None = None,
    nested: bool = False,
) -> Segmentation:
    """Read a mask or a label map that lies on a study's own grid, with the maps that ``write_segmentation`` left beside it.

    Args:
        path: NIfTI, where what is above 0 is tumour; its probabilities and uncertainty are read where
            ``<name>_probabilities.nii.gz`` and ``<name>_uncertainty.nii.gz`` lie beside it. Or a DICOM segmentation (SEG,
            ``.dcm``) of a study that came from DICOM; needs ``braintumorseg[dicom]``.
        study: The study that it belongs to.
        classes: The classes of a label map, in any form that ``as_classes`` takes. If not given, ``<name>_labels.tsv`` beside
            it names them, or else its values do; a DICOM SEG names its own.
        nested: Whether each class lies within the one before it.

    Returns:
        The segmentation, on the study's grid.

    Raises:
        DataError: If a file can't be read, lies on another grid than the study, or holds a label of no class.

    Examples:
        >>> from braintumorseg import Segmentation, make_study, read_segmentation, write_segmentation
        >>> study = make_study(seed=0, shape=(4, 64, 64))
        >>> path = write_segmentation(Segmentation(study.mask, geometry=study.geometry), "mask.nii.gz")
        >>> bool((read_segmentation(path, study).mask == study.mask).all())
        True
    """
    path = Path(path)
    if dicom_seg.is_dicom(path):
        return dicom_seg.read_file(path, study, None if classes is None else as_classes(classes), nested=nested)
    if not nifti.is_nifti(path):
        msg = f"{path}: is no mask that can be read; expected .nii, .nii.gz or a DICOM SEG (.dcm)"
        raise DataError(msg)
    values = _read(path, study)
    stated = None if classes is None else as_classes(classes)
    if stated is None and table_beside(path).is_file():
        stated = read_table(table_beside(path))
    labels = label_map(values, stated, path)
    known = stated or (TUMOR if labels is None else named_values([int(each) for each in np.unique(labels) if each]))
    maps = [nifti.probabilities_beside(path, each.name) for each in known] if len(known) > 1 else []
    of_classes = None
    if maps and all(each.is_file() for each in maps):
        of_classes = np.stack([_read(each, study) for each in maps], axis=-1)
    besides = [path.with_name(f"{stem(path)}_{name}.nii.gz") for name in ("probabilities", "uncertainty")]
    probabilities, uncertainty = (_read(beside, study) if beside.is_file() else None for beside in besides)
    try:
        return Segmentation(
            values > 0,
            labels=labels,  # type: ignore[arg-type]  # it follows from the mask of one class
            classes=known,
            nested=nested,
            class_probabilities=of_classes,
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
