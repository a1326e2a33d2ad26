"""Headers of images, made fit for the DICOM segmentation that carries their patient and examination.

Archives take objects with values that the standard does not allow; highdicom refuses to repeat them. So malformed values are
left empty, texts of all character sets become Unicode, and what is lacking in the world is taken from the images' places.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from braintumorseg._core.optional import lazy

pydicom = lazy("pydicom")

_UNICODE = "ISO_IR 192"
_GROUPS = (
    0x0008,
    0x0010,
    0x0012,
    0x0032,
    0x0038,
    0x0040,
)  # of patient and examination, and others that nobody asks for
# What every object of an examination has, if only empty, and what anonymised ones often lack.
_MAY_BE_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName", "PositionReferenceIndicator",
)  # fmt: skip
_ESCAPE = re.compile(r"\x1b[\x20-\x2f]+[\x40-\x7e]")
_SEXES = ("", "M", "F", "O")
_MOST_NAME_PARTS = 5  # family, given, middle name, prefix and suffix
_MOST_NAME_FORMS = 3  # alphabetic, ideographic, phonetic


def clean(images: Sequence[Any], thickness: float) -> tuple[set[str], list[str]]:
    """Make headers fit, in place.

    Args:
        images: Data sets of the images, of one series; patient and examination are those of the first.
        thickness: Distance of their slices in mm.

    Returns:
        Keywords of what was malformed and is empty now, and notes of what was made up.
    """
    first = images[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they would tell values, and most of them are the patient's
        emptied = set(_to_unicode(first))
        emptied |= set(_empty_malformed(first))
    for keyword in _MAY_BE_EMPTY:
        if keyword not in first:
            setattr(first, keyword, "")
    notes = [*_identify(images), *_place(images, thickness)]
    return emptied, notes


def _to_unicode(image: Any) -> Iterator[str]:
    """Turn texts of all character sets into Unicode; empty and tell those that can't be."""
    for tag in _tags(image):
        try:
            element = image[tag]
            pydicom.charset.decode_element(element, _character_set(image))
            if element.VR != "SQ" and "\x1b" in str(element.value):  # pydicom leaves those of ISO 2022 IR 58
                element.value = _ESCAPE.sub("", str(element.value))
            if "\ufffd" in str(element.value):
                msg = "not of this character set"
                raise ValueError(msg)
        except Exception:  # bytes of another character set make decoders raise anything
            yield _empty(image, tag)
    for each in (image, *_nested(image)):
        each.pop("SpecificCharacterSet", None)
    image.SpecificCharacterSet = _UNICODE


def _character_set(image: Any) -> Any:
    """Return the character set that an image states, as pydicom knows it; empty ones are the default."""
    stated = image.get("SpecificCharacterSet") or "ISO_IR 6"
    return [stated] if isinstance(stated, str) else list(stated)


def _empty_malformed(image: Any) -> Iterator[str]:
    for tag in _tags(image):
        try:
            _check(image[tag])
        except Exception:  # values are converted where they are used, and damaged ones raise anything
            yield _empty(image, tag)


def _check(element: Any) -> None:
    """Raise an error if a value is none that the standard allows."""
    if element.VR == "SQ":
        for item in element.value:
            for each in item:
                _check(each)
        return
    values = element.value if element.VM > 1 else [element.value]
    for value in values:
        text = str(value or "")
        if element.keyword == "PatientSex" and text not in _SEXES:
            msg = "no sex that the standard knows"
            raise ValueError(msg)
        if element.VR == "PN":
            forms = text.split("=")
            if len(forms) > _MOST_NAME_FORMS or any(form.count("^") >= _MOST_NAME_PARTS for form in forms):
                msg = "too many parts"
                raise ValueError(msg)
        if text and element.VR != "UI":  # identifiers are those of the images, whatever they are
            plain = text if isinstance(value, str) or element.VR in ("PN", "DA", "TM", "DT", "DS", "IS") else value
            pydicom.valuerep.validate_value(element.VR, plain, pydicom.config.RAISE)
            kind = {"DA": pydicom.valuerep.DA, "TM": pydicom.valuerep.TM, "DT": pydicom.valuerep.DT}.get(element.VR)
            if kind is not None:
                kind(text)  # there may be no such day


def _tags(image: Any) -> list[Any]:
    return [tag for tag in image.keys() if tag.group in _GROUPS]  # noqa: SIM118 - iterating would decode


def _nested(image: Any) -> Iterator[Any]:
    for tag in _tags(image):
        if image[tag].VR == "SQ":
            for item in image[tag].value:
                yield item
                yield from _nested(item)


def _empty(image: Any, tag: Any) -> str:
    keyword: str = pydicom.datadict.keyword_for_tag(tag)
    kind = pydicom.datadict.dictionary_VR(tag) if keyword else "LO"
    image.add_new(tag, kind, [] if kind == "SQ" else None)
    return keyword


def _identify(images: Sequence[Any]) -> Iterator[str]:
    """Give identifiers to images that lack their own."""
    first = images[0]
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        stated = next((uid for uid in (str(image.get(keyword) or "") for image in images) if uid), "")
        if not stated:
            made_from = [keyword, *(str(first.get(each) or "") for each in ("StudyInstanceUID", "SeriesInstanceUID"))]
            stated = pydicom.uid.generate_uid(entropy_srcs=made_from)
            yield f"its images have no {keyword}: the segmentation has a new one"
        for image in images:
            setattr(image, keyword, stated)
    known: set[str] = set()
    renamed = 0
    for number, image in enumerate(images):
        uid = str(image.get("SOPInstanceUID") or "")
        if not uid or uid in known:
            uid = pydicom.uid.generate_uid(entropy_srcs=[str(first.SeriesInstanceUID), str(number)])
            renamed += 1
        known.add(uid)
        image.SOPInstanceUID = uid
        if not image.get("SOPClassUID"):
            image.SOPClassUID = pydicom.uid.MRImageStorage
    if renamed:
        yield f"{renamed} of its {len(images)} images have no SOPInstanceUID of their own: it refers to those by new ones"


def _place(images: Sequence[Any], thickness: float) -> Iterator[str]:
    """State what lies between slices, and one orientation for all that differ by rounding alone."""
    for image in images:
        if images[0].get("ImageOrientationPatient") is not None:
            image.ImageOrientationPatient = images[0].ImageOrientationPatient
    lacking = [each for image in images for each in _measures(image) if not _is_length(each, "SliceThickness")]
    for each in lacking:
        each.SliceThickness = f"{thickness:.9g}"
    for image in images:
        for each in _measures(image):
            if "SpacingBetweenSlices" in each and not _is_length(each, "SpacingBetweenSlices"):
                del each.SpacingBetweenSlices
    if lacking:
        yield f"its images have no SliceThickness: the distance of slices stands for it, {thickness:.3g} mm"


def _measures(image: Any) -> list[Any]:
    """Return the parts of a header that state pixel sizes."""
    groups = [
        group
        for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
        for group in image.get(name) or []
    ]
    if not groups:
        return [image]
    return [each for group in groups for each in group.get("PixelMeasuresSequence") or []]


def _is_length(measures: Any, keyword: str) -> bool:
    try:
        length = float(measures.get(keyword))
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(length) and length > 0)
