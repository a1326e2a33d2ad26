"""Sequences that were read one by one, as one study on the grid of one of them, mostly the FLAIR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg._core.optional import lazy
from braintumorseg.io.grids.resampling import is_one_grid, resample
from braintumorseg.io.undefined import fill_undefined
from braintumorseg.study import MOST_CLASSES, TUMOR, Classes, Geometry, Study, in_order, named_values

_alignment = lazy("braintumorseg.io.grids.registration")  # sequences on one grid need none of it

# Below this share of the FLAIR's voxels, what another sequence does not cover is worth a word.
_COVERED = 0.9
_WHOLE = 0.999  # what is covered between voxels that are, but for rounding


@dataclass(frozen=True, eq=False)
class Volume:
    """One sequence as it was read.

    Attributes:
        array: Float32 array ``(slices, height, width)``.
        geometry: Where it lies.
        path: What it was read from.
        notes: What a reader must know of it.
        missing: Which slices are missing, in words; empty if none is.
        covered: Boolean array of ``array``'s shape, false in what is missing or padding, which is air; ``None`` if nothing is.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    path: Path
    notes: tuple[str, ...] = ()
    missing: str = ""
    covered: NDArray[np.bool_] | None = None


def combine(
    readers: Mapping[str, Callable[[], Volume]],
    name: str,
    reference: str = "flair",
    *,
    align: bool,
    mask: Callable[[], Volume] | None = None,
    classes: Classes | None = None,
    notes: Sequence[str] = (),
) -> Study:
    """Read sequences one after another, so that memory holds one beside the study, each brought onto the reference's grid.

    Args:
        readers: For each sequence, what reads it; the reference is among them.
        name: What to call the study.
        reference: The sequence on whose grid the study lies.
        align: Whether a sequence on another grid may be moved, where the images show that the patient did.
        mask: Reader of a mask on the reference's grid; tumour is where it is above 0.
        classes: The classes of a mask of several values; by default they are called by their values.
        notes: What a reader must know besides.

    Raises:
        DataError: If a sequence can't be read, holds NaN or infinite values in the head, or lies elsewhere than the reference.
    """
    flair = _defined(readers[reference]())
    called = "the FLAIR" if reference == "flair" else reference
    sequences = in_order(tuple(readers))
    volume = np.empty((*flair.array.shape, len(sequences)), np.float32)
    covered = np.ones(volume.shape, bool)
    told = [*notes, *flair.notes]
    if flair.missing:
        told.append(
            f"{flair.missing}: they are taken as air, and what is found there comes from neighbouring slices alone"
        )
    placed = [sequences.index(reference)]
    volume[..., placed[0]] = flair.array
    if flair.covered is not None:
        covered[..., placed[0]] = flair.covered
    for channel, sequence in enumerate(sequences):
        if channel in placed:
            continue
        other = _defined(readers[sequence]())
        told += [f"{sequence}: {note}" for note in other.notes]
        place = other.geometry
        if align and not is_one_grid(place, flair.geometry):
            motion = _alignment.find_motion(
                other.array, place, volume[..., placed], flair.geometry, covered[..., placed]
            )
            if motion is not None:
                place = replace(place, file_affine=np.linalg.inv(motion.matrix) @ place.file_affine)
                told.append(
                    f"{sequence} did not line up with {called}: it was moved by {motion.shift:.1f} mm and "
                    f"{motion.angle:.1f} degrees, as the images show"
                )
        volume[..., channel], covered[..., channel] = resample(other.array, place, flair.geometry)
        placed.append(channel)
        share = covered[..., channel].mean()
        if share == 0:
            msg = f"{other.path}: does not overlap {called} in the world; expected sequences of one examination"
            raise DataError(msg)
        if share < _COVERED:
            told.append(
                f"{sequence} covers {share:.0%} of {called}'s volume; models see a copy of {called} in the rest of it"
            )
        if other.missing:
            told.append(f"{sequence}: {other.missing}: models see a copy of {called} there")
        if other.covered is not None:
            reached, _ = resample(other.covered.astype(np.float32), place, flair.geometry)
            covered[..., channel] &= reached >= _WHOLE
    truth = labels = None
    if mask is not None:
        drawn = _finite(mask())
        if drawn.array.shape != flair.array.shape or not np.allclose(
            drawn.geometry.affine, flair.geometry.affine, atol=1e-2
        ):
            msg = f"{drawn.path}: does not lie on {called}'s grid; expected a mask that was drawn on it"
            raise DataError(msg)
        truth = drawn.array > 0
        labels = label_map(drawn.array, classes, drawn.path)
    known = TUMOR if labels is None else classes or named_values([int(each) for each in np.unique(labels) if each])
    return Study(
        volume,
        sequences,
        truth,
        name=name,
        geometry=flair.geometry,
        notes=tuple(told),
        covered=covered,
        labels=labels,
        classes=known,
    )


def label_map(values: NDArray[np.float32], classes: Classes | None, path: Path) -> NDArray[np.uint8] | None:
    """Return the label map that a mask file holds; none if it is one of a single kind of tumour.

    Args:
        values: Values of the file, any shape.
        classes: The classes that the file is stated to hold; ``None`` if they are not stated.
        path: The file, for messages.

    Raises:
        DataError: If it holds values that are not those of the classes.
    """
    found = np.unique(values)
    tumour = found[found > 0]
    whole = bool((found >= 0).all() and (found == np.rint(found)).all() and found.max(initial=0) <= MOST_CLASSES)
    if classes is None:
        return values.astype(np.uint8) if whole and len(tumour) > 1 else None
    strange = [value for value in tumour if value not in [each.value for each in classes]]
    if not whole or strange:
        listed = ", ".join(f"{each.name} = {each.value}" for each in classes)
        came = ", ".join(f"{value:g}" for value in (strange or found)[:5])
        msg = f"{path}: holds the label {came}; expected 0 and {listed}, or classes= that list all of its labels"
        raise DataError(msg)
    return values.astype(np.uint8)


def _defined(volume: Volume) -> Volume:
    """Return a sequence whose NaN and infinite values around the head are air."""
    array, known, notes = fill_undefined(volume.array, volume.path)
    if known is None:
        return volume
    covered = known if volume.covered is None else known & volume.covered
    return replace(volume, array=array, covered=covered, notes=(*volume.notes, *notes))


def _finite(volume: Volume) -> Volume:
    bad = np.count_nonzero(~np.isfinite(volume.array))
    if bad:
        msg = f"{volume.path}: must be finite; got {bad} NaN or infinite values"
        raise DataError(msg)
    return volume
