"""What was found in a study, as records: where the tumour is, how large, in how many pieces, and how far to trust it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from braintumorseg.findings.quality import Quality
from braintumorseg.measures import Diameters
from braintumorseg.study import Spacing

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
class ClassSize:
    """How much of one class was found.

    Attributes:
        name: The class's name.
        voxels: Number of its voxels.
        volume_ml: Volume in millilitres; ``None`` where the spacing is unknown.
    """

    name: str
    voxels: int
    volume_ml: float | None


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
        classes: How much of each class was found; empty if there is one class. Of nested classes, what lies within the next one
            counts there alone.
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
    classes: tuple[ClassSize, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON can hold; slices, rows and columns are counted from 0."""
        return asdict(self)

    def to_row(self) -> dict[str, Any]:
        """Return one flat row of a table for readers: unknown values are ``None``.

        Columns that end in ``_number`` count slices, rows and columns from 1, as the pages do.
        """
        whole = self.tumour
        centroid = (whole.centroid_mm if whole else None) or (None,) * 3
        diameters = whole.diameters if whole else None
        return {
            "name": self.name,
            "voxels": whole.voxels if whole else 0,
            "volume_ml": whole.volume_ml if whole else (None if self.spacing is None else 0.0),
            **{f"voxels of {each.name}": each.voxels for each in self.classes},
            **{f"volume_ml of {each.name}": each.volume_ml for each in self.classes},
            "slices": whole.slices if whole else 0,
            "lesions": len(self.lesions),
            **dict(zip(("centroid_x_mm", "centroid_y_mm", "centroid_z_mm"), centroid, strict=True)),
            **_box_numbers(whole),
            "longest_diameter": diameters.longest if diameters else None,
            "perpendicular_diameter": diameters.perpendicular if diameters else None,
            "diameter_unit": diameters.unit if diameters else None,
            "diameter_slice_number": diameters.slice + 1 if diameters else None,
            "largest_slice_number": None if self.largest_slice is None else self.largest_slice + 1,
            "largest_area": self.largest_area,
            "largest_area_mm2": self.largest_area_mm2,
            "hemisphere": self.hemisphere,
            "left_share": self.left_share,
            "quality": self.quality.score,
            "quality_level": self.quality.level,
            "quality_flags": "; ".join(flag.text for flag in self.quality.flags),
            "notes": "; ".join(self.notes),
        }


def _box_numbers(region: Region | None) -> dict[str, int | None]:
    """Return the first and the last slice, row and column of a region, counted from 1."""
    found: dict[str, int | None] = {}
    for place, axis in enumerate(("slice", "row", "column")):
        for end, word in enumerate(("first", "last")):
            found[f"{word}_{axis}_number"] = None if region is None else region.box[place][end] + 1
    return found
