"""The values of an image's pixels, wherever in their words the bits lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.optional import lazy

pydicom = lazy("pydicom")

_WORDS = (8, 16, 32)  # bits of a word that a pixel may fill
_OVERLAYS = range(0x6000, 0x6020, 2)  # groups of graphics that may be kept in the pixels' unused bits
_OVERLAY_BIT = 0x0102
_RLE = "1.2.840.10008.1.2.5"  # a compression of whole words, unlike the others


def pixel_values(image: Any) -> NDArray[Any]:
    """Decode an image's pixels, of any shape that ``pydicom`` gives them.

    ``pydicom`` keeps the lowest ``BitsStored`` bits of a word. Two kinds of files have values in others: those whose
    ``HighBit`` lies above, as DICOM once allowed, and those that state fewer bits than they use.
    """
    allocated, stored = int(image.get("BitsAllocated", 0)), int(image.get("BitsStored", 0))
    syntax = image.file_meta.TransferSyntaxUID
    if allocated not in _WORDS or not 0 < stored < allocated or (syntax.is_compressed and str(syntax) != _RLE):
        return np.asarray(pydicom.pixels.pixel_array(image))
    high = min(max(int(image.get("HighBit", stored - 1)), stored - 1), allocated - 1)
    image.BitsStored, image.HighBit = allocated, allocated - 1
    words = np.asarray(pydicom.pixels.pixel_array(image))
    below = high + 1 - stored  # how many bits lie below the value
    beyond = bool((words >= 1 << stored).any() or (words < -(1 << (stored - 1))).any())
    if below and (beyond or not (words & ((1 << below) - 1)).any()):
        return _cut(words, allocated - 1 - high, allocated - stored)
    if beyond and not any((group, _OVERLAY_BIT) in image and image[group, _OVERLAY_BIT].value for group in _OVERLAYS):
        return words
    return _cut(words, allocated - stored, allocated - stored)


def padding_range(header: Any) -> tuple[int, int] | None:
    """Return the lowest and the highest stored value that a header states to be padding; ``None`` if it states none.

    Files whose header does not say of what type a padding value is hold bytes, and some state the wrong sign: how pixels are
    stored tells both.
    """
    ends = [_word(header, keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None:
        return None
    other = ends[0] if ends[1] is None else ends[1]
    return min(ends[0], other), max(ends[0], other)


def _word(header: Any, keyword: str) -> int | None:
    value = header.get(keyword)
    if value is None or value == b"":
        return None
    try:
        if isinstance(value, bytes):
            value = int.from_bytes(value[:2], "little" if header.original_encoding[1] else "big")
        word = int(value) % (1 << 16)
    except (TypeError, ValueError):  # a damaged value, or several
        return None
    return word - (1 << 16) if header.get("PixelRepresentation") == 1 and word >= 1 << 15 else word


def _cut(words: NDArray[Any], above: int, right: int) -> NDArray[Any]:
    """Drop the bits above the value, and move it to the right; a signed one keeps its sign."""
    return (words << above) >> right
