"""TIFF and PNG: folders of slices in the layout of the LGG dataset, and single images."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from braintumorseg._core.checks import DataError
from braintumorseg._core.files import check_free, replacing
from braintumorseg._core.marks import TIFF_SOFTWARE, Kind, kind_of, mark
from braintumorseg.io.grids.combining import label_map
from braintumorseg.io.names import has_result_name
from braintumorseg.io.results import is_result, kind_of_mask, shorten
from braintumorseg.study import SEQUENCES, Classes, Segmentation, Study

_SUFFIXES = (".tif", ".tiff", ".png")
_FORMATS = ("TIFF", "PNG")  # what a file may hold; Pillow would open everything it knows, and run Ghostscript for some
_MASK = "_mask"
_LARGEST_SIDE = 1 << 13  # far above any MR image; a header that claims more is not believed
_DENSEST = 4096  # values in a byte of file, above what the codecs of both formats can do
_CHANNELS = {"1": 1, "L": 1, "I": 1, "I;16": 1, "I;16B": 1, "F": 1, "RGB": 3}


def is_image(path: Path) -> bool:
    """Tell by the name whether this is an image file."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def is_slice(path: Path) -> bool:
    """Tell by the name whether this is a numbered slice."""
    return is_image(path) and re.search(r"\d$", path.stem) is not None


def holds_slices(folder: Path) -> bool:
    """Tell whether a folder holds numbered slices that are no results."""
    return any(path.is_file() and is_slice(path) and not is_result(path) for path in folder.iterdir())


def read_folder(
    folder: Path,
    sequences: tuple[str, ...] | None,
    name: str | None,
    about: Sequence[str] = (),
    classes: Classes | None = None,
) -> Study:
    """Read a folder of numbered slices, with notes of what lies beside them; see ``read_study``."""
    kinds = {path: kind_of(path) for path in sorted(folder.iterdir()) if is_image(path) and path.is_file()}
    slices, missing = _numbered(folder, [path for path in kinds if kinds[path] is None and not has_result_name(path)])
    notes = (*about, *missing)
    drawn = [path for path in kinds if _is_mask(path) and kinds[path] in (None, "mask")]
    notes += _found_by_model([path for path in kinds if _is_mask(path) and kinds[path] == "prediction"], slices)
    masks = _match_masks(folder, slices, drawn)
    volume = _stack(slices, [_read_slice(path) for path in slices])
    mask = _read_mask(masks, [_read_slice(path) for path in masks], volume.shape, classes) if masks else None
    names = [path.stem for path in slices]
    return _study(folder, volume, mask, sequences, name or folder.name, names, notes, classes)


def read_file(path: Path, sequences: tuple[str, ...] | None, name: str | None, classes: Classes | None = None) -> Study:
    """Read one image, with its mask if that lies beside it; see ``read_study``."""
    if _is_mask(path):
        msg = f"{path}: is a mask; expected the image that it belongs to, {path.stem.removesuffix(_MASK)}{path.suffix}"
        raise DataError(msg)
    pages = _read_pages(path)
    volume = _stack([path] * len(pages), pages)
    beside = path.with_name(path.stem + _MASK + path.suffix)
    mask = None
    notes: tuple[str, ...] = ()
    if beside.is_file() and kind_of(beside) == "prediction":
        notes = _found_by_model([beside], [path])
    elif beside.is_file():
        masks = _read_pages(beside)
        mask = _read_mask([beside] * len(masks), masks, volume.shape, classes)
    names = [path.stem] if len(pages) == 1 else [f"{path.stem}_{page}" for page in range(1, len(pages) + 1)]
    return _study(path, volume, mask, sequences, name or path.stem, names, notes, classes)


def write_folder(segmentation: Segmentation, folder: Path, *, overwrite: bool) -> Path:
    """Write one ``<slice>_mask.tif`` a slice; see ``write_segmentation``."""
    names = segmentation.slice_names or [f"{segmentation.name}_{n}" for n in range(1, len(segmentation.mask) + 1)]
    unfit = [name for name in names if Path(name).name != name]
    if unfit or len(set(names)) < len(names):
        msg = f"{folder}: can't hold slices named {unfit[0] if unfit else 'alike'!r}; expected distinct names of files"
        raise DataError(msg)
    targets = [folder / f"{name}{_MASK}.tif" for name in names]
    for target in targets:
        check_free(target, overwrite=overwrite)
    new = not folder.exists()
    place = folder.parent if new else folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        # All slices are written before the first one is put in its place.
        with tempfile.TemporaryDirectory(dir=place, prefix=".") as beside:
            complete = Path(beside) / "masks"
            complete.mkdir()
            for target, picture in zip(targets, _pictures(segmentation), strict=True):
                _save(picture, complete / target.name, kind_of_mask(segmentation))
            if new:
                complete.rename(folder)
            else:
                for target in targets:
                    (complete / target.name).replace(target)
    except OSError as error:
        msg = f"{folder}: can't be written ({error.strerror or error})"
        raise DataError(msg) from error
    return folder


