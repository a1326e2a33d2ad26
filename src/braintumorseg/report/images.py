"""Slices as pictures that a page holds: data URIs and outlines."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from braintumorseg._core.optional import lazy

_contours = lazy("skimage.measure")

Window = tuple[float, float]

_LARGEST_SIDE = 512  # pixels; larger slices are shown smaller
_BUDGET = 3_600_000  # bytes of all slices of a study, many or few
_QUALITIES = (85, 70, 50, 30)
_LEVELS = 32  # of a map: few make small files, and none can be told from its neighbour
_LEAST = 0.05  # below, a map is clear
_THUMBNAIL = 144
_OUTLINE = (255, 176, 0)


def find_window(image: NDArray[np.float32]) -> Window:
    """Return the values of a sequence that are shown as black and as white, as ``overlay`` shows them."""
    low, high = (float(value) for value in np.percentile(image, (1, 99.7)))
    return low, max(high, low + 1e-6)


def encode_slices(volume: NDArray[np.float32]) -> list[list[str]]:
    """Return each slice of each sequence of a volume ``(slices, height, width, sequences)`` as a data URI, WebP.

    The best quality is taken that keeps all of them within a few megabytes.
    """
    channels = [np.moveaxis(volume, -1, 0)[index] for index in range(volume.shape[-1])]
    pictures = []
    for image in channels:
        low, high = find_window(image)
        pictures.append([_shrink(Image.fromarray(_grey(each, low, high))) for each in image])
    for quality in _QUALITIES:
        encoded = [[_save(each, "WEBP", quality=quality, method=4) for each in images] for images in pictures]
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
        uris.append(_save(_shrink(picture, Image.Resampling.NEAREST), "PNG", transparency=alphas) if shown else "")
    return uris


def ramp(colours: str) -> list[str]:
    """Return colours of a map from 0 to 1, as a style sheet writes them."""
    return [mpl.colors.to_hex(_colour(colours, level)) for level in range(0, _LEVELS, 4)]


def trace(mask: NDArray[np.bool_]) -> list[str]:
    """Return the outlines of each slice of a mask as the path of an SVG, in voxels: x is the column, y the row."""
    paths = []
    for each in mask:
        outlines = _contours.find_contours(np.pad(each, 1).astype(np.float32), 0.5) if each.any() else []
        paths.append("".join(_path(outline - 1) for outline in outlines))
    return paths


def thumbnail(image: NDArray[np.float32], mask: NDArray[np.bool_], window: Window, aspect: float) -> str:
    """Return one slice with the outline on it, small, as a data URI.

    Args:
        image: Array ``(height, width)``.
        mask: Boolean array of the same shape.
        window: What is shown as black and as white.
        aspect: Height of a pixel by its width.
    """
    height, width = image.shape[0] * aspect, float(image.shape[1])
    scale = _THUMBNAIL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(_grey(image, *window)).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    lines = ImageDraw.Draw(picture)
    if mask.any():
        for outline in _contours.find_contours(np.pad(mask, 1).astype(np.float32), 0.5):
            rows, columns = (outline - 1).T
            lines.line([*zip(columns * scale, rows * aspect * scale, strict=True)], fill=_OUTLINE, width=1)
    return _save(picture, "WEBP", quality=80, method=4)


def find_start(mask: NDArray[np.bool_]) -> int:
    """Return the index of the slice in which the mask is largest; the middle one where it is empty."""
    areas = np.count_nonzero(mask, axis=(1, 2))
    return int(areas.argmax()) if areas.any() else mask.shape[0] // 2


def _grey(image: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    return np.asarray(np.clip((image - low) / (high - low), 0, 1) * 255, np.uint8)


def _shrink(picture: Image.Image, how: Image.Resampling = Image.Resampling.BOX) -> Image.Image:
    factor = _LARGEST_SIDE / max(picture.size)
    if factor >= 1:
        return picture
    return picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor))), how)


def _colour(colours: str, level: int) -> Any:
    return mpl.colormaps[colours]((level + 0.5) / _LEVELS)[:3]


def _path(outline: NDArray[np.float64]) -> str:
    # An outline runs through half voxels: one digit after the point is exact.
    corners = [f"{column:.1f} {row:.1f}".replace(".0", "") for row, column in outline[:-1]]
    return f"M{'L'.join(corners)}Z"


def _save(picture: Image.Image, kind: str, **options: Any) -> str:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{b64encode(buffer.getvalue()).decode()}"
