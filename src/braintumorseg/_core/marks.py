"""The mark that files of this package carry: readers know a result from an image by it, whatever the file is called.

It is a line of text where each format has room for the software that wrote a file: ``descrip`` of a NIfTI header, ``Software``
of a PNG or TIFF, ``Manufacturer`` of a DICOM object, ``generator`` of a page.
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Literal, cast, get_args

from braintumorseg._version import __version__

SOFTWARE = "braintumorseg"
TIFF_SOFTWARE = 305
"""Tag of a TIFF that names the software."""

Kind = Literal["mask", "prediction", "map", "picture"]
"""What a result is: a mask; one that a model found; probabilities or uncertainty; a picture of it."""

_HEAD = 4096  # bytes in which each of these formats holds its mark
_GZIP = b"\x1f\x8b"
_TEXT = re.compile(rf"{SOFTWARE} \S{{1,24}} wrote this ({'|'.join(get_args(Kind))})".encode())
_MANUFACTURER = re.compile(rb"\x08\x00\x70\x00(?:LO..|....)" + SOFTWARE.encode(), re.DOTALL)


def mark(kind: Kind) -> str:
    """Return the mark of a result, fewer than the 80 bytes that NIfTI has room for."""
    return f"{SOFTWARE} {__version__} wrote this {kind}"


def kind_in(content: bytes) -> Kind | None:
    """Tell by the first bytes of a file what kind of result it is; ``None`` for files of others."""
    if content[:2] == _GZIP:
        with suppress(zlib.error):  # damaged: whoever reads it says so
            content = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, _HEAD)
    found = _TEXT.search(content)
    if found is not None:
        return cast("Kind", found[1].decode())
    return "mask" if content[128:132] == b"DICM" and _MANUFACTURER.search(content) else None


def kind_of(path: Path) -> Kind | None:
    """Tell by the content of a file what kind of result it is; ``None`` for files of others, and unreadable ones."""
    try:
        with path.open("rb") as stream:
            return kind_in(stream.read(_HEAD))
    except OSError:
        return None
