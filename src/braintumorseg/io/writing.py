"""Write what was found: one format a file, chosen here by what the path is."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import braintumorseg.io.dicom.seg as dicom_seg
import braintumorseg.io.images as images
import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.study import Segmentation

_WRITES = "a folder (no suffix), .tif, .png, .nii, .nii.gz or .dcm"


def write_segmentation(
    segmentation: Segmentation,
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    probabilities: bool = False,
    uncertainty: bool = False,
) -> Path:
    """Write a mask, in a format that follows from the path.

    * ``.nii`` or ``.nii.gz``: values 0 and 1, or those of the classes, on the study's own grid, with the header geometry of
      the file that the study came from. Of several classes, ``<name>_labels.tsv`` beside it has the names. Where no geometry
      is known, the header says so (code 0), and its unit is mm only if the spacing is known.
    * ``.dcm``: a DICOM segmentation (SEG) of a study that came from DICOM, which refers to the images of its FLAIR and carries
      their patient and examination; with a segment per class. Needs ``braintumorseg[dicom]``.
    * A path without suffix: a folder of ``<slice>_mask.tif`` with 0 and 255, as the LGG dataset publishes masks; of several
      classes, with their values.
    * ``.png`` or ``.tif``: one such image for a study of one slice; a TIFF of pages for more.

    Files appear whole or not at all.

    Args:
        segmentation: What to write.
        path: Where to.
        overwrite: Whether files there may be replaced.
        probabilities: Also write the probabilities, float32, to ``<name>_probabilities.nii.gz`` beside a NIfTI or DICOM mask,
            and those of each of several classes to ``<name>_probabilities_<class>.nii.gz``.
        uncertainty: Also write the uncertainty, float32, to ``<name>_uncertainty.nii.gz`` beside it.

    Returns:
        The path.

    Warns:
        UserWarning: If the headers of DICOM images lack what a DICOM SEG needs, or have it malformed. It is then left empty,
            or made up from the images' places, and each warning says which.

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
    if dicom_seg.is_dicom(path):
        return dicom_seg.write_file(
            segmentation, path, overwrite=overwrite, probabilities=probabilities, uncertainty=uncertainty
        )
    if probabilities or uncertainty:
        msg = (
            f"{path}: can't hold {'probabilities' if probabilities else 'uncertainty'}; expected .nii, .nii.gz or .dcm"
        )
        raise DataError(msg)
    if images.is_image(path):
        return images.write_file(segmentation, path, overwrite=overwrite)
    if path.suffix == "" or path.is_dir():
        return images.write_folder(segmentation, path, overwrite=overwrite)
    msg = f"{path}: unknown kind of file; expected {_WRITES}"
    raise DataError(msg)
