"""What both records check of their arrays, and how they are copied and described."""

from __future__ import annotations

from dataclasses import fields
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong
from braintumorseg.study.classes import Classes, check_labels
from braintumorseg.study.geometry import Geometry, Spacing


class Record(Protocol):
    """What a study and a segmentation have in common."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def spacing(self) -> Spacing | None: ...
    @property
    def geometry(self) -> Geometry | None: ...
    @property
    def slice_names(self) -> tuple[str, ...] | None: ...


def reduced(record: Any) -> tuple[Any, ...]:
    """Say how a copy is made, in this process or another: from the arguments, so that it is frozen and checked again."""
    values = [getattr(record, each.name) for each in fields(record)]
    return type(record), tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in values)


def steps_of(record: Record) -> Spacing | NDArray[np.float64] | None:
    """Return the spacing, or the steps where the geometry says that they are not perpendicular."""
    if record.spacing is None or record.geometry is None or not record.geometry.is_sheared:
        return record.spacing
    return np.asarray(record.geometry.directions * record.spacing)


def assign(record: Record, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)


def frozen(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a read-only view, copied only where the dtype asks for it; the caller's own array stays writable."""
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is refused as such
        view = array.astype(dtype, copy=False).view()
    view.setflags(write=False)
    return view


def frozen_mask(name: str, mask: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.asarray(mask)
    if mask.shape != shape:
        msg = wrong(name, f"of the shape (slices, height, width) = {shape}", f"shape {mask.shape}")
        raise ValueError(msg)
    if mask.dtype != np.bool_ and not np.isin(mask, (0, 1)).all():
        msg = wrong(name, "boolean, or 0 and 1 (write mask > 0 for masks of 0 and 255)", f"values up to {mask.max()}")
        raise ValueError(msg)
    return frozen(mask, np.bool_)


def frozen_shares(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    shares = frozen(np.asarray(values), np.float32)
    if shares.shape != shape:
        msg = wrong(name, f"of the mask's shape {shape}", f"shape {shares.shape}")
        raise ValueError(msg)
    low, high = float(shares.min()), float(shares.max())
    if not (low >= 0 and high <= 1):  # written so that NaN fails too
        msg = wrong(name, "between 0 and 1", f"values from {low:.4g} to {high:.4g}")
        raise ValueError(msg)
    return shares


def check_grid(record: Record, shape: tuple[int, int, int]) -> None:
    """Check geometry, spacing and slice names against the grid; derive the spacing from the geometry."""
    if record.geometry is not None:
        if record.geometry.shape != shape:
            msg = wrong("geometry", f"one of a grid of shape {shape}", f"one of shape {record.geometry.shape}")
            raise ValueError(msg)
        if record.spacing is None:
            assign(record, spacing=record.geometry.spacing)
    if record.spacing is not None:
        spacing = tuple(float(length) for length in record.spacing)
        if len(spacing) != 3 or not all(np.isfinite(length) and length > 0 for length in spacing):
            msg = wrong("spacing", "three lengths in mm above 0, (slice, row, column), or None", record.spacing)
            raise ValueError(msg)
        assign(record, spacing=spacing)
    if record.slice_names is not None:
        assign(record, slice_names=tuple(record.slice_names))
        if len(record.slice_names) != shape[0]:
            msg = wrong("slice_names", f"one name for each of the {shape[0]} slices", f"{len(record.slice_names)}")
            raise ValueError(msg)


def describe(record: Record) -> str:
    slices, height, width = record.shape
    return f"{record.name!r}: {slices} {'slice' if slices == 1 else 'slices'} of {height}x{width}"


def describe_spacing(spacing: Spacing | None) -> str:
    return "spacing unknown" if spacing is None else "spacing {:.3g} x {:.3g} x {:.3g} mm".format(*spacing)


def labels_of_mask(mask: NDArray[np.bool_], value: int) -> NDArray[np.uint8]:
    """Return the label map of a mask of one class; a view where its value is 1."""
    labels = mask.view(np.uint8) if value == 1 else mask * np.uint8(value)
    labels.setflags(write=False)
    return labels


def labels_and_mask(
    labels: NDArray[Any], classes: Classes, shape: tuple[int, ...], mask: NDArray[Any] | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a checked label map, and the mask that follows from it, both read-only.

    Raises:
        ValueError: If the label map has another shape or a value of no class, or a mask that is given is another one.
    """
    if np.shape(labels) != shape:
        raise ValueError(
            wrong("labels", f"of the shape (slices, height, width) = {shape}", f"shape {np.shape(labels)}")
        )
    checked = frozen(check_labels("labels", labels, classes), np.uint8)
    tumour = frozen(checked > 0, np.bool_)
    if mask is not None and not np.array_equal(frozen_mask("mask", mask, shape), tumour):
        raise ValueError(wrong("mask", "left out, or true just where labels are above 0", "another mask"))
    return checked, tumour
