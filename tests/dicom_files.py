"""Phantoms as DICOM: classic series and multi-frame images, with a patient whose name must not get out."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

NAME, NUMBER = "Doe^Jane", "P-4711"
DESCRIPTIONS = {"flair": "AX T2 FLAIR", "t1": "AX T1", "t1ce": "AX T1 +C"}


def uid(*parts):
    return generate_uid(entropy_srcs=[str(part) for part in parts])


def _base(storage, series, number, patient, examination):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = storage
    data.Modality, data.Manufacturer = "MR", "Nobody"
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = NAME, patient, "19700101", "F"
    data.StudyInstanceUID, data.StudyID = uid("study", examination), "1"
    data.StudyDate = data.SeriesDate = data.ContentDate = "20200101"
    data.StudyTime = data.SeriesTime = data.ContentTime = "120000"
    data.AccessionNumber = data.ReferringPhysicianName = ""
    data.SeriesInstanceUID, data.SeriesDescription, data.SeriesNumber = (
        uid("series", examination, number),
        series,
        number,
    )
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = uid("frame", examination), ""
    data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    data.add_new(0x00091001, "LO", f"private {NAME}")
    return data


def _pixels(data, pixels):
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelData = pixels.astype("<u2").tobytes()


def _lps(affine):
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _plane(affine):
    """Return orientation and pixel spacing (between rows, between columns) of slices ``array[k, row, column]``."""
    column, row = affine[:3, 0], affine[:3, 1]
    lengths = np.linalg.norm(column), np.linalg.norm(row)
    return [*(column / lengths[0]), *(row / lengths[1])], [lengths[1], lengths[0]]


def _numbers(values):
    return [f"{value:.9g}"[:16] for value in values]


def write_classic(folder, array, affine, series="AX FLAIR", number=1, *, patient=NUMBER, examination=1, seed=0, **tags):
    """Write slices ``array[k, row, column]``, whose voxel (column, row, k) lies at ``affine`` (RAS+), in shuffled names."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(seed).permutation(len(array))
    orientation, spacing = _plane(_lps(affine))
    paths = []
    for k, pixels in enumerate(array):
        data = _base(MRImageStorage, series, number, patient, examination)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid("image", examination, number, k)
        data.ScanningSequence, data.SequenceVariant, data.ScanOptions, data.MRAcquisitionType = "SE", "SK", "", "2D"
        data.EchoTime, data.RepetitionTime, data.EchoTrainLength = "90", "9000", 1
        data.InstanceNumber = int(names[k]) + 1
        data.ImagePositionPatient = _numbers((_lps(affine) @ [0, 0, k, 1])[:3])
        data.ImageOrientationPatient, data.PixelSpacing = _numbers(orientation), _numbers(spacing)
        data.SliceThickness = _numbers([np.linalg.norm(affine[:3, 2])])[0]
        data.RescaleSlope, data.RescaleIntercept = "2", "-10"
        _pixels(data, (np.asarray(pixels) + 10) / 2)
        for keyword, value in tags.items():
            setattr(data, keyword, value)
        paths.append(folder / f"{number:02}{names[k]:04}")
        data.save_as(paths[-1], enforce_file_format=True)
    return paths


def write_multiframe(path, array, affine, series="AX FLAIR", number=1, *, seed=0):
    """Write one Enhanced MR image whose frames come in a shuffled order."""
    order = np.random.default_rng(seed).permutation(len(array))
    orientation, spacing = _plane(_lps(affine))
    data = _base(EnhancedMRImageStorage, series, number, NUMBER, 1)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid("image", number)
    data.InstanceNumber, data.NumberOfFrames = 1, len(array)
    data.DimensionOrganizationSequence = Sequence([Dataset()])
    data.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid("dimensions")
    shared = Dataset()
    plane, measures, values = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = orientation
    measures.PixelSpacing, measures.SliceThickness = spacing, float(np.linalg.norm(affine[:3, 2]))
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 2, -10, "US"
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([plane]), Sequence([measures])
    shared.PixelValueTransformationSequence = Sequence([values])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for k in order:
        group, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = list((_lps(affine) @ [0, 0, k, 1])[:3])
        content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", int(k) + 1, [int(k) + 1]
        group.PlanePositionSequence, group.FrameContentSequence = Sequence([place]), Sequence([content])
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    _pixels(data, (np.asarray(array)[order] + 10) / 2)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path
