"""The images of a study's page: every slice of each sequence and map, as data URIs."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from braintumorseg._core.draw import find_window, picture_uri, to_picture

_LARGEST_SIDE = 512  # pixels; larger slices are shown smaller
_BUDGET = 3_600_000  # bytes of all slices of a study, many or few
_QUALITIES = (85, 70, 50, 30)
_LEVELS = 32  # of a map: few make small files, and none can be told from its neighbour
_LEAST = 0.05  # below, a map is clear


def encode_slices(volume: NDArray[np.float32]) -> list[list[str]]:
    """Return each slice of each sequence of a volume ``(slices, height, width, sequences)`` as a data URI, WebP.

    The best quality is taken that keeps all of them within a few megabytes.
    """
    channels = [np.moveaxis(volume, -1, 0)[index] for index in range(volume.shape[-1])]
    pictures = []
    for image in channels:
        window = find_window(image)
        pictures.append([_shrink(to_picture(each, window)) for each in image])
    for quality in _QUALITIES:
        encoded = [[picture_uri(each, "WEBP", quality=quality, method=4) for each in images] for images in pictures]
        if sum(len(uri) for images in encoded for uri in images) <= _BUDGET:
            break
    return encoded


def encode_map(shares: NDArray[np.float32], colours: str) -> list[str]:
    """Return each slice of a map ``(slices, height, width)``, 0 to 1, as a data URI, clear where it is low.

    A slice without anything to show is an empty text.
    """
    palette = [round(255 * value) for level in range(_LEVELS) for value in _colour(colours, level)]
    clear = int(np.ceil(_LEAST * _LEVELS))
    alphas = bytes([0] * clear + [255] * (_LEVELS - clear))
    uris = []
    for each in np.minimum((shares * _LEVELS).astype(np.uint8), _LEVELS - 1):
        picture = Image.fromarray(each, "P")
        picture.putpalette(palette)
        shown = each.max() >= clear
        uris.append(
            picture_uri(_shrink(picture, Image.Resampling.NEAREST), "PNG", transparency=alphas) if shown else ""
        )
    return uris


def ramp(colours: str) -> list[str]:
    """Return colours of a map from 0 to 1, as a style sheet writes them."""
    return [mpl.colors.to_hex(_colour(colours, level)) for level in range(0, _LEVELS, 4)]


def find_start(mask: NDArray[np.bool_]) -> int:
    """Return the index of the slice in which the mask is largest; the middle one where it is empty."""
    areas = np.count_nonzero(mask, axis=(1, 2))
    return int(areas.argmax()) if areas.any() else mask.shape[0] // 2


def _shrink(picture: Image.Image, how: Image.Resampling = Image.Resampling.BOX) -> Image.Image:
    factor = _LARGEST_SIDE / max(picture.size)
    if factor >= 1:
        return picture
    return picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor))), how)


def _colour(colours: str, level: int) -> Any:
    return mpl.colormaps[colours]((level + 0.5) / _LEVELS)[:3]