def write_file(segmentation: Segmentation, path: Path, *, overwrite: bool) -> Path:
    """Write a mask as one image, or as a TIFF of pages; see ``write_segmentation``."""
    first, *others = _pictures(segmentation)
    if others and path.suffix.lower() == ".png":
        msg = f"{path}: PNG holds one slice; expected a folder, .tif or .nii.gz for the {len(others) + 1} of this study"
        raise DataError(msg)
    with replacing(path, overwrite=overwrite) as beside:
        _save(first, beside, kind_of_mask(segmentation), others)
    return path


def _save(image: Image.Image, path: Path, kind: Kind, others: Sequence[Image.Image] = ()) -> None:
    """Write an image, or a TIFF of pages, with the mark of this package."""
    if path.suffix.lower() == ".png":
        text = PngInfo()
        text.add_text("Software", mark(kind))
        image.save(path, pnginfo=text)
    else:
        pages: dict[str, Any] = {"save_all": True, "append_images": others} if others else {}
        image.save(path, tiffinfo={TIFF_SOFTWARE: mark(kind)}, **pages)


def _found_by_model(masks: Sequence[Path], slices: Sequence[Path]) -> tuple[str, ...]:
    """Note the masks of slices that this package found: they would pass for the truth that they are compared with."""
    stems = {path.stem for path in slices}
    found = [path for path in masks if path.stem.removesuffix(_MASK) in stems]
    return (f"{shorten(found)} left out: found by a model of braintumorseg, not drawn",) if found else ()


def _is_mask(path: Path) -> bool:
    return path.stem.endswith(_MASK)


