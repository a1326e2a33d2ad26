"""The files of a folder or a zip, bounded before anything is read; nothing is ever unpacked to disk."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from braintumorseg._core.checks import DataError

_MOST_FILES = 20_000
LARGEST_FILE = 1 << 29  # half a gigabyte; a multi-frame image of a head has some tens of megabytes
_LARGEST_ZIP = 1 << 31  # what all files of a zip may claim together
DEFLATE_RATIO = 1032  # the best that zip's usual algorithm can do
_DICOM_MARK = (128, b"DICM")
# Which elements a header without preamble starts with: lengths, character set, kind, dates and class of an image.
_FIRST_TAGS = {
    (2, 0),
    (2, 1),
    (2, 2),
    (8, 0),
    (8, 1),
    (8, 5),
    (8, 8),
    (8, 0x12),
    (8, 0x13),
    (8, 0x14),
    (8, 0x16),
    (8, 0x18),
}
_FIRST_VALUES = (b"UL", b"OB", b"UI", b"CS", b"DA", b"TM", b"SH", b"LO")
_LONGEST_FIRST = 256


@dataclass(frozen=True)
class Entry:
    """One file.

    Attributes:
        name: What to call it in messages.
        size: Its bytes.
        open: Opens it for reading.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def is_zip(path: Path) -> bool:
    """Tell by the name whether this is a zip."""
    return path.suffix.lower() == ".zip" and not path.name.startswith(".")


@contextmanager
def opened(path: Path) -> Iterator[list[Entry]]:
    """Give the files below a folder, or in a zip, that are neither hidden nor empty, in the order of their names.

    Raises:
        DataError: If the zip is damaged, encrypted or names places outside of itself, or there are more or larger files than
            any study has.
    """
    if path.is_dir():
        entries = [file_entry(file) for file in _files(path)]
        _check(path, entries)
        yield [entry for entry in entries if entry.size]
        return
    try:
        with zipfile.ZipFile(path) as archive:
            # Not info.is_dir(), which fails for a name that is empty.
            infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
            _check_zip(path, infos)
            entries = [
                Entry(f"{path}: {info.filename}", info.file_size, partial(archive.open, info))
                for info in sorted(infos, key=lambda info: info.filename)
                if not PurePosixPath(info.filename).name.startswith(".")
            ]
            _check(path, entries)
            yield [entry for entry in entries if entry.size]
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        msg = f"{path}: is damaged, or not a zip that can be read ({error})"
        raise DataError(msg) from error


def is_dicom(entry: Entry) -> bool:
    """Tell by the first bytes whether this is a DICOM file, with or without the preamble that the standard asks for."""
    place, mark = _DICOM_MARK
    with entry.open() as stream:
        start = stream.read(place + len(mark))
    return start[place:] == mark or _starts_data_set(start)


def _starts_data_set(start: bytes) -> bool:
    """Tell whether these are the first elements of a header that lacks its preamble, in any of the transfer syntaxes."""
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        group, element = (int.from_bytes(start[at : at + 2], order) for at in (0, 2))
        if (group, element) not in _FIRST_TAGS:
            continue
        explicit = start[4:6] in _FIRST_VALUES and int.from_bytes(start[6:8], order) <= _LONGEST_FIRST
        implicit = int.from_bytes(start[4:8], order) <= _LONGEST_FIRST
        if len(start) == _DICOM_MARK[0] + len(_DICOM_MARK[1]) and (explicit or implicit):
            return True
    return False


def file_entry(path: Path) -> Entry:
    """Return a file of a folder."""
    return Entry(str(path), path.stat().st_size, partial(_open, path))


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _files(folder: Path, seen: set[Path] | None = None) -> Iterator[Path]:
    seen = set() if seen is None else seen
    place = folder.resolve()
    if place in seen:  # a link back, or a second one
        return
    seen.add(place)
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files(path, seen)
        elif path.is_file():
            yield path


def _check(path: Path, entries: list[Entry]) -> None:
    if len(entries) > _MOST_FILES:
        msg = f"{path}: holds {len(entries)} files; expected one study, of at most {_MOST_FILES}"
        raise DataError(msg)


def _check_zip(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    for info in infos:
        place = PurePosixPath(info.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in info.filename:
            msg = f"{path}: names {info.filename!r}, a place outside of the zip; expected files within"
            raise DataError(msg)
        if info.flag_bits & 1:
            msg = f"{path}: is encrypted; expected an open zip"
            raise DataError(msg)
        if info.file_size > LARGEST_FILE or info.file_size > DEFLATE_RATIO * max(info.compress_size, 1):
            msg = f"{path}: claims {info.file_size} bytes for {info.filename!r}; expected what a study of a head has"
            raise DataError(msg)
    claimed = sum(info.file_size for info in infos)
    if claimed > _LARGEST_ZIP:
        msg = f"{path}: claims {claimed} bytes; expected one study, of at most {_LARGEST_ZIP}"
        raise DataError(msg)
