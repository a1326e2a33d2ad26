"""A study: one patient's examination, as a frozen, validated record of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong
from braintumorseg.study._checks import (
    assign,
    check_grid,
    describe,
    describe_spacing,
    frozen,
    frozen_mask,
    labels_and_mask,
    reduced,
    steps_of,
)
from braintumorseg.study.classes import TUMOR, Classes, TumorClass, as_classes
from braintumorseg.study.geometry import Geometry, Spacing
from braintumorseg.study.sequences import NAMES, SEQUENCES, are_sequences


@dataclass(frozen=True, eq=False)
class Study:
    """One patient's examination: one volume of several sequences on one grid.

    Attributes:
        volume: Array ``(slices, height, width, sequences)``, any real dtype in, float32 and read-only afterwards.
        sequences: Name of each channel of ``volume``: ``"t1"``, ``"flair"``, ``"t1ce"``, ``"t2"``, or any other in lower case,
            such as ``"adc"``; distinct.
        mask: Boolean array ``(slices, height, width)``, true where a reader drew the tumour; ``None`` if nobody did.
        spacing: Voxel size in mm along (slice, row, column); ``None`` where the source carries none. Taken from
            ``geometry`` where that is given.
        name: What to call the study in tables and file names.
        geometry: Where the voxels lie in the source file and the world; ``None`` where the source carries none.
        slice_names: Name of each slice's source file without suffix, for sources that are one file a slice.
        notes: What a reader must know of how it was read: slices that are missing, a sequence that covers a part alone, ...
        covered: Boolean array of ``volume``'s shape, false where a sequence's field of view does not reach, a slice of it is
            missing, or it holds padding, and its values are air; ``None`` where every sequence reaches everywhere. Models see
            a copy of the FLAIR there: see ``Preprocessing``.
        labels: Label map ``(slices, height, width)``, uint8: the value of a class, or 0 for the background. ``None`` if readers
            drew one kind of tumour alone, or none. ``mask`` follows from it.
        classes: The classes of ``labels``, in any form that ``as_classes`` takes.

    Raises:
        ValueError: If a shape, a name, a spacing or a value is not as stated above.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg import Study
        >>> Study(np.zeros((24, 256, 256, 3)), name="case-7")
        Study 'case-7': 24 slices of 256x256, sequences t1, flair, t1ce, spacing unknown, no mask
    """

    volume: NDArray[np.float32]
    sequences: tuple[str, ...] = SEQUENCES
    mask: NDArray[np.bool_] | None = None
    spacing: Spacing | None = None
    name: str = "study"
    geometry: Geometry | None = None
    slice_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    covered: NDArray[np.bool_] | None = None
    labels: NDArray[np.uint8] | None = None
    classes: Classes = TUMOR

    def __post_init__(self) -> None:
        assign(self, sequences=tuple(self.sequences), notes=tuple(self.notes), classes=as_classes(self.classes))
        if not are_sequences(self.sequences):
            msg = wrong("sequences", NAMES, self.sequences)
            raise ValueError(msg)
        volume = np.asarray(self.volume)
        if volume.ndim != 4 or 0 in volume.shape or volume.shape[-1] != len(self.sequences):
            channels = f"{len(self.sequences)} ({', '.join(self.sequences)})"
            allowed = f"an array (slices, height, width, sequences) of {channels} sequences"
            msg = wrong("volume", allowed, f"shape {volume.shape}{_advice(volume.shape, len(self.sequences))}")
            raise ValueError(msg)
        if self.spacing is None and self.geometry is None and self.slice_names is None and _is_turned(self.shape):
            msg = wrong(
                "volume",
                "an array (slices, height, width, sequences)",
                f"shape {volume.shape}, which looks like nibabel's order (height, width, slices, sequences); "
                "np.moveaxis(volume, 2, 0) puts slices first, read_study reads the file itself, and spacing= (slice, row, "
                "column) takes the axes as they are",
            )
            raise ValueError(msg)
        if volume.dtype.kind not in "buif":
            msg = wrong("volume", "an array of real numbers", f"dtype {volume.dtype}")
            raise ValueError(msg)
        values = frozen(volume, np.float32)
        if not np.isfinite(values).all():
            bad = np.argwhere(~np.isfinite(values))
            msg = wrong(
                "volume", "finite", f"{len(bad)} NaN or infinite values, the first in slice {int(bad[0, 0]) + 1}"
            )
            raise ValueError(msg)
        assign(self, volume=values)
        check_grid(self, self.shape)
        if self.labels is not None:
            labels, tumour = labels_and_mask(self.labels, self.classes, self.shape, self.mask)
            assign(self, labels=labels, mask=tumour)
        elif self.mask is not None:
            assign(self, mask=frozen_mask("mask", self.mask, self.shape))
        if self.covered is not None:
            covered = np.asarray(self.covered)
            if covered.shape != volume.shape or covered.dtype != np.bool_:
                msg = wrong(
                    "covered", f"boolean, of the volume's shape {volume.shape}", f"{covered.dtype} {covered.shape}"
                )
                raise ValueError(msg)
            assign(self, covered=None if covered.all() else frozen(covered, np.bool_))

    @property
    def shape(self) -> tuple[int, int, int]:
        """The grid, ``(slices, height, width)``."""
        slices, height, width, _ = self.volume.shape
        return (slices, height, width)

    @property
    def steps(self) -> Spacing | NDArray[np.float64] | None:
        """Steps of the grid as measures take them for ``spacing``.

        They are the spacing where the axes are perpendicular, as they mostly are. On a sheared grid, such as the stack of a
        tilted scan, they are an array ``(3, 3)``: in its columns, the steps along (slice, row, column) in world millimetres.
        """
        return steps_of(self)

    def sequence(self, name: str) -> NDArray[np.float32]:
        """Return one sequence, an array ``(slices, height, width)``; a view.

        Raises:
            ValueError: If the study does not have it.
        """
        if name not in self.sequences:
            msg = wrong("name", f"a sequence of this study ({', '.join(self.sequences)})", repr(name))
            raise ValueError(msg)
        return self.volume[..., self.sequences.index(name)]

    def with_sequences(self, names: Sequence[str]) -> Study:
        """Return the same study with these of its sequences alone, in this order.

        Raises:
            ValueError: If the study does not have one of them, or none is named.
        """
        names = tuple(names)
        if not names or not set(names) <= set(self.sequences):
            msg = wrong("names", f"sequences of this study ({', '.join(self.sequences)})", names)
            raise ValueError(msg)
        channels = [self.sequences.index(name) for name in names]
        covered = None if self.covered is None else self.covered[..., channels]
        return replace(self, volume=self.volume[..., channels], sequences=names, covered=covered)

    def with_mask(self, mask: NDArray[np.bool_] | None) -> Study:
        """Return the same study with another mask, ``(slices, height, width)``, or none, and without a label map."""
        return replace(self, mask=mask, labels=None, classes=TUMOR)

    def with_classes(self, classes: int | Sequence[str | TumorClass] | Mapping[str, int]) -> Study:
        """Return the same study with other names or colours of the values in its label map.

        Raises:
            ValueError: If the label map holds a value that is none of theirs.
        """
        return replace(self, classes=as_classes(classes))

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)

    def __repr__(self) -> str:
        mask = "no mask" if self.mask is None else f"mask of {int(self.mask.sum())} voxels"
        if self.labels is not None:
            mask += f" ({', '.join(each.name for each in self.classes)})"
        return (
            f"Study {describe(self)}, sequences {', '.join(self.sequences)}, {describe_spacing(self.spacing)}, {mask}"
        )


def _advice(shape: tuple[int, ...], sequences: int) -> str:
    """Return what to do with a volume whose axes are others, as far as its shape tells."""
    if len(shape) == 4 and shape[1] == sequences:
        return "; if channels come second, np.moveaxis(volume, 1, -1) puts them last"
    if len(shape) == 4 and shape[0] == sequences:
        return "; if channels come first, np.moveaxis(volume, 0, -1) puts them last"
    if len(shape) == 3 and sequences == 1:
        return "; volume[..., None] adds the axis of sequences"
    if len(shape) == 3 and shape[-1] == sequences:
        return "; volume[None] adds the axis of slices"
    return ""


def _is_turned(shape: tuple[int, int, int]) -> bool:
    """Tell whether a grid can hardly be (slices, height, width): its last axis is the short one of an image's stack."""
    first, second, last = shape
    return last < min(first, second) and (first == second or 2 * last <= min(first, second))
