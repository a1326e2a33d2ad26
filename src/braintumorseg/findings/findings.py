"""What was found in a study, in figures: where the tumour is, how large, in how many pieces, and how far to trust it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._core.checks import wrong
from braintumorseg._core.files import check_free, replacing
from braintumorseg.findings.quality import Quality, assess_quality
from braintumorseg.measures import Diameters, in_plane_diameters
from braintumorseg.preprocessing.foreground import find_foreground
from braintumorseg.study import Geometry, Segmentation, Spacing, Study

_TOUCHING = np.ones((3, 3, 3), bool)
# Between these shares on the left, a tumour is of both hemispheres.
_BOTH = (0.4, 0.6)

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Place = tuple[float, float, float]
Hemisphere = Literal["left", "right", "both"]


@dataclass(frozen=True)
class Region:
    """One connected piece of a mask, or a whole mask.

    Attributes:
        voxels: Number of voxels.
        volume_ml: Volume in millilitres; ``None`` where the spacing is unknown.
        slices: Number of slices that it touches.
        centroid: Mean ``(slice, row, column)`` of its voxels, from 0.
        centroid_mm: The same in the world, RAS+ millimetres; ``None`` where the geometry is unknown.
        box: First and last index that it touches along slice, row and column, from 0.
        box_mm: Lengths of that box along slice, row and column; ``None`` where the spacing is unknown.
        diameters: Longest diameter in the plane of a slice and the longest across it, see :func:`in_plane_diameters`.
    """

    voxels: int
    volume_ml: float | None
    slices: int
    centroid: Place
    centroid_mm: Place | None
    box: Box
    box_mm: Spacing | None
    diameters: Diameters


@dataclass(frozen=True)
class Findings:
    """What was found in one study.

    Attributes:
        name: The study's name.
        shape: The grid, ``(slices, height, width)``.
        spacing: Voxel size in mm along (slice, row, column), or ``None``.
        tumour: All that was found; ``None`` where nothing was.
        lesions: Its connected pieces (voxels that share a face, an edge or a corner), the largest first.
        largest_slice: Index of the slice in which it covers most voxels, from 0; ``None`` where nothing was found.
        largest_area: How many voxels it covers there.
        largest_area_mm2: Area there in mm²; ``None`` where the spacing is unknown.
        left_share: Share of the tumour's voxels on the patient's left of the head's middle.
        hemisphere: ``"left"``, ``"right"``, or ``"both"`` where 40 to 60 % lie on the left.
        hemisphere_from: ``"world"`` where the file's geometry says which side is which, ``"display"`` where it has none and
            the image's left was taken for the patient's right, as radiologists look at it and as in the LGG dataset.
        quality: How far to trust it.
        notes: What a reader must know of how it was made.
    """

    name: str
    shape: tuple[int, int, int]
    spacing: Spacing | None
    tumour: Region | None
    lesions: tuple[Region, ...]
    largest_slice: int | None
    largest_area: int
    largest_area_mm2: float | None
    left_share: float | None
    hemisphere: Hemisphere | None
    hemisphere_from: Literal["world", "display"] | None
    quality: Quality
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON can hold."""
        return asdict(self)

    def to_row(self) -> dict[str, Any]:
        """Return one flat row for a table; what is unknown is ``None``."""
        whole = self.tumour
        centroid = (whole.centroid_mm if whole else None) or (None,) * 3
        box = [end for pair in (whole.box if whole else ((None, None),) * 3) for end in pair]
        diameters = whole.diameters if whole else None
        flags = "; ".join(flag.text for flag in self.quality.flags)
        return {
            "name": self.name,
            "voxels": whole.voxels if whole else 0,
            "volume_ml": whole.volume_ml if whole else (None if self.spacing is None else 0.0),
            "slices": whole.slices if whole else 0,
            "lesions": len(self.lesions),
            **dict(zip(("centroid_x_mm", "centroid_y_mm", "centroid_z_mm"), centroid, strict=True)),
            **dict(zip(_BOX_COLUMNS, box, strict=True)),
            "longest_diameter": diameters.longest if diameters else None,
            "perpendicular_diameter": diameters.perpendicular if diameters else None,
            "diameter_unit": diameters.unit if diameters else None,
            "diameter_slice": diameters.slice if diameters else None,
            "largest_slice": self.largest_slice,
            "largest_area": self.largest_area,
            "largest_area_mm2": self.largest_area_mm2,
            "hemisphere": self.hemisphere,
            "left_share": self.left_share,
            "quality": self.quality.score,
            "quality_level": self.quality.level,
            "quality_flags": flags,
            "notes": "; ".join(self.notes),
        }


_BOX_COLUMNS = tuple(f"{axis}_{end}" for axis in ("slice", "row", "column") for end in ("first", "last"))


