"""What the headers of DICOM images say: series, and the frames that they are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from braintumorseg._core.checks import DataError
from braintumorseg.io.dicom.containers import Entry
from braintumorseg.io.dicom.contrasts import Settings

_LARGEST_SIDE = 1 << 12  # far above any MR image
_LARGEST = 1 << 29  # values of a series; as for NIfTI
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


@dataclass(frozen=True)
class Frame:
    """One slice as its header describes it; lengths in mm, directions and places in DICOM's world (left, posterior, up).

    Attributes:
        instance: Which file of the series it is in.
        index: Which frame of that file it is, from 0.
        position: Centre of the first pixel.
        row: Direction in which a row's pixels follow each other.
        column: Direction in which rows follow each other.
        spacing: Distance of rows, and of columns.
        thickness: Distance to the next slice, where the header says it, or the slice's thickness.
        rows: Number of rows.
        columns: Number of columns.
        slope: What stored values are multiplied with.
        intercept: What is added to them then.
    """

    instance: int
    index: int
    position: tuple[float, float, float]
    row: tuple[float, float, float]
    column: tuple[float, float, float]
    spacing: tuple[float, float]
    thickness: float
    rows: int
    columns: int
    slope: float
    intercept: float


@dataclass(frozen=True, eq=False)
class Series:
    """One series.

    Attributes:
        label: Its number and description, for messages.
        names: What it may be chosen by, in small letters.
        number: Its number, or 0.
        derived: Whether it was computed from other images.
        settings: How it was acquired.
        headers: The data sets of its files, without pixels.
        entries: Its files.
        frames: The slices of all files.
        problem: Why there are no frames; the message goes on after the series.
        notes: What a reader must know of it.
    """

    label: str
    names: frozenset[str]
    number: int
    derived: bool
    settings: Settings
    headers: tuple[Any, ...]
    entries: tuple[Entry, ...]
    frames: tuple[Frame, ...]
    problem: str
    notes: tuple[str, ...]


def gather(path: Path, images: Sequence[tuple[Entry, Any]], digest: Callable[[Entry], bytes]) -> list[Series]:
    """Put images into their series, in the order of their numbers; a copy of an image counts once.

    Args:
        path: Where they are.
        images: Their files and headers.
        digest: Tells one image's pixels from another's. Anonymisers give all slices one identifier, or a blank one: images of
            one identifier are copies if they lie at one place and have the same pixels.

    Raises:
        DataError: If a header claims more than any study has.
    """
    groups: dict[str, list[tuple[Entry, Any]]] = {}
    copies: dict[str, int] = {}
    seen: dict[tuple[str, ...], list[Entry]] = {}
    for entry, header in images:
        uid = str(header.get("SeriesInstanceUID") or "")
        key = uid or f"{header.get('SeriesNumber') or ''} {header.get('SeriesDescription') or ''}"
        group = groups.setdefault(key, [])
        alike = seen.setdefault((key, str(header.get("SOPInstanceUID") or ""), *_places(header)), [])
        if alike and digest(entry) in map(digest, alike):
            copies[key] = copies.get(key, 0) + 1
        else:
            alike.append(entry)
            group.append((entry, header))
    found = [
        _series(path, str(group[0][1].get("SeriesInstanceUID") or ""), group, copies.get(key, 0))
        for key, group in groups.items()
    ]
    return sorted(found, key=lambda series: (series.number, series.label))


def _places(header: Any) -> tuple[str, ...]:
    """Return where the frames of an image lie, as its header writes it."""
    groups = header.get("PerFrameFunctionalGroupsSequence") or [header]
    positions = [(each.get("PlanePositionSequence") or [each])[0].get("ImagePositionPatient") for each in groups]
    return tuple(
        map(str, (*positions, header.get("ImageOrientationPatient"), header.get("TemporalPositionIdentifier")))
    )


def _series(path: Path, uid: str, images: Sequence[tuple[Entry, Any]], copies: int) -> Series:
    header = images[0][1]
    description = str(header.get("SeriesDescription") or header.get("ProtocolName") or "").strip()
    number = int(header.get("SeriesNumber") or 0)
    frames: list[Frame] = []
    problem = ""
    for instance, (entry, each) in enumerate(images):
        try:
            frames += _frames(instance, each)
        except (AttributeError, IndexError, TypeError, ValueError) as error:  # may be a picture that nobody wants
            frames, problem = [], f"can't be placed in the world: {' '.join(str(error).split())}"
            break
        claimed = sum(frame.rows * frame.columns for frame in frames)
        if claimed > _LARGEST or max(frames[-1].rows, frames[-1].columns) > _LARGEST_SIDE:
            msg = f"{entry.name}: claims {frames[-1].rows} x {frames[-1].columns} pixels, {claimed} values so far; "
            msg += f"expected at most {_LARGEST_SIDE} a side and {_LARGEST} values"
            raise DataError(msg)
        if _is_plain(each) and frames[-1].rows * frames[-1].columns > entry.size:
            pixels = f"{frames[-1].rows} x {frames[-1].columns} pixels"
            msg = f"{entry.name}: claims {pixels}; expected what its {entry.size} bytes hold"
            raise DataError(msg)
    notes = (f"{copies} {'copy' if copies == 1 else 'copies'} of its slices left out",) if copies else ()
    return Series(
        label=f"{number} ({description})" if description else str(number),
        names=frozenset({str(number), uid.lower(), description.lower()} - {""}),
        number=number,
        derived=_is_derived(header),
        settings=_settings([each for _, each in images], description),
        headers=tuple(each for _, each in images),
        entries=tuple(entry for entry, _ in images),
        frames=tuple(frames),
        problem=problem,
        notes=notes,
    )


def _is_plain(header: Any) -> bool:
    """Tell whether each pixel takes its bytes in the file."""
    syntax = header.file_meta.TransferSyntaxUID
    return not (syntax.is_compressed or syntax.is_deflated)


def _settings(headers: Sequence[Any], description: str) -> Settings:
    header = headers[0]
    started = [seconds for seconds in map(_acquired, headers) if seconds is not None]
    return Settings(
        description=description,
        agent=_agent(header),
        echo_ms=_number(_value(header, "EffectiveEchoTime", "EchoTime")),
        repetition_ms=_number(_value(header, "RepetitionTime")),
        inversion_ms=_number(_value(header, "InversionTimes", "InversionTime")),
        acquired_s=min(started, default=None),
        injected_s=_seconds(_day(header), _value(header, "ContrastBolusStartTime")),
    )


def _agent(header: Any) -> str:
    """Return the contrast agent's name, "none" where the header says that none was given, and an empty text if nothing."""
    if str(_value(header, "ContrastBolusAgentAdministered") or "").upper() == "NO":
        return "none"
    agent = str(_value(header, "ContrastBolusAgent") or _value(header, "ContrastBolusIngredient") or "").strip()
    return agent or ("given" if header.get("ContrastBolusAgentSequence") else "")


