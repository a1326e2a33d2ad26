"""Sequences that were read one by one, as one study on the FLAIR's grid."""

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
from braintumorseg.study import SEQUENCES, Geometry, Study

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
    *,
    align: bool,
    mask: Callable[[], Volume] | None = None,
    notes: Sequence[str] = (),
) -> Study:
    """Read sequences one after another, so that memory holds one beside the study, each brought onto the FLAIR's grid.

    Args:
        readers: For each sequence, what reads it; the FLAIR is among them.
        name: What to call the study.
        align: Whether a sequence on another grid may be moved, where the images show that the patient did.
        mask: What reads a mask on the FLAIR's grid, true where it is above 0.
        notes: What a reader must know besides.

    Raises:
        DataError: If a sequence can't be read, holds NaN or infinite values in the head, or lies elsewhere than the FLAIR.
    """
    flair = _defined(readers["flair"]())
    sequences = tuple(each for each in SEQUENCES if each in readers)
    volume = np.empty((*flair.array.shape, len(sequences)), np.float32)
    covered = np.ones(volume.shape, bool)
    told = [*notes, *flair.notes]
    if flair.missing:
        told.append(
            f"{flair.missing}: they are taken as air, and what is found there comes from neighbouring slices alone"
        )
    placed = [sequences.index("flair")]
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
                    f"{sequence} did not line up with the FLAIR: it was moved by {motion.shift:.1f} mm and "
                    f"{motion.angle:.1f} degrees, as the images show"
                )
        volume[..., channel], covered[..., channel] = resample(other.array, place, flair.geometry)
        placed.append(channel)
        share = covered[..., channel].mean()
        if share == 0:
            msg = f"{other.path}: does not overlap the FLAIR in the world; expected sequences of one examination"
            raise DataError(msg)
        if share < _COVERED:
            told.append(
                f"{sequence} covers {share:.0%} of the FLAIR's volume; models see a copy of the FLAIR in the rest of it"
            )
        if other.missing:
            told.append(f"{sequence}: {other.missing}: models see a copy of the FLAIR there")
        if other.covered is not None:
            reached, _ = resample(other.covered.astype(np.float32), place, flair.geometry)
            covered[..., channel] &= reached >= _WHOLE
    truth = None
    if mask is not None:
        drawn = _finite(mask())
        if drawn.array.shape != flair.array.shape or not np.allclose(
            drawn.geometry.affine, flair.geometry.affine, atol=1e-2
        ):
            msg = f"{drawn.path}: does not lie on the FLAIR's grid; expected a mask that was drawn on the FLAIR"
            raise DataError(msg)
        truth = drawn.array > 0
    return Study(volume, sequences, truth, name=name, geometry=flair.geometry, notes=tuple(told), covered=covered)


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
