"""Measuring what was found in a study."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._core.checks import wrong
from braintumorseg._core.steps import SpacingLike, as_steps, in_plane, lengths_of, size_of
from braintumorseg.findings.quality import assess_quality
from braintumorseg.findings.records import Box, ClassSize, Findings, Hemisphere, Place, Region
from braintumorseg.measures import Diameters, in_plane_diameters
from braintumorseg.preprocessing.foreground import find_foreground
from braintumorseg.study import Geometry, Segmentation, Study

_TOUCHING = np.ones((3, 3, 3), bool)
# Between these shares on the left, a tumour is of both hemispheres.
_BOTH = (0.4, 0.6)


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
    mask, steps, geometry = segmentation.mask, segmentation.steps, segmentation.geometry
    tumour = largest = area_mm2 = None
    area = 0
    lesions: list[Region] = []
    if mask.any():
        labels, _ = ndimage.label(mask, _TOUCHING)
        pieces = enumerate(ndimage.find_objects(labels), 1)
        lesions = [_measure_region(labels[box] == label, box, steps, geometry) for label, box in pieces]
        lesions.sort(key=lambda each: (-each.voxels, each.box))
        (whole,) = ndimage.find_objects(mask.astype(np.uint8))
        tumour = _measure_region(mask[whole], whole, steps, geometry)
        areas = np.count_nonzero(mask, axis=(1, 2))
        largest = int(areas.argmax())
        area = int(areas[largest])
        area_mm2 = None if steps is None else area * size_of(in_plane(as_steps(steps, 3)))
    left = _left_share(study, mask, geometry)
    return Findings(
        name=segmentation.name,
        shape=segmentation.shape,
        spacing=segmentation.spacing,
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
        classes=_class_sizes(segmentation) if len(segmentation.classes) > 1 else (),
    )


def _class_sizes(segmentation: Segmentation) -> tuple[ClassSize, ...]:
    counts = np.bincount(segmentation.labels.ravel(), minlength=256)
    volumes = segmentation.class_ml or {}
    return tuple(ClassSize(each.name, int(counts[each.value]), volumes.get(each.name)) for each in segmentation.classes)


def _measure_region(
    region: NDArray[np.bool_], box: tuple[slice, ...], steps: SpacingLike | None, geometry: Geometry | None
) -> Region:
    """Measure the true voxels of a piece cut out of the volume at ``box``."""
    start = np.array([side.start for side in box])
    voxels = int(np.count_nonzero(region))
    centroid = start + [float(places.mean()) for places in np.nonzero(region)]
    diameters = in_plane_diameters(region, steps)
    assert diameters is not None  # a region holds a voxel
    return Region(
        voxels=voxels,
        volume_ml=None if steps is None else voxels * size_of(as_steps(steps, 3)) / 1000,
        slices=int(region.any(axis=(1, 2)).sum()),
        centroid=_three(centroid),
        centroid_mm=None if geometry is None else _three((geometry.affine @ [*centroid, 1.0])[:3]),
        box=_box(box),
        box_mm=None if steps is None else _three(np.multiply(region.shape, lengths_of(as_steps(steps, 3)))),
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
