"""DICOM: the series of one examination, as one study."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg._core.lower_end import find_lower_end
from braintumorseg._core.marks import kind_in
from braintumorseg._core.optional import lazy, require
from braintumorseg.io.dicom.containers import DEFLATE_RATIO, LARGEST_FILE, Entry, file_entry, is_dicom, opened
from braintumorseg.io.dicom.contrasts import Recognition, recognize_all
from braintumorseg.io.dicom.padding import Padding
from braintumorseg.io.dicom.pixels import pixel_values
from braintumorseg.io.dicom.series import Frame, Series, gather
from braintumorseg.io.dicom.stacking import Stack, stack
from braintumorseg.io.grids.combining import Volume, combine
from braintumorseg.io.grids.orientation import turned
from braintumorseg.study import DicomSource, Study, in_order

pydicom = lazy("pydicom")

_DEFLATED = (
    b"1.2.840.10008.1.2.1.99"  # the transfer syntax whose whole data set is deflated, which parsing would inflate
)
_META_BYTES = 1024  # where the transfer syntax is stated
_HEADER_BYTES = 4096  # where the manufacturer is
_CLASS_TAG = 0x00080018
_OWN = "braintumorseg's segmentation"
_NO_NEWS = ("Media Storage Directory", _OWN)  # of what is passed over
_IMAGELESS = re.compile(
    r"Raw Data|Presentation State|\bSR\b|Document|Encapsulated|Spectroscopy|Waveform|Registration|Fiducials|Directory"
    r"|Structure Set|RT Plan|RT Beams|Annotation|Measurement|Tractography|Surface|Procedure|Protocol|Real World Value"
    r"|Segmentation"
)
_DENSEST = 4096  # values in a byte of an encoded image, above what its codecs can do


def holds_dicom(path: Path, skip: Callable[[Path], bool] = lambda _: False) -> bool:
    """Tell whether a folder or a zip holds DICOM files, other than those that are of another kind by their name."""
    with opened(path) as entries:
        return any(_may_be_image(entry) for entry in entries if not skip(Path(entry.name)))


def holds_dicom_itself(folder: Path, skip: Callable[[Path], bool]) -> bool:
    """Tell whether DICOM files lie in a folder, rather than in one below it."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return any(_may_be_image(file_entry(path)) for path in files if not skip(path) and path.stat().st_size)


def _may_be_image(entry: Entry) -> bool:
    """Tell whether this is a DICOM file that may hold an image, unlike a segmentation or a report."""
    return is_dicom(entry) and _kind_without_image(entry) is None


def find(
    folder: Path, skip: Callable[[Path], bool], alone: Callable[[Path], bool], seen: set[Path] | None = None
) -> tuple[list[Path], set[str]]:
    """Find the topmost folders that hold one examination each, of which one file a folder is looked at.

    Args:
        folder: Where to look; links are followed, each place once.
        skip: Tells which files are of another kind.
        alone: Tells which of those may be studies, which a folder with one folder of DICOM does not swallow.
        seen: Places that were looked at.

    Returns:
        The folders, and the examinations that are below them all.
    """
    seen = set() if seen is None else seen
    place = folder.resolve()
    if place in seen:
        return [], set()
    seen.add(place)
    found: list[Path] = []
    examinations: set[str] = set()
    own: set[str] = set()
    holding, others = 0, False
    for child in sorted(folder.iterdir()):
        if child.name.startswith("."):
            continue
        if child.is_dir():
            below, theirs = find(child, skip, alone, seen)
            found += below
            examinations |= theirs
            holding += bool(below)
        elif child.is_file():
            if skip(child):
                others = others or alone(child)
            elif not own and child.stat().st_size:
                entry = file_entry(child)
                if _may_be_image(entry):
                    own = {_examination(entry)}
    one = len(examinations) == 1 and (holding > 1 or not others)
    return ([folder] if own or one else found), examinations | own


def _examination(entry: Entry) -> str:
    try:
        with entry.open() as stream:
            header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=["StudyInstanceUID"], force=True)
            return str(header.get("StudyInstanceUID", entry.name))
    except Exception:  # damaged, or no pydicom: a study of its own, whose reading says what is wrong
        return entry.name


