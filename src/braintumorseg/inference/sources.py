"""What users give to be predicted: a study, a path, an image of nibabel, or an array."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import wrong
from braintumorseg.io import read_study
from braintumorseg.study import SEQUENCES, Study, check_sequences

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

_STACK = f"(slices, height, width, {len(SEQUENCES)})"


def as_study(
    source: Study | str | PathLike[str] | SpatialImage | NDArray[Any],
    *,
    sequence: str | None = None,
    references: Sequence[str] = ("flair",),
) -> Study:
    """Return a study, read it from a path, or make it of an image or an array.

    Args:
        source: The study; the path; an image of nibabel, which keeps its affine; or an array. An array is
            ``(slices, height, width, 3)`` or ``(height, width, 3)``, whose sequences are ``SEQUENCES``; with ``sequence`` it
            is ``(slices, height, width)`` or ``(height, width)``.
        sequence: The one sequence that an array or an image holds. An image of one is FLAIR if not given.
        references: The first of these that the study at a path has is the one on whose grid it lies.

    Raises:
        DataError: If the path or the image can't be read as a study.
        ValueError: If an array has another shape or may be in nibabel's order, or holds NaN or infinite values; if
            ``sequence`` is unknown, or is given with a study or a path.
    """
    if sequence is not None:
        check_sequences("sequence", (sequence,))
        if isinstance(source, (Study, str, PathLike)):
            msg = wrong("sequence", "None for a study or a path, which say what they hold", repr(sequence))
            raise ValueError(msg)
    if isinstance(source, Study):
        return source
    if isinstance(source, (str, PathLike)):
        return read_study(source, reference=references)
    if nifti.is_image(source):
        return nifti.study_of_image(source, None if sequence is None else (sequence,))
    array = np.asarray(source)
    return Study(_of_all(array)) if sequence is None else Study(_of_one(array)[..., None], (sequence,))


def _of_all(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of all sequences as a stack of slices."""
    if array.ndim not in (3, 4) or array.shape[-1] != len(SEQUENCES):
        advice = ""
        if array.ndim in (3, 4) and array.shape[-3] == len(SEQUENCES):
            advice += f"; if channels come first, np.moveaxis(array, {array.ndim - 3}, -1) puts them last"
        elif array.ndim == 4 and array.shape[0] == len(SEQUENCES):
            advice += "; if channels come first, np.moveaxis(array, 0, -1) puts them last"
        if array.ndim in (2, 3):
            shape = "(slices, height, width)" if array.ndim == 3 else "(height, width)"
            advice += f"; if it is {shape} of one sequence, predict(array, sequence='flair') takes it"
        raise _unlike(array, advice)
    if array.ndim == 3:
        return array[None]
    _check_order(array)
    return array


def _of_one(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of one sequence as a stack of slices."""
    if array.ndim not in (2, 3):
        allowed = "an array (slices, height, width) or (height, width) of one sequence"
        msg = wrong(
            "study", allowed, f"one of shape {array.shape}; leave sequence out for all of {', '.join(SEQUENCES)}"
        )
        raise ValueError(msg)
    if array.ndim == 2:
        return array[None]
    _check_order(array)
    return array


def _check_order(array: NDArray[Any]) -> None:
    """Refuse a stack of more slices than columns: that is nibabel's order, or may be.

    Slices lie one after another along the first axis here and along the third there. Scans have fewer slices than columns, but
    for a few of equal sides, of which nobody can tell.
    """
    slices, _, width = array.shape[:3]
    if slices == 1 or slices < width:
        return
    last = ", 3" if array.ndim == 4 else ""
    given = "" if array.ndim == 4 else "[..., None], (sequence,)"
    raise _unlike(
        array,
        f"; that is (height, width, slices{last}), as nibabel orders it, or may be: predict(nibabel.load(path)) and "
        f"predict(path) know, np.moveaxis(array, 2, 0) puts slices first, and predict(Study(array{given})) takes it as it is",
    )


def _unlike(array: NDArray[Any], advice: str) -> ValueError:
    allowed = (
        f"a Study, a path, an image of nibabel, or an array {_STACK} or (height, width, 3) of {', '.join(SEQUENCES)}"
    )
    return ValueError(wrong("study", allowed, f"an array of shape {array.shape}{advice}"))
