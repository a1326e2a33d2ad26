"""DICOM Segmentation: the mask as an object of the examination itself, which archives and viewers know; written and read."""

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
from braintumorseg.study import TUMOR, Classes, DicomSource, Geometry, Segmentation, Study, as_classes

pydicom = lazy("pydicom")
highdicom = lazy("highdicom")

_LABEL = "Tumour (FLAIR abnormality)"
# Names of classes that have a code of SNOMED CT; all others are neoplasms.
_TYPES = {"necrosis": "Necrosis", "necrotic core": "Necrosis", "edema": "Edema", "oedema": "Edema", "cyst": "Cyst"}


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
            numbers = np.zeros(256, np.uint8)
            numbers[[each.value for each in segmentation.classes]] = np.arange(1, len(segmentation.classes) + 1)
            labels = geometry.to_file(numbers[segmentation.labels]).transpose(2, 1, 0)
            result, notes = _segmentation_object(
                labels, segmentation.classes, geometry, geometry.dicom, segmentation.name
            )
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
    labels: NDArray[np.uint8], classes: Classes, geometry: Geometry, source: DicomSource, name: str
) -> tuple[Any, list[str]]:
    """Build the object from a label map ``(slice, row, column)`` as the source's images lie; and say what is not as in them.

    The labels are the numbers of the classes from 1.
    """
    images = [pydicom.dcmread(BytesIO(instance)) for instance in source.instances]
    emptied, notes = clean(images, float(np.linalg.norm(geometry.file_affine[:3, 2])))
    patient_name = images[0].PatientName
    images[0].PatientName = ""  # highdicom prints names of one part
    frames: dict[tuple[int, int], Any] = {
        place: labels[number] for number, place in enumerate(source.frames) if place is not None
    }
    if any("NumberOfFrames" in image for image in images):
        # One multi-frame image: the mask's frames follow its own, those that are no part of the volume are empty.
        if len(images) > 1:
            msg = f"{name}: its FLAIR is spread over {len(images)} multi-frame images; expected 1 for DICOM SEG"
            raise DataError(msg)
        empty = np.zeros(labels.shape[1:], np.uint8)
        planes = [frames.get((0, index), empty) for index in range(int(images[0].NumberOfFrames))]
    else:
        planes = [frames[index, 0] for index in range(len(images))]
    codes = pydicom.sr.codedict.codes
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=SOFTWARE, version=__version__, family=codes.DCM.ArtificialIntelligence
    )
    segments = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=_LABEL if classes == TUMOR else each.name,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=getattr(codes.SCT, _TYPES.get(each.name.lower(), "Neoplasm")),
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, each in enumerate(classes, start=1)
    ]
    result = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=np.stack(planes).astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
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


def read_file(path: Path, study: Study, classes: Classes | None = None, *, nested: bool = False) -> Segmentation:
    """Read a DICOM SEG that refers to the images of a study's FLAIR; see ``read_segmentation``.

    Raises:
        DataError: If it can't be read, refers to other images, has segments that overlap, or as many as no classes.
    """
    try:
        require("highdicom", "dicom")
    except ImportError as error:
        msg = f"{path}: is DICOM; {error}"
        raise DataError(msg) from error
    geometry = study.geometry
    if geometry is None or geometry.dicom is None:
        msg = f"{path}: is a DICOM SEG, and {study.name} does not come from DICOM; expected .nii.gz"
        raise DataError(msg)
    try:
        with pydicom.config.disable_value_validation(), warnings.catch_warnings(action="ignore"):
            seg = highdicom.seg.segread(path)
            names = [str(seg.get_segment_description(number).SegmentLabel) for number in seg.segment_numbers]
            planes = _planes(seg, geometry.dicom)
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror or error})"
        raise DataError(msg) from error
    except (
        Exception
    ) as error:  # damaged bytes, or other images: highdicom raises anything, and a value might tell a name
        msg = f"{path}: is no DICOM SEG of the images of {study.name}, with segments that lie apart ({type(error).__name__})"
        raise DataError(msg) from error
    known = classes or (TUMOR if len(names) == 1 else as_classes(names))
    if len(known) != len(names):
        msg = f"{path}: has {len(names)} segments ({', '.join(names)}); expected {len(known)}, as classes= says"
        raise DataError(msg)
    values = np.array([0, *(each.value for each in known)], np.uint8)
    stored = np.zeros(geometry.file_shape[::-1], np.uint8)
    for number, place in enumerate(geometry.dicom.frames):
        if place is not None:
            stored[number] = values[planes[place]]
    labels = geometry.to_volume(stored.transpose(2, 1, 0))
    return Segmentation(
        labels=labels,
        classes=known,
        nested=nested,
        spacing=study.spacing,
        name=study.name,
        geometry=geometry,
        slice_names=study.slice_names,
        notes=study.notes,
    )


def _planes(seg: Any, source: DicomSource) -> dict[tuple[int, int], NDArray[np.uint8]]:
    """Return the segments' numbers ``(row, column)`` for each instance and frame of the images."""
    options = {"combine_segments": True, "ignore_spatial_locations": True, "assert_missing_frames_are_empty": True}
    images = [pydicom.dcmread(BytesIO(instance), stop_before_pixels=True) for instance in source.instances]
    if any("NumberOfFrames" in image for image in images):
        frames = sorted(place[1] for place in source.frames if place is not None)
        found = seg.get_pixels_by_source_frame(
            images[0].SOPInstanceUID, source_frame_numbers=[frame + 1 for frame in frames], **options
        )
        return {(0, frame): plane for frame, plane in zip(frames, found, strict=True)}
    found = seg.get_pixels_by_source_instance([image.SOPInstanceUID for image in images], **options)
    return {(index, 0): plane for index, plane in enumerate(found)}
