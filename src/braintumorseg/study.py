"""A study (what goes in) and a segmentation (what comes out): frozen, validated records of arrays.

Every array of a study has its axes in the order (slice, row, column[, sequence]); every length is in millimetres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong
from braintumorseg._core.steps import as_steps, size_of

SEQUENCES = ("t1", "flair", "t1ce")
"""The sequences that are known: T1 before contrast, FLAIR, T1 after contrast; in the dataset's order."""

Spacing = tuple[float, float, float]

_PERPENDICULAR = 1e-4  # cosine of the angle between axes; rounded headers reach 1e-6, and it makes 1e-8 of a volume


@dataclass(frozen=True, eq=False)
class DicomSource:
    """The DICOM images that a volume came from, so that a DICOM segmentation can refer to them.

    Attributes:
        instances: The images' data sets without pixels, as DICOM files hold them.
        frames: For each index along the third axis of the file's array: which instance it is, and which frame of it, both
            from 0; ``None`` for a slice that is missing.
    """

    instances: tuple[bytes, ...] = field(repr=False)
    frames: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, eq=False)
class Geometry:
    """How the axes of a volume lie in the file that it came from, and in the world.

    Attributes:
        file_affine: Array ``(4, 4)``, float64: voxel index ``(i, j, k)`` of the file's array to world millimetres, RAS+.
        file_shape: Shape of the file's array, ``(i, j, k)``.
        axes: For slice, row and column: the file's axis that it is.
        flips: For slice, row and column: whether it runs against the file's axis.
        header: The NIfTI file's own header bytes, so that a mask can be written with it; ``None`` for a fresh one.
        dicom: The DICOM images that the volume came from; ``None`` where it came from others.
    """

    file_affine: NDArray[np.float64]
    file_shape: tuple[int, int, int]
    axes: tuple[int, int, int] = (2, 1, 0)
    flips: tuple[bool, bool, bool] = (False, False, False)
    header: bytes | None = field(default=None, repr=False)
    dicom: DicomSource | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        affine = np.array(self.file_affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            msg = wrong("file_affine", "a finite, invertible matrix of shape (4, 4)", str(affine.tolist()))
            raise ValueError(msg)
        affine.setflags(write=False)
        object.__setattr__(self, "file_affine", affine)
        if sorted(self.axes) != [0, 1, 2]:
            msg = wrong("axes", "a permutation of (0, 1, 2)", self.axes)
            raise ValueError(msg)

    @property
    def affine(self) -> NDArray[np.float64]:
        """Array ``(4, 4)``: index ``(slice, row, column)`` of the volume to world millimetres, RAS+."""
        turn = np.zeros((4, 4))
        turn[3, 3] = 1
        for here, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            turn[axis, here] = -1 if flip else 1
            turn[axis, 3] = self.file_shape[axis] - 1 if flip else 0
        return np.asarray(self.file_affine @ turn)

    @property
    def spacing(self) -> Spacing:
        """Voxel size in mm along (slice, row, column)."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(lengths[0]), float(lengths[1]), float(lengths[2]))

    @property
    def is_sheared(self) -> bool:
        """Whether the axes are not perpendicular in the world, so that a voxel is smaller than the product of its lengths."""
        directions = self._directions
        return bool(np.abs(directions.T @ directions - np.eye(3)).max() > _PERPENDICULAR)

    @property
    def _directions(self) -> NDArray[np.float64]:
        """Array ``(3, 3)``: steps along (slice, row, column) in the world, as columns of length 1."""
        steps = self.affine[:3, :3]
        return np.asarray(steps / np.linalg.norm(steps, axis=0))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volume, ``(slices, height, width)``."""
        first, second, third = (self.file_shape[axis] for axis in self.axes)
        return (first, second, third)

    def to_volume(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn an array ``(i, j, k[, ...])`` of the file into ``(slice, row, column[, ...])``; a view."""
        turned = np.moveaxis(array, self.axes, (0, 1, 2))
        return turned[tuple(slice(None, None, -1 if flip else None) for flip in self.flips)]

    def to_file(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn an array ``(slice, row, column[, ...])`` into the file's ``(i, j, k[, ...])``; a view."""
        flipped = array[tuple(slice(None, None, -1 if flip else None) for flip in self.flips)]
        return np.moveaxis(flipped, (0, 1, 2), self.axes)


@dataclass(frozen=True, eq=False)
class Study:
    """One patient's examination: one volume of several sequences on one grid.

    Attributes:
        volume: Array ``(slices, height, width, sequences)``, any real dtype in, float32 and read-only afterwards.
        sequences: Name of each channel of ``volume``: distinct names out of ``"t1"``, ``"flair"``, ``"t1ce"``.
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

    def __post_init__(self) -> None:
        _set(self, sequences=tuple(self.sequences), notes=tuple(self.notes))
        unknown = [name for name in self.sequences if name not in SEQUENCES]
        if not self.sequences or unknown or len(set(self.sequences)) != len(self.sequences):
            msg = wrong("sequences", f"distinct names out of {', '.join(SEQUENCES)}", self.sequences)
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
        frozen = _frozen(volume, np.float32)
        if not np.isfinite(frozen).all():
            bad = np.argwhere(~np.isfinite(frozen))
            msg = wrong(
                "volume", "finite", f"{len(bad)} NaN or infinite values, the first in slice {int(bad[0, 0]) + 1}"
            )
            raise ValueError(msg)
        _set(self, volume=frozen)
        _check_grid(self, self.shape)
        if self.mask is not None:
            _set(self, mask=_frozen_mask("mask", self.mask, self.shape))
        if self.covered is not None:
            covered = np.asarray(self.covered)
            if covered.shape != volume.shape or covered.dtype != np.bool_:
                msg = wrong(
                    "covered", f"boolean, of the volume's shape {volume.shape}", f"{covered.dtype} {covered.shape}"
                )
                raise ValueError(msg)
            _set(self, covered=None if covered.all() else _frozen(covered, np.bool_))

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
        return _steps(self)

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
        """Return the same study with another mask, ``(slices, height, width)``, or none."""
        return replace(self, mask=mask)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduced(self)

    def __repr__(self) -> str:
        mask = "no mask" if self.mask is None else f"mask of {int(self.mask.sum())} voxels"
        return (
            f"Study {_describe(self)}, sequences {', '.join(self.sequences)}, {_describe_spacing(self.spacing)}, {mask}"
        )


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a segmenter found in a study, on the study's own grid.

    Attributes:
        mask: Boolean array ``(slices, height, width)``, true where the tumour is.
        probabilities: Float32 array ``(slices, height, width)``, 0 to 1; ``None`` if only a mask is known.
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

    Raises:
        ValueError: If a shape does not fit, or a probability or an uncertainty is outside 0 to 1.
    """

    mask: NDArray[np.bool_]
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

    def __post_init__(self) -> None:
        mask = np.asarray(self.mask)
        if mask.ndim != 3 or 0 in mask.shape:
            msg = wrong("mask", "a boolean array (slices, height, width)", f"shape {mask.shape}")
            raise ValueError(msg)
        _set(self, mask=_frozen_mask("mask", mask, mask.shape), notes=tuple(self.notes))
        _check_grid(self, self.shape)
        for name in ("probabilities", "uncertainty"):
            if getattr(self, name) is not None:
                _set(self, **{name: _frozen_shares(name, getattr(self, name), self.shape)})
        for name in ("agreement", "evidence", "doubts"):
            if getattr(self, name) is not None:
                _set(self, **{name: MappingProxyType(dict(getattr(self, name)))})

    @property
    def shape(self) -> tuple[int, int, int]:
        """The grid, ``(slices, height, width)``."""
        slices, height, width = self.mask.shape
        return (slices, height, width)

    @property
    def steps(self) -> Spacing | NDArray[np.float64] | None:
        """Steps of the grid as measures take them for ``spacing``; see ``Study.steps``."""
        return _steps(self)

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
    def slices(self) -> int:
        """Number of slices that the tumour touches."""
        return int(self.mask.any(axis=(1, 2)).sum())

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduced(self)

    def __repr__(self) -> str:
        volume = "" if self.volume_ml is None else f" ({self.volume_ml:.1f} mL)"
        found = f"{self.voxels} tumour voxels{volume} in {self.slices} slices"
        return f"Segmentation {_describe(self)}, {found}, {_describe_spacing(self.spacing)}"


def _reduced(record: Study | Segmentation) -> tuple[Any, ...]:
    """Say how a copy is made, in this process or another: from the arguments, so that it is frozen and checked again."""
    values = [getattr(record, each.name) for each in fields(record)]
    return type(record), tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in values)


def _steps(record: Study | Segmentation) -> Spacing | NDArray[np.float64] | None:
    """Return the spacing, or the steps where the geometry says that they are not perpendicular."""
    if record.spacing is None or record.geometry is None or not record.geometry.is_sheared:
        return record.spacing
    return np.asarray(record.geometry._directions * record.spacing)


def _set(record: Study | Segmentation, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)


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


def _frozen(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a read-only view, copied only where the dtype asks for it; the caller's own array stays writable."""
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is refused as such
        view = array.astype(dtype, copy=False).view()
    view.setflags(write=False)
    return view


def _frozen_mask(name: str, mask: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.asarray(mask)
    if mask.shape != shape:
        msg = wrong(name, f"of the shape (slices, height, width) = {shape}", f"shape {mask.shape}")
        raise ValueError(msg)
    if mask.dtype != np.bool_ and not np.isin(mask, (0, 1)).all():
        msg = wrong(name, "boolean, or 0 and 1 (write mask > 0 for masks of 0 and 255)", f"values up to {mask.max()}")
        raise ValueError(msg)
    return _frozen(mask, np.bool_)


def _frozen_shares(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    shares = _frozen(np.asarray(values), np.float32)
    if shares.shape != shape:
        msg = wrong(name, f"of the mask's shape {shape}", f"shape {shares.shape}")
        raise ValueError(msg)
    low, high = float(shares.min()), float(shares.max())
    if not (low >= 0 and high <= 1):  # written so that NaN fails too
        msg = wrong(name, "between 0 and 1", f"values from {low:.4g} to {high:.4g}")
        raise ValueError(msg)
    return shares


def _check_grid(record: Study | Segmentation, shape: tuple[int, int, int]) -> None:
    """Check geometry, spacing and slice names against the grid; derive the spacing from the geometry."""
    if record.geometry is not None:
        if record.geometry.shape != shape:
            msg = wrong("geometry", f"one of a grid of shape {shape}", f"one of shape {record.geometry.shape}")
            raise ValueError(msg)
        if record.spacing is None:
            _set(record, spacing=record.geometry.spacing)
    if record.spacing is not None:
        spacing = tuple(float(length) for length in record.spacing)
        if len(spacing) != 3 or not all(np.isfinite(length) and length > 0 for length in spacing):
            msg = wrong("spacing", "three lengths in mm above 0, (slice, row, column), or None", record.spacing)
            raise ValueError(msg)
        _set(record, spacing=spacing)
    if record.slice_names is not None:
        _set(record, slice_names=tuple(record.slice_names))
        if len(record.slice_names) != shape[0]:
            msg = wrong("slice_names", f"one name for each of the {shape[0]} slices", f"{len(record.slice_names)}")
            raise ValueError(msg)


def _describe(record: Study | Segmentation) -> str:
    slices, height, width = record.shape
    return f"{record.name!r}: {slices} {'slice' if slices == 1 else 'slices'} of {height}x{width}"


def _describe_spacing(spacing: Spacing | None) -> str:
    return "spacing unknown" if spacing is None else "spacing {:.3g} x {:.3g} x {:.3g} mm".format(*spacing)
