"""Drawing that takes bare arrays, so that every room, the records among them, can show slices the same way.

Matplotlib, Pillow and scikit-image are imported at first use: records import this file, and most of them are never drawn.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.files import replacing
from braintumorseg._core.marks import TIFF_SOFTWARE, mark
from braintumorseg._core.optional import lazy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_figure = lazy("matplotlib.figure")
_lines = lazy("matplotlib.lines")
_contours = lazy("skimage.measure")
_image = lazy("PIL.Image")
_draw = lazy("PIL.ImageDraw")

# Okabe and Ito: colour-blind readers tell them apart.
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000",
)  # fmt: skip
FOUND_COLOUR, TRUTH_COLOUR = ORANGE, SKY

Window = tuple[float, float]
"""The values of a sequence that are shown as black and as white."""

_THUMBNAIL = 144  # pixels, the longer side
_THUMBNAIL_OUTLINE = (255, 176, 0)  # that of the page's outlines: brighter, as thin lines on a screen need


@dataclass(frozen=True)
class Panel:
    """One slice of a montage.

    Attributes:
        image: Array ``(height, width)``.
        window: The values that are shown as black and as white.
        outlines: Boolean arrays ``(height, width)``, each with the colour of its outline.
        title: Text above the slice.
        aspect: Height of a pixel divided by its width.
    """

    image: NDArray[Any]
    window: Window
    outlines: Sequence[tuple[NDArray[np.bool_], str]] = ()
    title: str = ""
    aspect: float = 1.0


def find_window(image: NDArray[Any]) -> Window:
    """Return the 1st and the 99.7th percentile of an image of any shape, as its window."""
    low, high = (float(value) for value in np.percentile(image, (1, 99.7)))
    return low, max(high, low + 1e-6)


def montage(
    panels: Sequence[Panel],
    *,
    columns: int = 4,
    side: float = 2.4,
    key: Mapping[str, str] | None = None,
    title: str = "",
    font: float = 8,
) -> Figure:
    """Draw slices side by side on black.

    Args:
        panels: The slices, row by row.
        columns: Slices in a row, at most.
        side: Width of a slice in inches.
        key: Colour of each kind of outline, by the name that the legend gives it.
        title: Text above all slices.
        font: Size of the slices' titles in points.

    Returns:
        A figure, independent of pyplot.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    ratio = max(each.aspect * each.image.shape[0] / each.image.shape[1] for each in panels)
    more = 0.15 * max(each.title.count("\n") for each in panels)
    size = (columns * side, rows * (side * ratio + more) + 0.4 * bool(key) + 0.3 * bool(title))
    figure: Figure = _figure.Figure(figsize=size, facecolor="black", layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, each in zip(figure.axes, panels, strict=False):
        low, high = each.window
        axes.imshow(each.image, cmap="gray", vmin=low, vmax=high, aspect=each.aspect)
        for mask, colour in each.outlines:
            draw_outline(axes, mask, colour)
        axes.set_title(each.title, color="white", fontsize=font, pad=2)
    if key:
        handles = [_lines.Line2D([], [], color=colour, label=label) for label, colour in key.items()]
        figure.legend(
            handles=handles, loc="outside lower center", ncols=len(key), frameon=False, labelcolor="white", fontsize=8
        )
    if title:
        figure.suptitle(title, color="white", fontsize=10)
    return figure


def draw_outline(axes: Any, mask: NDArray[np.bool_], colour: str) -> None:
    """Draw the outline of one slice's mask on the axes of a figure; nothing where it is empty."""
    if mask.any():
        # A rim of air lets the outline close where the tumour touches the border.
        padded = np.pad(mask, 1).astype(np.float32)
        rows, columns = (np.arange(-1, length + 1) for length in mask.shape)
        axes.contour(columns, rows, padded, levels=[0.5], colors=colour, linewidths=1)


def trace(mask: NDArray[np.bool_]) -> list[str]:
    """Return the outlines of each slice of a mask ``(slices, height, width)`` as the path of an SVG.

    Coordinates are in voxels, from 0: x is the column, y the row.
    """
    return ["".join(_path(outline) for outline in _outlines(each)) for each in mask]


def thumbnail(image: NDArray[Any], mask: NDArray[np.bool_], window: Window, aspect: float) -> str:
    """Return one slice with the outline on it, small, as a data URI.

    Args:
        image: Array ``(height, width)``.
        mask: Boolean array of the same shape.
        window: The values that are shown as black and as white.
        aspect: Height of a pixel divided by its width.
    """
    height, width = image.shape[0] * aspect, float(image.shape[1])
    scale = _THUMBNAIL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = to_picture(image, window).resize(size, _image.Resampling.BILINEAR).convert("RGB")
    lines = _draw.Draw(picture)
    for outline in _outlines(mask):
        rows, columns = outline.T
        lines.line([*zip(columns * scale, rows * aspect * scale, strict=True)], fill=_THUMBNAIL_OUTLINE, width=1)
    return picture_uri(picture, "WEBP", quality=80, method=4)


def to_picture(image: NDArray[Any], window: Window) -> Any:
    """Return one slice ``(height, width)`` as a grey picture of Pillow."""
    low, high = window
    return _image.fromarray(np.asarray(np.clip((image - low) / (high - low), 0, 1) * 255, np.uint8))


def picture_uri(picture: Any, kind: str, **options: Any) -> str:
    """Return a picture of Pillow as a data URI; ``kind`` and ``options`` are those of its ``save``."""
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return _uri(kind.lower(), buffer)


def figure_uri(figure: Figure, dpi: int = 110) -> str:
    """Return a figure as a data URI, PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return _uri("png", buffer)


def save_figure(figure: Figure, path: Path, *, overwrite: bool, dpi: int = 120) -> None:
    """Write a figure whole or not at all, with the mark of this package where its format has room for one."""
    suffix = path.suffix.lower()
    options: dict[str, Any] = {}
    if suffix == ".png":
        options["metadata"] = {"Software": mark("picture")}
    elif suffix in (".tif", ".tiff"):
        options["pil_kwargs"] = {"tiffinfo": {TIFF_SOFTWARE: mark("picture")}}
    elif suffix in (".pdf", ".svg"):
        options["metadata"] = {"Creator": mark("picture")}
    with replacing(path, overwrite=overwrite) as beside:
        figure.savefig(beside, dpi=dpi, **options)


def _uri(kind: str, buffer: BytesIO) -> str:
    return f"data:image/{kind};base64,{b64encode(buffer.getvalue()).decode()}"


def _outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the outlines of one slice's mask, each as rows and columns ``(points, 2)``."""
    if not mask.any():
        return []
    return [outline - 1 for outline in _contours.find_contours(np.pad(mask, 1).astype(np.float32), 0.5)]


def _path(outline: NDArray[np.float64]) -> str:
    # An outline runs through half voxels: one digit after the point is exact.
    corners = [f"{column:.1f} {row:.1f}".replace(".0", "") for row, column in outline[:-1]]
    return f"M{'L'.join(corners)}Z"