def measure_findings(study: Study, segmentation: Segmentation) -> Findings:
    """Measure what was found in a study.

    Args:
        study: The study; its images tell the middle of the head and how near they are to those that models were trained on.
        segmentation: What was found in it, on the same grid.

    Raises:
        ValueError: If the two are not on the same grid.

    Examples:
        >>> from braintumorseg import Segmentation, make_study, measure_findings
        >>> study = make_study(seed=0, shape=(12, 96, 96))
        >>> findings = measure_findings(study, Segmentation(study.mask, geometry=study.geometry))
        >>> round(findings.tumour.volume_ml, 1), findings.hemisphere, len(findings.lesions)
        (99.9, 'right', 1)
    """
    if study.shape != segmentation.shape:
        msg = wrong("segmentation", f"on the study's grid {study.shape}", f"one of shape {segmentation.shape}")
        raise ValueError(msg)
    mask, spacing, geometry = segmentation.mask, segmentation.spacing, segmentation.geometry
    tumour = largest = area_mm2 = None
    area = 0
    lesions: list[Region] = []
    if mask.any():
        labels, _ = ndimage.label(mask, _TOUCHING)
        pieces = enumerate(ndimage.find_objects(labels), 1)
        lesions = [_measure_region(labels[box] == label, box, spacing, geometry) for label, box in pieces]
        lesions.sort(key=lambda each: (-each.voxels, each.box))
        (whole,) = ndimage.find_objects(mask.astype(np.uint8))
        tumour = _measure_region(mask[whole], whole, spacing, geometry)
        areas = np.count_nonzero(mask, axis=(1, 2))
        largest = int(areas.argmax())
        area = int(areas[largest])
        area_mm2 = None if spacing is None else area * spacing[1] * spacing[2]
    left = _left_share(study, mask, geometry)
    return Findings(
        name=segmentation.name,
        shape=segmentation.shape,
        spacing=spacing,
        tumour=tumour,
        lesions=tuple(lesions),
        largest_slice=largest,
        largest_area=area,
        largest_area_mm2=area_mm2,
        left_share=left,
        hemisphere=None if left is None else _hemisphere(left),
        hemisphere_from=None if left is None else "display" if geometry is None else "world",
        quality=assess_quality(study, segmentation),
        notes=segmentation.notes,
    )


def write_findings(
    findings: Findings | Sequence[Findings], path: str | PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write findings for programs and for tables.

    Args:
        findings: Those of one study, or of many.
        path: Where to: ``.json`` holds everything, of many studies as a list; ``.csv`` one row a study, as
            ``Findings.to_row`` gives it.
        overwrite: Whether a file there may be replaced.

    Returns:
        The path.

    Raises:
        DataError: If the file exists and may not be replaced, or can't be written.
        ValueError: If the path ends otherwise.

    Examples:
        >>> from braintumorseg import Segmentation, make_study, measure_findings
        >>> from braintumorseg.findings import write_findings
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> findings = measure_findings(study, Segmentation(study.mask, geometry=study.geometry))
        >>> write_findings(findings, "measures.json").name
        'measures.json'
    """
    path = Path(path)
    if path.suffix not in (".json", ".csv"):
        msg = wrong("path", "a name that ends in .json or .csv", str(path))
        raise ValueError(msg)
    check_free(path, overwrite=overwrite)
    many = [findings] if isinstance(findings, Findings) else list(findings)
    with replacing(path, overwrite=overwrite) as beside:
        if path.suffix == ".csv":
            pd.DataFrame([each.to_row() for each in many]).to_csv(beside, index=False)
        else:
            record = findings.to_dict() if isinstance(findings, Findings) else [each.to_dict() for each in many]
            beside.write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
    return path


def _measure_region(
    region: NDArray[np.bool_], box: tuple[slice, ...], spacing: Spacing | None, geometry: Geometry | None
) -> Region:
    """Measure the true voxels of a piece cut out of the volume at ``box``."""
    start = np.array([side.start for side in box])
    voxels = int(np.count_nonzero(region))
    centroid = start + [float(places.mean()) for places in np.nonzero(region)]
    diameters = in_plane_diameters(region, spacing)
    assert diameters is not None  # a region holds a voxel
    return Region(
        voxels=voxels,
        volume_ml=None if spacing is None else voxels * float(np.prod(spacing)) / 1000,
        slices=int(region.any(axis=(1, 2)).sum()),
        centroid=_three(centroid),
        centroid_mm=None if geometry is None else _three((geometry.affine @ [*centroid, 1.0])[:3]),
        box=_box(box),
        box_mm=None if spacing is None else _three(np.multiply(region.shape, spacing)),
        diameters=_moved(diameters, start),
    )


def _three(values: Iterable[float]) -> Place:
    first, second, third = (float(value) for value in values)
    return (first, second, third)


def _box(box: tuple[slice, ...]) -> Box:
    first, second, third = ((int(side.start), int(side.stop) - 1) for side in box)
    return (first, second, third)


def _moved(diameters: Diameters, start: NDArray[np.int_]) -> Diameters:
    """Place diameters that were measured in a box on the whole grid."""
    row, column = (float(value) for value in start[1:])
    ends = []
    for (a, b), (c, d) in (diameters.longest_ends, diameters.perpendicular_ends):
        ends.append(((a + row, b + column), (c + row, d + column)))
    return Diameters(
        diameters.longest,
        diameters.perpendicular,
        diameters.unit,
        diameters.slice + int(start[0]),
        longest_ends=ends[0],
        perpendicular_ends=ends[1],
    )


def _left_share(study: Study, mask: NDArray[np.bool_], geometry: Geometry | None) -> float | None:
    """Return the share of the mask on the patient's left of the middle of the head; ``None`` of an empty mask."""
    head = find_foreground(study.sequence("flair" if "flair" in study.sequences else study.sequences[0]))
    if not mask.any() or not head.any():
        return None
    # Along (slice, row, column): how far to the patient's right a step goes.
    steps = np.array([0.0, 0.0, -1.0]) if geometry is None else geometry.affine[0, :3]
    grids = np.ogrid[tuple(slice(length) for length in study.shape)]
    rightward = sum(np.float32(step) * grid.astype(np.float32) for step, grid in zip(steps, grids, strict=True))
    places = np.broadcast_to(np.asarray(rightward), study.shape)
    return float(np.mean(places[mask] < np.median(places[head])))


def _hemisphere(left_share: float) -> Hemisphere:
    low, high = _BOTH
    return "right" if left_share < low else "left" if left_share > high else "both"
