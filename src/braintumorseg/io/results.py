"""What lies beside a study and is no image of it: results of this package, and masks and copies by other software."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from braintumorseg._core.marks import Kind, kind_of
from braintumorseg._core.optional import lazy
from braintumorseg.io.names import has_result_name, is_mask, is_tumour_mask, meaning, stem
from braintumorseg.study import Segmentation

nib = lazy("nibabel")

_MOST_LABELS = 64  # values; images have hundreds
_COMPRESSED = 0.1  # of its values' bytes, below which a zipped file may hold labels; images need more
_CONVERTED = re.compile(rb"TE=[\d.]+;Time=[\d.]+")  # what dcm2niix writes into headers
_NEAR = 1e-2  # mm


def kind_of_mask(segmentation: Segmentation) -> Kind:
    """Tell a mask that a model found from one that was drawn."""
    return "mask" if segmentation.engine is None else "prediction"


def is_result(path: Path) -> bool:
    """Tell what this package wrote, by its mark, whatever it is called; and what has the name of a result."""
    return has_result_name(path) or kind_of(path) is not None


def is_label_map(path: Path) -> bool:
    """Tell by the content whether a NIfTI file holds a mask or labels: few values, all whole, most of them 0.

    Files that their size shows to be images are not read. What can't be read is none: whoever reads it says what is wrong.
    """
    try:
        image = nib.load(path)
        claimed = int(np.prod(image.shape)) * image.get_data_dtype().itemsize
        zipped = path.name.lower().endswith(".gz")
        if len(image.shape) != 3 or (zipped and path.stat().st_size > _COMPRESSED * claimed):
            return False
        return _holds_labels(image.dataobj[:, :, image.shape[2] // 2]) and _holds_labels(image.dataobj)
    except Exception:  # damaged bytes make decoders raise anything
        return False


def choose_mask(found: Mapping[str, Path], files: Sequence[Path], reference: str) -> tuple[Path | None, list[str]]:
    """Return the tumour's mask among a study's files, if it is certain, and what a reader must know of it.

    That is ``_seg``; else the one other mask whose name does not say that it is of the brain, if it lies on the grid of the
    reference, the sequence on whose grid the study lies.
    """
    others = [path for path in files if meaning(path) is None and is_tumour_mask(path)]
    stated = found.get("seg")
    if stated is not None:
        notes = [f"{shorten(others)} left out: {stated.name} is the mask"] if others else []
        if kind_of(stated) == "prediction":
            notes.append(f"{stated.name} was found by a model of braintumorseg; it is read as the study's mask")
        return stated, notes
    fitting = [path for path in others if is_same_grid(path, found[reference])]
    if len(fitting) == 1:
        return fitting[0], [f"{fitting[0].name} is read as the study's mask"]
    if fitting:
        return None, [f"{shorten(fitting)} left out: each may be the mask; call the right one *_seg.nii.gz"]
    return None, [f"{shorten(others)} left out: not on the grid of {found[reference].name}"] if others else []


def images_among(files: Sequence[Path]) -> list[Path]:
    """Return the NIfTI files of one folder that are images: no masks by name, and no unnamed labels on the grid of an image."""
    images = [path for path in files if not is_mask(path)]
    unnamed = [path for path in images if meaning(path) is None]
    labels = [path for path in unnamed if is_label_map(path)] if len(images) > 1 else []
    others = [path for path in images if path not in labels]
    return [path for path in images if path not in labels or not any(is_same_grid(path, other) for other in others)]


def masks_among(files: Sequence[Path]) -> list[Path]:
    """Return the NIfTI files of one folder that are masks: by name, or as unnamed files that hold labels."""
    return [path for path in files if is_mask(path) or (meaning(path) is None and is_label_map(path))]


def shorten(files: Sequence[Path]) -> str:
    """Return the first names of files, for messages."""
    return ", ".join(path.name for path in files[:5]) + (", ..." if len(files) > 5 else "")


def _holds_labels(values: Any) -> bool:
    found, counts = np.unique(np.asarray(values), return_counts=True)
    whole = bool((found >= 0).all() and (found == np.rint(found)).all())
    return whole and len(found) <= _MOST_LABELS and bool(found[counts.argmax()] == 0)


def is_same_grid(path: Path, other: Path) -> bool:
    """Tell by their headers whether two NIfTI files lie on one grid."""
    try:
        first, second = nib.load(path), nib.load(other)
        same = first.shape[:3] == second.shape[:3] and np.allclose(first.affine, second.affine, rtol=0, atol=_NEAR)
    except Exception:  # damaged
        return False
    return bool(same)


def is_converted(path: Path) -> bool:
    """Tell whether dcm2niix made a NIfTI file of DICOM: by the JSON beside it, or by its header."""
    try:
        record = json.loads(path.with_name(f"{stem(path)}.json").read_text(encoding="utf-8"))
        if "dcm2niix" in str(record.get("ConversionSoftware", "")):
            return True
    except (OSError, ValueError, AttributeError):  # none, or of other kinds
        pass
    try:
        return _CONVERTED.match(bytes(nib.load(path).header["descrip"].tobytes())) is not None
    except Exception:  # damaged, or of another kind
        return False