def read_study(
    path: Path,
    chosen: Mapping[str, str | int],
    name: str,
    *,
    align: bool,
    notes: Sequence[str] = (),
    references: Sequence[str] = ("flair",),
) -> Study:
    """Read a folder or a zip of series; see ``braintumorseg.read_study``."""
    with opened(path) as entries, _lenient(path):
        everything, left = _series(path, entries)
        named = {sequence: _find(path, everything, wanted) for sequence, wanted in chosen.items()}
        candidates, refused = _candidates(everything, named)
        reference = next((each for each in references if each in candidates), None)
        if reference is None:
            found = "; ".join(refused.get(references[0], [])) or f"found {_labels(everything)}"
            wanted = "FLAIR" if tuple(references) == ("flair",) else " or ".join(references)
            msg = f"{path}: holds no {wanted} that can be read; {found}; series= names one"
            raise DataError(msg)
        for sequence in named:
            if sequence not in candidates:
                msg = f"{path}: {refused[sequence][0]}"
                raise DataError(msg)
        told = [*notes, *left]
        readers = {}
        for kind in in_order([*candidates, *(each for each in refused if each not in candidates)]):
            if kind in candidates:
                ranked = sorted(candidates[kind], key=_rank)
                told += _doubts(kind, ranked, refused.get(kind, []))
                readers[kind] = partial(_read, path, ranked[0].series, ranked[0].order)
            elif kind in refused:
                told.append(f"{kind} can't be read: {refused[kind][0]}")
        return combine(readers, name, reference, align=align, notes=told)


class _Candidate(NamedTuple):
    series: Series
    order: Stack
    recognition: Recognition


def _candidates(
    everything: Sequence[Series], named: Mapping[str, Series]
) -> tuple[dict[str, list[_Candidate]], dict[str, list[str]]]:
    """Return, by sequence, the series that may be it, and what is wrong with those that can't be read."""
    candidates: dict[str, list[_Candidate]] = {}
    refused: dict[str, list[str]] = {}
    recognized = recognize_all([series.settings for series in everything])
    for series, recognition in zip(everything, recognized, strict=True):
        wanted = next((sequence for sequence, its in named.items() if its is series), None)
        found = recognition if wanted is None else Recognition(wanted, "series=", named=True)
        if found is None or (wanted is None and found.kind in named):
            continue
        try:
            candidate = _Candidate(series, stack(series), found)
        except ValueError as error:
            refused.setdefault(found.kind, []).append(f"series {series.label} {error}")
        else:
            candidates.setdefault(found.kind, []).append(candidate)
    return candidates, refused


def _doubts(kind: str, ranked: Sequence[_Candidate], refused: Sequence[str]) -> Iterator[str]:
    """Say what is not certain of the series that was taken for a sequence, and how to state another."""
    first, others = ranked[0], ranked[1:]
    taken = f"series {first.series.label}"
    if others:
        rest = ", ".join(f"{each.series.label} by {each.recognition.by}" for each in others)
        yield (
            f"{len(ranked)} series look like {kind}: took {taken}, recognised by {first.recognition.by}, "
            f"not {rest}; series= names another"
        )
    if not first.recognition.named and not others:
        yield f"{kind} was recognised by {first.recognition.by}: took {taken}; series= names another"
    if not first.recognition.named:
        yield from (f"{kind} was taken from a series that does not name it: {each}" for each in refused)
    else:
        yield from (f"{kind}: took {taken}, as {each}; series= names another" for each in refused)
    if first.recognition.doubt:
        other = "t1ce" if kind == "t1" else "t1"
        yield (
            f"{taken} was taken as {kind} {first.recognition.doubt}; if it is {other}, say "
            f'series={{"{other}": {first.series.number}}} (CLI: --series {other}={first.series.number})'
        )


def read_volume(path: Path) -> Volume:
    """Read a folder or a zip of one series."""
    with opened(path) as entries, _lenient(path):
        everything, _ = _series(path, entries)
        if len(everything) != 1:
            msg = f"{path}: holds {len(everything)} series, {_labels(everything)}; expected 1"
            raise DataError(msg)
        try:
            order = stack(everything[0])
        except ValueError as error:
            msg = f"{path}: series {everything[0].label} {error}"
            raise DataError(msg) from error
        return _read(path, everything[0], order)


@contextmanager
def _lenient(path: Path) -> Iterator[None]:
    """Take values as they are: what pydicom warns of would tell the values, and most of them are the patient's."""
    try:
        require("pydicom", "dicom")
    except ImportError as error:
        msg = f"{path}: is DICOM; {error}"
        raise DataError(msg) from error
    with pydicom.config.disable_value_validation():
        yield


