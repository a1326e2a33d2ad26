"""DICOM Segmentation: the mask as an object of the examination itself, which archives and viewers know."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg._core.files import replacing
from braintumorseg._core.marks import SOFTWARE
from braintumorseg._core.optional import lazy, require
from braintumorseg._version import __version__
from braintumorseg.io.dicom.cleaning import clean
from braintumorseg.study import DicomSource, Geometry, Segmentation

pydicom = lazy("pydicom")
highdicom = lazy("highdicom")

_LABEL = "Tumour (FLAIR abnormality)"


def is_dicom(path: Path) -> bool:
    """Tell by the name whether this is a DICOM file."""
    return path.suffix.lower() == ".dcm"


def write_file(
    segmentation: Segmentation, path: Path, *, overwrite: bool, probabilities: bool, uncertainty: bool
) -> Path:
    """Write a mask as DICOM SEG that refers to the FLAIR's images; see ``write_segmentation``.

    Warns:
        UserWarning: For what the images' headers lack or have malformed: it is empty in the file, or new.
    """
    try:
        require("highdicom", "dicom")
    except ImportError as error:
        msg = f"{path}: is to be DICOM; {error}"
        raise DataError(msg) from error
    geometry = segmentation.geometry
    if geometry is None or geometry.dicom is None:
        msg = f"{path}: DICOM SEG refers to the images that it was drawn on, and this study is none of DICOM; expected .nii.gz"
        raise DataError(msg)
    try:
        with pydicom.config.disable_value_validation():  # the archive has taken these values before
            mask = geometry.to_file(segmentation.mask).transpose(2, 1, 0)
            result, notes = _segmentation_object(mask, geometry, geometry.dicom, segmentation.name)
    except DataError:
        raise
    except Exception as error:  # what highdicom needs of the images and does not find; a value might tell a name
        lacking = f": {error}" if isinstance(error, AttributeError) else ""
        msg = f"{path}: can't be made from the headers of the FLAIR's images ({type(error).__name__}{lacking})"
        raise DataError(msg) from error
    maps = nifti.maps_beside(segmentation, path, probabilities, uncertainty)
    with ExitStack() as files:  # all files are complete before the first is put in its place
        result.save_as(files.enter_context(replacing(path, overwrite=overwrite)))
        for place, array in maps.items():
            nifti.save(segmentation, array, files.enter_context(replacing(place, overwrite=overwrite)), "map")
    for note in notes:
        warnings.warn(f"{path}: {note}", UserWarning, stacklevel=3)
    return path


def _segmentation_object(
    mask: NDArray[np.bool_], geometry: Geometry, source: DicomSource, name: str
) -> tuple[Any, list[str]]:
    """Build the object from a mask ``(slice, row, column)`` as the source's images lie; and say what is not as in them."""
    images = [pydicom.dcmread(BytesIO(instance)) for instance in source.instances]
    emptied, notes = clean(images, float(np.linalg.norm(geometry.file_affine[:3, 2])))
    patient_name = images[0].PatientName
    images[0].PatientName = ""  # highdicom prints names of one part
    frames: dict[tuple[int, int], Any] = {
        place: mask[number] for number, place in enumerate(source.frames) if place is not None
    }
    if any("NumberOfFrames" in image for image in images):
        # One multi-frame image: the mask's frames follow its own, those that are no part of the volume are empty.
        if len(images) > 1:
            msg = f"{name}: its FLAIR is spread over {len(images)} multi-frame images; expected 1 for DICOM SEG"
            raise DataError(msg)
        empty = np.zeros(mask.shape[1:], bool)
        planes = [frames.get((0, index), empty) for index in range(int(images[0].NumberOfFrames))]
    else:
        planes = [frames[index, 0] for index in range(len(images))]
    codes = pydicom.sr.codedict.codes
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=SOFTWARE, version=__version__, family=codes.DCM.ArtificialIntelligence
    )
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=_LABEL,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    result = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=np.stack(planes).astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=highdicom.UID(),
        series_number=int(images[0].get("SeriesNumber") or 0) + 1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=SOFTWARE,
        manufacturer_model_name=SOFTWARE,
        software_versions=__version__,
        device_serial_number="none",
        series_description="Tumour segmentation, for research",
        content_description="Found by software, for research",
    )
    result.PatientName = patient_name
    malformed = sorted(keyword for keyword in emptied if keyword in result)
    if malformed:
        notes.append(
            f"{', '.join(malformed)} {'is' if len(malformed) == 1 else 'are'} malformed in its images: left empty"
        )
    return result, notes
