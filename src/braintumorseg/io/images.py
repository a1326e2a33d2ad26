"""TIFF and PNG: folders of slices in the layout of the LGG dataset, and single images."""

from __future__ import annotations

import re
import struct
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence, UnidentifiedImageError

from braintumorseg._checks import DataError
from braintumorseg._files import check_free, replacing
from braintumorseg.study import SEQUENCES, Segmentation, Study

_SUFFIXES = (".tif", ".tiff", ".png")
_MASK = "_mask"
_LARGEST_SIDE = 1 << 13  # far above any MR image; a header that claims more is not believed
_CHANNELS = {"1": 1, "L": 1, "I": 1, "I;16": 1, "I;16B": 1, "F": 1, "RGB": 3}
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    UnidentifiedImageError,
    Image.DecompressionBombError,
)


def is_image(path: Path) -> bool:
    """Tell by the name whether this is an image file."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def read_folder(folder: Path, sequences: tuple[str, ...] | None, name: str | None) -> Study:
    """Read a folder of numbered slices; see ``read_study``."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and is_image(path))
    slices = _numbered(folder, [path for path in files if not _is_mask(path)])
    masks = {path.stem.removesuffix(_MASK): path for path in files if _is_mask(path)}
    _check_masks(folder, slices, masks)
    volume = _stack(slices, [_read_pages(path)[0] for path in slices])
    mask = None
    if masks:
        mask = _stack(slices, [_read_mask(masks[path.stem])[0] for path in slices])[..., 0]
        _check_mask_shape(masks[slices[0].stem], mask, volume)
    return _study(folder, volume, mask, sequences, name or folder.name, [path.stem for path in slices])


def read_file(path: Path, sequences: tuple[str, ...] | None, name: str | None) -> Study:
    """Read one image, with its mask if that lies beside it; see ``read_study``."""
    if _is_mask(path):
        msg = f"{path}: is a mask; expected the image that it belongs to, {path.stem.removesuffix(_MASK)}{path.suffix}"
        raise DataError(msg)
    pages = _read_pages(path)
    volume = _stack([path] * len(pages), pages)
    beside = path.with_name(path.stem + _MASK + path.suffix)
    mask = None
    if beside.is_file():
        mask = np.stack(_read_mask(beside))[..., 0]
        _check_mask_shape(beside, mask, volume)
    names = [path.stem] if len(pages) == 1 else [f"{path.stem}_{page}" for page in range(1, len(pages) + 1)]
    return _study(path, volume, mask, sequences, name or path.stem, names)


def write_folder(segmentation: Segmentation, folder: Path, *, overwrite: bool) -> Path:
    """Write one ``<slice>_mask.tif`` a slice; see ``write_segmentation``."""
    names = segmentation.slice_names or [f"{segmentation.name}_{n}" for n in range(1, len(segmentation.mask) + 1)]
    targets = [folder / f"{name}{_MASK}.tif" for name in names]
    for target in targets:
        check_free(target, overwrite=overwrite)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # All slices are written before the first one is put in its place.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as beside:
            parts = [Path(beside) / target.name for target in targets]
            for part, mask in zip(parts, segmentation.mask, strict=True):
                _as_image(mask).save(part)
            for part, target in zip(parts, targets, strict=True):
                part.replace(target)
    except OSError as error:
        if made and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        msg = f"{folder}: can't be written ({error.strerror or error})"
        raise DataError(msg) from error
    return folder


def write_file(segmentation: Segmentation, path: Path, *, overwrite: bool) -> Path:
    """Write a mask as one image, or as a TIFF of pages; see ``write_segmentation``."""
    first, *others = [_as_image(mask) for mask in segmentation.mask]
    if others and path.suffix.lower() == ".png":
        msg = f"{path}: PNG holds one slice; expected a folder, .tif or .nii.gz for the {len(others) + 1} of this study"
        raise DataError(msg)
    with replacing(path, overwrite=overwrite) as beside:
        if others:
            first.save(beside, save_all=True, append_images=others)
        else:
            first.save(beside)
    return path


def _is_mask(path: Path) -> bool:
    return path.stem.endswith(_MASK)