def _series(path: Path, entries: Sequence[Entry]) -> tuple[list[Series], list[str]]:
    """Return the MR series of one examination of one patient, from the headers alone, and a note of what is no image."""
    headers, left = [], []
    for entry in filter(is_dicom, entries):
        kind = _kind_without_image(entry)
        if kind is None:
            headers.append((entry, _parse(entry, pixels=False)))
        elif kind not in _NO_NEWS:
            left.append(kind)
    try:
        found = _group(path, headers, left)
    except DataError:
        raise
    except Exception as error:  # values are decoded where they are used, and damaged ones raise anything
        msg = f"{path}: has a damaged header ({type(error).__name__})"  # whose text might tell a name
        raise DataError(msg) from error
    if not left:
        return found, []
    kinds = ", ".join(sorted(set(left)))
    return found, [f"{len(left)} DICOM {'object' if len(left) == 1 else 'objects'} without an image left out ({kinds})"]


def _kind_without_image(entry: Entry) -> str | None:
    """Return the kind of an object that holds no image, such as raw data, a report or a PDF; nothing for all others."""
    try:
        with entry.open() as stream:
            if _DEFLATED in stream.read(_META_BYTES):
                return None
        with entry.open() as stream:
            header = pydicom.filereader.read_partial(stream, lambda tag, *_: tag > _CLASS_TAG, force=True)
        kind = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID")
        name = str(getattr(kind, "name", "") or "")
        if "Image Storage" in name:
            return None
        if _IMAGELESS.search(name):
            with entry.open() as stream:
                return _OWN if kind_in(stream.read(_HEADER_BYTES)) else name.removesuffix(" Storage")
        with entry.open() as stream:
            held = pydicom.dcmread(stream, defer_size=_META_BYTES, specific_tags=["PixelData"], force=True)
        return None if "PixelData" in held else "of a private kind"
    except Exception:  # whoever parses all of it says what is wrong
        return None


def _digest(entry: Entry) -> bytes:
    """Return what tells the pixels of an image from others', however they are encoded."""
    image = _parse(entry, pixels=True)
    try:
        content = np.ascontiguousarray(pydicom.pixels.pixel_array(image)).tobytes()
    except Exception:  # damaged: told where it is used
        content = bytes(image.get("PixelData", b""))
    return hashlib.sha256(content).digest()


def _group(path: Path, headers: Sequence[tuple[Entry, Any]], left: Sequence[str]) -> list[Series]:
    images = [(entry, header) for entry, header in headers if _is_image(entry, header)]
    if not images:
        kinds = sorted({*left, *(str(header.get("Modality", "unknown")) for _, header in headers)})
        msg = f"{path}: holds no MR images; found {', '.join(kinds) or 'no DICOM'}"
        raise DataError(msg)
    for keyword, what in (("PatientID", "patients"), ("StudyInstanceUID", "examinations")):
        count = len({str(header.get(keyword, "")) for _, header in images})
        if count > 1:  # without saying whose
            msg = f"{path}: mixes images of {count} {what}; expected one examination of one patient"
            raise DataError(msg)
    return gather(path, images, cache(_digest))


def _is_image(entry: Entry, header: Any) -> bool:
    stored = getattr(header.file_meta.get("MediaStorageSOPClassUID"), "name", "")
    if "Rows" not in header and stored.endswith("MR Image Storage"):
        msg = f"{entry.name}: is damaged: it ends before its image"
        raise DataError(msg)
    return header.get("Modality") == "MR" and "Rows" in header


def _parse(entry: Entry, *, pixels: bool) -> Any:
    try:
        with entry.open() as stream:
            deflated = _DEFLATED in stream.read(_META_BYTES)
        if entry.size > LARGEST_FILE or (deflated and entry.size * DEFLATE_RATIO > LARGEST_FILE):
            msg = f"{entry.name}: has {entry.size} bytes{', deflated' if deflated else ''}; expected an image of a head"
            raise DataError(msg)
        with entry.open() as stream:
            content = BytesIO(stream.read()) if pixels else stream
            header = pydicom.dcmread(content, stop_before_pixels=not pixels, force=True)
        if "TransferSyntaxUID" not in header.file_meta:  # without preamble
            implicit, little = header.original_encoding
            header.file_meta.TransferSyntaxUID = (
                pydicom.uid.ImplicitVRLittleEndian
                if implicit
                else (pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian)
            )
        return header
    except DataError:
        raise
    except Exception as error:  # damaged bytes make parsers raise anything
        msg = f"{entry.name}: is damaged, or not a DICOM file that can be read ({' '.join(str(error).split())})"
        raise DataError(msg) from error