def _day(header: Any) -> str:
    """Return the day of an examination; scanners that number no days leave it out everywhere."""
    day = header.get("AcquisitionDate") or header.get("SeriesDate") or header.get("StudyDate") or ""
    return str(day or str(header.get("AcquisitionDateTime") or "")[:8])


def _acquired(header: Any) -> float | None:
    """Return when an image was acquired, in seconds."""
    moment = str(_value(header, "FrameAcquisitionDateTime", "AcquisitionDateTime") or "")
    if len(moment) >= 12:
        return _seconds(moment[:8], moment[8:])
    made = (
        None if _is_derived(header) else header.get("SeriesTime")
    )  # a computed one is made later than it was acquired
    return _seconds(_day(header), header.get("AcquisitionTime") or made)


def _is_derived(header: Any) -> bool:
    return str((header.get("ImageType") or ["ORIGINAL"])[0]).upper() == "DERIVED"


def _seconds(day: str, time: Any) -> float | None:
    """Return seconds of a date and a time as DICOM writes them; ``None`` if it is no time."""
    found = re.match(r"(\d\d):?(\d\d):?(\d\d(?:\.\d*)?)?", str(time or "").strip())
    if found is None:
        return None
    digits = re.sub(r"\D", "", day)
    try:
        days = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).toordinal()
    except ValueError:
        days = 0
    return 86400.0 * days + 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3] or 0)


def _value(header: Any, *keywords: str) -> Any:
    """Return the first of these that is stated, by the image itself or by the groups of its first frame."""
    for keyword in keywords:
        if header.get(keyword) is not None:
            return header.get(keyword)
        for group in _GROUPS:
            for item in (header.get(group) or [])[:1]:
                for element in item:
                    if element.VR == "SQ" and element.value and element.value[0].get(keyword) is not None:
                        return element.value[0].get(keyword)
    return None


def _number(value: Any) -> float | None:
    try:
        return (
            None if value is None else float(value if np.isscalar(value) or not hasattr(value, "__len__") else value[0])
        )
    except (TypeError, ValueError, IndexError):
        return None


def _frames(instance: int, header: Any) -> Iterator[Frame]:
    if int(header.get("SamplesPerPixel", 1)) != 1 or header.get("PhotometricInterpretation") == "MONOCHROME1":
        msg = f"it is {header.get('PhotometricInterpretation')}; expected MONOCHROME2"
        raise ValueError(msg)
    count = int(header.get("NumberOfFrames") or 1)
    per_frame = header.get("PerFrameFunctionalGroupsSequence")
    if per_frame is None:
        if count > 1:
            msg = "it has several frames without their places"
            raise ValueError(msg)
        yield _frame(instance, 0, header, header, header, header, header)
        return
    if len(per_frame) != count:
        msg = f"it has {count} frames and the places of {len(per_frame)}"
        raise ValueError(msg)
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    for index, own in enumerate(per_frame):
        parts = [
            (own.get(name) or (shared.get(name) if shared is not None else None) or [{}])[0]
            for name in (
                "PlanePositionSequence",
                "PlaneOrientationSequence",
                "PixelMeasuresSequence",
                "PixelValueTransformationSequence",
            )
        ]
        yield _frame(instance, index, header, *parts)


def _frame(
    instance: int, index: int, header: Any, position: Any, orientation: Any, measures: Any, values: Any
) -> Frame:
    place = [float(each) for each in position.get("ImagePositionPatient") or ()]
    directions = [float(each) for each in orientation.get("ImageOrientationPatient") or ()]
    spacing = [float(each) for each in measures.get("PixelSpacing") or ()]
    if (
        len(place) != 3
        or len(directions) != 6
        or len(spacing) != 2
        or not np.isfinite(place + directions + spacing).all()
    ):
        msg = "its position, orientation or pixel spacing is missing"
        raise ValueError(msg)
    slope, intercept = values.get("RescaleSlope"), values.get("RescaleIntercept")
    return Frame(
        instance=instance,
        index=index,
        position=(place[0], place[1], place[2]),
        row=(directions[0], directions[1], directions[2]),
        column=(directions[3], directions[4], directions[5]),
        spacing=(spacing[0], spacing[1]),
        thickness=float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1),
        rows=int(header.Rows),
        columns=int(header.Columns),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
    )