def _numbered(folder: Path, files: Sequence[Path]) -> list[Path]:
    """Return the slices in the order of their numbers."""
    if not files:
        if any(path.is_dir() for path in folder.iterdir()):
            msg = f"{folder}: holds folders, not slices; expected one patient's folder (find_studies lists them)"
        else:
            msg = f"{folder}: holds no slices; expected files named <patient>_<number>.tif or .png"
        raise DataError(msg)
    numbers: dict[int, Path] = {}
    prefixes: dict[str, Path] = {}
    for path in files:
        match = re.fullmatch(r"(.*?)(\d+)", path.stem)
        if match is None:
            msg = f"{path}: has no slice number; expected <patient>_<number>{path.suffix}"
            raise DataError(msg)
        prefixes.setdefault(match[1], path)
        number = int(match[2])
        if number in numbers and len(prefixes) == 1:
            msg = f"{path}: is slice {number} a second time, beside {numbers[number].name}; expected each once"
            raise DataError(msg)
        numbers[number] = path
    if len(prefixes) > 1:
        first, second, *_ = prefixes.values()
        msg = f"{folder}: mixes {first.name} and {second.name}; expected the slices of one patient"
        raise DataError(msg)
    missing = sorted(set(range(min(numbers), max(numbers) + 1)) - set(numbers))
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        text = f"{folder}: slices {shown} are missing; the others are read as neighbours"
        warnings.warn(text, UserWarning, stacklevel=4)
    return [numbers[number] for number in sorted(numbers)]


def _check_masks(folder: Path, slices: Sequence[Path], masks: dict[str, Path]) -> None:
    stems = {path.stem for path in slices}
    for stem, path in masks.items():
        if stem not in stems:
            msg = f"{path}: is a mask without its image; expected {stem}{path.suffix} beside it"
            raise DataError(msg)
    lacking = [path for path in slices if path.stem not in masks]
    if masks and lacking:
        msg = f"{folder}: {lacking[0].name} has no mask while others do; expected masks for all slices or for none"
        raise DataError(msg)


def _read_pages(path: Path) -> list[NDArray[Any]]:
    """Return each page as an array ``(height, width, channels)``."""
    try:
        with Image.open(path) as image:
            if max(image.size) > _LARGEST_SIDE:
                msg = f"{path}: claims {image.width} x {image.height} pixels; expected at most {_LARGEST_SIDE} a side"
                raise DataError(msg)
            if image.mode not in _CHANNELS:
                bands = len(image.getbands())
                msg = f"{path}: has {bands} channel(s) of mode {image.mode}; expected 3 (pre, flair, post) or 1 (flair)"
                raise DataError(msg)
            pages = [np.array(page) for page in ImageSequence.Iterator(image)]
    except DataError:
        raise
    except _DAMAGED as error:
        msg = f"{path}: is damaged, or not a TIFF or PNG that can be read ({error})"
        raise DataError(msg) from error
    return [page if page.ndim == 3 else page[..., None] for page in pages]


def _read_mask(path: Path) -> list[NDArray[np.bool_]]:
    pages = _read_pages(path)
    for page in pages:
        values = np.unique(page)
        if page.shape[-1] != 1 or values.size > 2 or (values.size == 2 and values[0] != 0) or values[0] < 0:
            found = f"{page.shape[-1]} channels" if page.shape[-1] != 1 else f"values {', '.join(map(str, values[:5]))}"
            msg = f"{path}: is not a mask; expected 1 channel of 0 and one other value, found {found}"
            raise DataError(msg)
    return [page > 0 for page in pages]


def _stack(paths: Sequence[Path], pages: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack slices ``(height, width, channels)`` of one shape."""
    for path, page in zip(paths, pages, strict=True):
        if page.shape != pages[0].shape:
            (height, width, channels), (own_height, own_width, own_channels) = pages[0].shape, page.shape
            msg = (
                f"{path}: has {own_height} x {own_width} pixels of {own_channels} channel(s); "
                f"expected {height} x {width} of {channels}, as {paths[0].name}"
            )
            raise DataError(msg)
    return np.stack(pages)


def _check_mask_shape(path: Path, mask: NDArray[np.bool_], volume: NDArray[Any]) -> None:
    if mask.shape != volume.shape[:3]:
        msg = f"{path}: has shape {mask.shape} (slices, height, width); expected that of its image, {volume.shape[:3]}"
        raise DataError(msg)


def _study(
    path: Path,
    volume: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    sequences: tuple[str, ...] | None,
    name: str,
    slice_names: Sequence[str],
) -> Study:
    if sequences is None:
        sequences = SEQUENCES if volume.shape[-1] == 3 else ("flair",)
    if len(sequences) != volume.shape[-1]:
        msg = f"{path}: has {volume.shape[-1]} channel(s); expected {len(sequences)} for {', '.join(sequences)}"
        raise DataError(msg)
    return Study(volume, sequences, mask, name=name, slice_names=tuple(slice_names))


def _as_image(mask: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