def _find(path: Path, everything: Sequence[Series], wanted: str | int) -> Series:
    """Return the series of this number, identifier or description."""
    text = str(wanted).strip().lower()
    found = [series for series in everything if text in series.names]
    if len(found) != 1:
        msg = f"{path}: has {len(found)} series {wanted}; expected the number, description or UID of one of these: "
        msg += _labels(everything)
        raise DataError(msg)
    return found[0]


def _labels(everything: Sequence[Series]) -> str:
    return ", ".join(series.label for series in everything)


def _rank(candidate: _Candidate) -> tuple[bool, bool, bool, bool, int, int]:
    """Order candidates: named; undoubted; as scanned, not computed; axial; more slices; earlier."""
    series, order, recognition = candidate
    upright = abs(np.linalg.inv(order.affine)[2, 2] * np.linalg.norm(order.affine[:3, 2]))
    return (
        not recognition.named,
        bool(recognition.doubt),
        series.derived,
        bool(upright < 0.7),
        -len(order.frames),
        series.number,
    )


def _read(path: Path, series: Series, order: Stack) -> Volume:
    """Decode the frames of a series, one file after another, into a volume."""
    first = next(frame for frame in order.frames if frame is not None)
    array = np.empty((len(order.frames), first.rows, first.columns), np.float32)
    present = np.zeros(len(order.frames), bool)
    places: dict[int, list[tuple[int, Frame]]] = {}
    for place, frame in enumerate(order.frames):
        if frame is not None:
            places.setdefault(frame.instance, []).append((place, frame))
            present[place] = True
    padding = Padding(array.shape)
    for instance, frames in places.items():
        pixels = _decode(series.entries[instance], (first.rows, first.columns))
        for place, frame in frames:
            padding.mark(place, pixels[frame.index], series.headers[instance])
            array[place] = pixels[frame.index].astype(np.float32) * np.float32(frame.slope) + np.float32(
                frame.intercept
            )
    known = np.broadcast_to(present[:, None, None], array.shape)
    padded, told = padding.take_out(array, known)
    known = known & ~padded
    if not known.all():
        array[~known] = find_lower_end(array, known)
    kept = sorted(places)
    numbers = {instance: number for number, instance in enumerate(kept)}
    notes = [*series.notes, *told]
    try:
        instances = tuple(_without_pixels(series.headers[instance]) for instance in kept)
    except Exception:  # damaged values that nothing else needs
        source = None
        notes.append("its headers can't be written again: no DICOM segmentation can refer to its images")
    else:
        frames_of = tuple(None if frame is None else (numbers[frame.instance], frame.index) for frame in order.frames)
        source = DicomSource(instances, frames_of)
    geometry = turned(order.affine, (first.columns, first.rows, len(order.frames)), dicom=source)
    covered = None if known.all() else geometry.to_volume(known.transpose(2, 1, 0))
    volume = geometry.to_volume(array.transpose(2, 1, 0))
    return Volume(volume, geometry, path, tuple(notes), order.missing, covered)


def _decode(entry: Entry, shape: tuple[int, int]) -> NDArray[Any]:
    """Return all frames of a file, ``(frames, rows, columns)``."""
    image = _parse(entry, pixels=True)
    try:
        frames = int(image.get("NumberOfFrames") or 1)
        held = len(image.get("PixelData", b""))
        claimed = frames * shape[0] * shape[1]
        if claimed > _DENSEST * max(held, 1):
            msg = f"{entry.name}: claims {claimed} values; expected what its {held} bytes can hold"
            raise DataError(msg)
        return pixel_values(image).reshape(frames, *shape)
    except DataError:
        raise
    except Exception as error:  # damaged bytes make elements and decoders raise anything
        msg = f"{entry.name}: its image can't be decoded ({' '.join(str(error).split())})"
        raise DataError(msg) from error


def _without_pixels(header: Any) -> bytes:
    header.remove_private_tags()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    content = BytesIO()
    pydicom.dcmwrite(content, header, enforce_file_format=True)
    return content.getvalue()