def _numbered(folder: Path, files: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Return the slices in the order of their numbers, and a note of numbers that are missing."""
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
    # At most six are looked at: numbers may be dates, and far apart.
    missing = list(islice((n for a, b in pairwise(sorted(numbers)) for n in range(a + 1, b)), 6))
    shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
    notes = (f"slices {shown} are missing; the others are read as neighbours",) if missing else ()
    return [numbers[number] for number in sorted(numbers)], notes


def _match_masks(folder: Path, slices: Sequence[Path], files: Sequence[Path]) -> list[Path]:
    """Return the mask of each slice, in their order, or none at all."""
    stems = {path.stem for path in slices}
    masks: dict[str, Path] = {}
    for path in files:
        stem = path.stem.removesuffix(_MASK)
        if stem not in stems:
            msg = f"{path}: is a mask without its image; expected {stem}{path.suffix} beside it"
            raise DataError(msg)
        if stem in masks:
            msg = f"{path}: is a second mask of {stem}, beside {masks[stem].name}; expected one"
            raise DataError(msg)
        masks[stem] = path
    lacking = [path for path in slices if path.stem not in masks]
    if masks and lacking:
        msg = f"{folder}: {lacking[0].name} has no mask while others do; expected masks for all slices or for none"
        raise DataError(msg)
    return [masks[path.stem] for path in slices if masks]


def _read_pages(path: Path) -> list[NDArray[Any]]:
    """Return each page as an array ``(height, width, channels)``."""
    pages: list[NDArray[Any]] = []
    claimed = 0
    try:
        bomb = warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning)
        with bomb, Image.open(path, formats=_FORMATS) as image:
            for index in range(getattr(image, "n_frames", 1)):
                image.seek(index)
                claimed += image.width * image.height * _check_page(path, image)
                if claimed > _DENSEST * path.stat().st_size:
                    msg = f"{path}: claims {claimed} values; expected what its {path.stat().st_size} bytes can hold"
                    raise DataError(msg)
                page = np.asarray(image)
                if page.dtype.kind == "f" and not np.isfinite(page).all():
                    msg = f"{path}: holds {np.count_nonzero(~np.isfinite(page))} NaN or infinite values; expected none"
                    raise DataError(msg)
                pages.append(page if page.ndim == 3 else page[..., None])
    except DataError:
        raise
    except Exception as error:  # damaged bytes make decoders raise anything
        msg = f"{path}: is damaged, or not a TIFF or PNG that can be read ({' '.join(str(error).split())})"
        raise DataError(msg) from error
    return pages


def _check_page(path: Path, image: Image.Image) -> int:
    """Refuse, before it is decoded, what is too large or would not be read exactly; return the number of channels."""
    if max(image.size) > _LARGEST_SIDE:
        msg = f"{path}: claims {image.width} x {image.height} pixels; expected at most {_LARGEST_SIDE} a side"
        raise DataError(msg)
    if image.mode not in _CHANNELS:
        bands = len(image.getbands())
        msg = f"{path}: has {bands} channel(s) of mode {image.mode}; expected 3 (t1, flair, t1ce) or 1 (flair)"
        raise DataError(msg)
    raw = [tile[3] if isinstance(tile[3], str) else str(tile[3][0]) for tile in getattr(image, "tile", ())]
    if image.mode == "RGB" and any("16" in layout or "X" in layout for layout in raw):
        msg = f"{path}: is stored as {raw[0]}, which Pillow cuts to 3 channels of 8 bits; expected those, or 1 channel"
        raise DataError(msg)
    return _CHANNELS[image.mode]


def _read_slice(path: Path) -> NDArray[Any]:
    pages = _read_pages(path)
    if len(pages) != 1:
        msg = f"{path}: has {len(pages)} pages; expected one slice a file"
        raise DataError(msg)
    return pages[0]


def _read_mask(
    paths: Sequence[Path], pages: Sequence[NDArray[Any]], shape: tuple[int, ...], classes: Classes | None
) -> NDArray[Any]:
    """Turn masks ``(height, width, 1)`` of a volume of this shape into an array ``(slices, height, width)``.

    It is boolean, or a label map if classes are stated.
    """
    slices, height, width, _ = shape
    if len(pages) != slices:
        msg = f"{paths[0]}: has {len(pages)} page(s); expected {slices}, as its image"
        raise DataError(msg)
    for path, page in zip(paths, pages, strict=True):
        if page.shape != (height, width, 1):
            own_height, own_width, channels = page.shape
            found = f"{own_height} x {own_width} pixels of {channels} channel(s)"
            msg = f"{path}: is not a mask of its image; expected {height} x {width} pixels of 1 channel, found {found}"
            raise DataError(msg)
    stack = np.stack(pages)[..., 0]
    if classes is not None:
        for path, labels in zip(paths, stack, strict=True):
            label_map(labels.astype(np.float32), classes, path)  # refuses what is no label
        return stack.astype(np.uint8)
    tumour = stack.max()
    for path, mask in zip(paths, stack, strict=True):
        if tumour < 0 or not ((mask == 0) | (mask == tumour)).all():
            values = ", ".join(map(str, np.unique(mask)[:5]))
            msg = (
                f"{path}: is not a mask; expected 0 and one other value, {tumour} in this study, found {values}; "
                "classes= says what several values mean"
            )
            raise DataError(msg)
    return stack > 0


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


def _study(
    path: Path,
    volume: NDArray[Any],
    mask: NDArray[Any] | None,
    sequences: tuple[str, ...] | None,
    name: str,
    slice_names: Sequence[str],
    notes: tuple[str, ...] = (),
    classes: Classes | None = None,
) -> Study:
    if sequences is None:
        sequences = SEQUENCES if volume.shape[-1] == 3 else ("flair",)
    if len(sequences) != volume.shape[-1]:
        msg = f"{path}: has {volume.shape[-1]} channel(s); expected {len(sequences)} for {', '.join(sequences)}"
        raise DataError(msg)
    if mask is None or classes is None:
        return Study(volume, sequences, mask, name=name, slice_names=tuple(slice_names), notes=notes)
    return Study(
        volume, sequences, name=name, slice_names=tuple(slice_names), notes=notes, labels=mask, classes=classes
    )


def _pictures(segmentation: Segmentation) -> list[Image.Image]:
    """Return each slice as a picture: of 0 and 255 if there is one class, else of the values of the classes."""
    one = len(segmentation.classes) == 1
    values = segmentation.mask.astype(np.uint8) * np.uint8(255) if one else segmentation.labels
    return [Image.fromarray(each) for each in values]
