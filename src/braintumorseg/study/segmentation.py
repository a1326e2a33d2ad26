"""A segmentation: what was found in a study, as a frozen, validated record of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_in, wrong
from braintumorseg._core.steps import as_steps, size_of
from braintumorseg.study._checks import (
    assign,
    check_grid,
    describe,
    describe_spacing,
    frozen_mask,
    frozen_shares,
    labels_and_mask,
    labels_of_mask,
    reduced,
    steps_of,
)
from braintumorseg.study.classes import TUMOR, Classes, as_classes
from braintumorseg.study.geometry import Geometry, Spacing


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a segmenter found in a study, on the study's own grid.

    Attributes:
        mask: Boolean array ``(slices, height, width)``, true where tumour of any class is; it may be left out if ``labels``
            is given.
        probabilities: Float32 array ``(slices, height, width)``, 0 to 1: of tumour of any class; ``None`` if only a mask is
            known.
        spacing: Voxel size in mm along (slice, row, column), or ``None``.
        name: The study's name.
        geometry: The study's geometry.
        slice_names: The study's slice names.
        notes: What a reader must know of how it was made: sequences that were filled, a slice without a head, ...
        uncertainty: Float32 array ``(slices, height, width)``, 0 to 1: how far variants of the study lie apart, voxel by
            voxel; ``None`` where none were predicted. See ``Segmenter.predict``.
        agreement: Dice of the mask found in each variant with ``mask``, by the variant's name; ``None`` likewise.
        evidence: What the judgement of every prediction rests on, by name: see ``findings.judge``; ``None`` where no network
            predicted.
        doubts: Reasons to doubt what was found, each a sentence by its kind; they are among the notes too.
        engine: What ran the network, such as ``"openvino"``; ``None`` where no network did.
        precision: What it computed in, ``"float32"`` or ``"int8"``; ``None`` where no network did.
        labels: Label map ``(slices, height, width)``, uint8: the value of a class, or 0 for the background. It follows from
            ``mask`` if there is one class.
        classes: The classes of ``labels``, in any form that ``as_classes`` takes.
        nested: Whether each class lies within the one before it, as enhancing tumour lies within the tumour core: the region of
            a class is then its voxels and those of all classes after it.
        class_probabilities: Float32 array ``(slices, height, width, classes)``, 0 to 1, in the order of ``classes``; of nested
            classes, of their regions. ``None`` if there is one class, or only a mask is known.

    Raises:
        ValueError: If a shape does not fit, a probability or an uncertainty is outside 0 to 1, or a label is none of the
            classes'.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg import Segmentation
        >>> labels = np.zeros((2, 4, 4), np.uint8)
        >>> labels[0, :2, :2] = [[1, 1], [2, 2]]
        >>> found = Segmentation(labels=labels, classes=("core", "edema"), spacing=(5, 1, 1))
        >>> found.class_ml
        {'core': 0.01, 'edema': 0.01}
    """

    mask: NDArray[np.bool_] = None  # type: ignore[assignment]  # never None once it is made
    probabilities: NDArray[np.float32] | None = None
    spacing: Spacing | None = None
    name: str = "study"
    geometry: Geometry | None = None
    slice_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    uncertainty: NDArray[np.float32] | None = None
    agreement: Mapping[str, float] | None = None
    evidence: Mapping[str, float] | None = None
    doubts: Mapping[str, str] = field(default_factory=dict)
    engine: str | None = None
    precision: str | None = None
    labels: NDArray[np.uint8] = None  # type: ignore[assignment]  # never None once it is made
    classes: Classes = TUMOR
    nested: bool = False
    class_probabilities: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        assign(self, notes=tuple(self.notes), classes=as_classes(self.classes))
        mask: NDArray[Any] | None = self.mask
        labels: NDArray[Any] | None = self.labels
        given, kind = ("mask", "a boolean array") if labels is None else ("labels", "a label map")
        shape: tuple[int, ...] = np.asarray(mask if labels is None else labels).shape
        if len(shape) != 3 or 0 in shape:
            msg = wrong(given, f"{kind} (slices, height, width)", f"shape {shape}")
            raise ValueError(msg)
        if labels is None and len(self.classes) > 1:
            msg = wrong("labels", f"given for {len(self.classes)} classes", "a mask alone")
            raise ValueError(msg)
        if labels is None:
            tumour = frozen_mask("mask", np.asarray(mask), shape)
            assign(self, mask=tumour, labels=labels_of_mask(tumour, self.classes[0].value))
        else:
            labels, tumour = labels_and_mask(labels, self.classes, shape, mask)
            assign(self, mask=tumour, labels=labels)
        check_grid(self, self.shape)
        if self.class_probabilities is not None:
            shape = (*self.shape, len(self.classes))
            assign(self, class_probabilities=frozen_shares("class_probabilities", self.class_probabilities, shape))
        for name in ("probabilities", "uncertainty"):
            if getattr(self, name) is not None:
                assign(self, **{name: frozen_shares(name, getattr(self, name), self.shape)})
        for name in ("agreement", "evidence", "doubts"):
            if getattr(self, name) is not None:
                assign(self, **{name: MappingProxyType(dict(getattr(self, name)))})

    @property
    def shape(self) -> tuple[int, int, int]:
        """The grid, ``(slices, height, width)``."""
        slices, height, width = self.mask.shape
        return (slices, height, width)

    @property
    def steps(self) -> Spacing | NDArray[np.float64] | None:
        """Steps of the grid as measures take them for ``spacing``; see ``Study.steps``."""
        return steps_of(self)

    @property
    def voxels(self) -> int:
        """Number of tumour voxels."""
        return int(np.count_nonzero(self.mask))

    @property
    def volume_ml(self) -> float | None:
        """Tumour volume in millilitres; ``None`` where the spacing is unknown."""
        steps = self.steps
        return None if steps is None else self.voxels * size_of(as_steps(steps, 3)) / 1000

    @property
    def class_ml(self) -> dict[str, float] | None:
        """Volume in millilitres of each class, by its name; ``None`` where the spacing is unknown.

        Nested classes do not count what lies within the next one: the volumes add up to ``volume_ml``.
        """
        steps = self.steps
        if steps is None:
            return None
        counts = np.bincount(self.labels.ravel(), minlength=256)
        voxel = size_of(as_steps(steps, 3)) / 1000
        return {each.name: int(counts[each.value]) * voxel for each in self.classes}

    def region(self, *names: str) -> NDArray[np.bool_]:
        """Return where classes are, a boolean array ``(slices, height, width)``.

        Args:
            names: Names of classes. A nested class stands for its region, and so for all classes after it too.

        Raises:
            ValueError: If a name is none of a class.
        """
        known = tuple(each.name for each in self.classes)
        for name in names:
            check_in("name", name, known)
        chosen = [place for place, each in enumerate(known) if each in names]
        if self.nested and chosen:
            chosen = list(range(min(chosen), len(known)))
        wanted = np.zeros(256, bool)
        wanted[[self.classes[place].value for place in chosen]] = True
        return np.asarray(wanted[self.labels])

    def probabilities_of(self, name: str) -> NDArray[np.float32]:
        """Return the probabilities of one class, ``(slices, height, width)``; a view.

        Raises:
            ValueError: If there is no such class, or only a mask is known.
        """
        known = tuple(each.name for each in self.classes)
        check_in("name", name, known)
        if self.class_probabilities is not None:
            return self.class_probabilities[..., known.index(name)]
        if self.probabilities is None or len(known) > 1:
            msg = wrong("segmentation", "one that a model found", "one of which the mask alone is known")
            raise ValueError(msg)
        return self.probabilities

    @property
    def slices(self) -> int:
        """Number of slices that the tumour touches."""
        return int(self.mask.any(axis=(1, 2)).sum())

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)

    def __repr__(self) -> str:
        volume = "" if self.volume_ml is None else f" ({self.volume_ml:.1f} mL)"
        found = f"{self.voxels} tumour voxels{volume} in {self.slices} slices"
        if len(self.classes) > 1:
            found += f" of {', '.join(each.name for each in self.classes)}"
        return f"Segmentation {describe(self)}, {found}, {describe_spacing(self.spacing)}"
