"""One pass over the dataset: a row for each patient, where tumours lie, and what is odd."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError, check_integer
from braintumorseg.cohort.genomics.association import CLUSTERINGS
from braintumorseg.cohort.genomics.effects import cramers_v
from braintumorseg.cohort.genomics.fisher import fisher_test
from braintumorseg.datasets.dataset import NOT_GIVEN, Dataset
from braintumorseg.datasets.lgg import LGGDataset
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.study import SEQUENCES, Study

CLINICAL = ("histological_type", "neoplasm_histologic_grade", "laterality")
TINY = 20
"""Voxels: slices whose mask has fewer are named."""

_LACKING = ": is not there"
_LEVELS, _SIDE = 24, 64
_UNCLEAR = 0.1  # of the head's half-width: a tumour whose middle is closer to the midline has no side


@dataclass(frozen=True, eq=False)
class Example:
    """One slice to show.

    Attributes:
        name: The study's name.
        slice: Which slice, from 0.
        image: Float32 array ``(height, width, 3)``: pre-contrast, FLAIR, post-contrast, 0 to 1; FLAIR in the place of what
            is absent.
        mask: Boolean array ``(height, width)``.
    """

    name: str
    slice: int
    image: NDArray[np.float32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Exploration:
    """What ``explore`` found.

    Attributes:
        table: One row per study, by name: ``institution``; ``slices`` and ``tumour_slices``; ``tumour_voxels``; ``absent``, the
            sequences that are copies of the FLAIR; ``smallest_mask``, voxels of the smallest mask of a slice; ``side``,
            where the middle of the tumour lies across the head, -1 (left edge of the image) to 1; ``contrast``, how much
            brighter the FLAIR is in the mask than in its mirror image, in standard deviations of the head.
        slice_voxels: Tumour voxels of every slice with tumour.
        heat: ``(levels, 64, 64)``: how many patients have tumour there, heads cropped, and levels evenly from the first slice
            to the last.
        head: ``(levels, 64, 64)``: the mean FLAIR on the same grid.
        clinical: The clinical table, columns as published.
        associations: One row a pair of a clustering and a clinical column: ``patients``, Fisher's ``p_value``, ``cramers_v``.
        examples: Slices to show: the largest of random patients.
        without: The same patients' slices without tumour, where they have one.
        oddities: What is odd in the data, one line each.
        patients: Number of patients; several studies may be of one.
    """

    table: pd.DataFrame
    slice_voxels: NDArray[np.int64]
    heat: NDArray[np.int64]
    head: NDArray[np.float32]
    clinical: pd.DataFrame
    associations: pd.DataFrame
    examples: tuple[Example, ...]
    without: tuple[Example, ...]
    oddities: tuple[str, ...]
    patients: int

    def __str__(self) -> str:
        slices, tumour = int(self.table["slices"].sum()), int(self.table["tumour_slices"].sum())
        of = "" if len(self.table) == self.patients else f"{len(self.table)} studies of "
        lines = [f"{of}{self.patients} patients, {slices} slices, {tumour} with tumour; {len(self.oddities)} oddities"]
        return "\n".join([*lines, *self.oddities])


def explore(dataset: Dataset, *, examples: int = 8, seed: int = 0) -> Exploration:
    """Look at a whole dataset once.

    Oddities are found by the code, not listed in it: what the dataset's ``problems`` name; sequences that are absent, in
    the LGG dataset copies of the FLAIR; slices whose mask has fewer than 20 voxels; tumours on the other side than the
    clinical table's laterality says, read as most patients of the same code have it; and masks in which the FLAIR is darker
    than in the mask's mirror image, as where image or mask was flipped.

    Args:
        dataset: The studies, with masks; each is held for a moment only.
        examples: How many patients to show slices of.
        seed: Which patients.

    Raises:
        DataError: If a study can't be read or has no mask.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from PIL import Image
        >>> from braintumorseg import LGGDataset, make_study
        >>> from braintumorseg.cohort import explore
        >>> study = make_study(seed=0, shape=(4, 64, 64))
        >>> folder = Path("kaggle_3m/TCGA_CS_4941_19960909")
        >>> folder.mkdir(parents=True)
        >>> for number, (image, mask) in enumerate(zip(study.volume, study.mask), 1):
        ...     Image.fromarray(image.astype(np.uint8)).save(folder / f"{folder.name}_{number}.tif")
        ...     Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{folder.name}_{number}_mask.tif")
        >>> _ = Path("kaggle_3m/data.csv").write_text("Patient,laterality")
        >>> explore(LGGDataset("kaggle_3m")).table["slices"].tolist()
        [4]
    """
    check_integer("examples", examples, 1)
    random = np.random.default_rng(seed)
    dataset.check_masks()
    institutions = dataset.institutions
    shown = set(random.choice(dataset.names, min(examples, len(dataset)), replace=False).tolist())
    rows: dict[str, dict[str, Any]] = {}
    sizes: list[NDArray[np.int64]] = []
    heat = np.zeros((_LEVELS, _SIDE, _SIDE), np.int64)
    head = np.zeros((_LEVELS, _SIDE, _SIDE), np.float64)
    with_tumour: list[Example] = []
    without: list[Example] = []
    for study in dataset:
        if study.mask is None:
            msg = f"{dataset.case(study.name).paths[0]}: has no masks; exploring needs them"
            raise DataError(msg)
        areas = np.count_nonzero(study.mask, axis=(1, 2))
        sizes.append(areas[areas > 0])
        flair, mask = _aligned(study)
        heat += mask
        head += flair
        rows[study.name] = {
            "institution": institutions.get(study.name, NOT_GIVEN),
            "slices": len(areas),
            "tumour_slices": int((areas > 0).sum()),
            "tumour_voxels": int(areas.sum()),
            "absent": ", ".join(name for name in SEQUENCES if name not in study.sequences),
            "smallest_mask": int(areas[areas > 0].min()) if areas.any() else 0,
            "side": _side(mask),
            "contrast": _contrast(flair, mask),
        }
        if study.name in shown:
            with_tumour.append(_example(study, int(areas.argmax())))
            empty = np.flatnonzero(areas == 0)
            if len(empty):
                middle = empty[np.abs(empty - len(areas) / 2).argmin()]
                without.append(_example(study, int(middle)))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
    clinical = dataset.table
    return Exploration(
        table=table,
        slice_voxels=np.concatenate(sizes),
        heat=heat,
        head=(head / len(dataset)).astype(np.float32),
        clinical=clinical,
        associations=_associations(clinical),
        examples=tuple(with_tumour),
        without=tuple(without),
        oddities=tuple(_oddities(dataset, table, clinical)),
        patients=len(dataset.patients),
    )


def _aligned(study: Study) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return FLAIR and mask, ``(levels, 64, 64)``, cropped to the head."""
    assert study.mask is not None
    preprocessing = Preprocessing(size=_SIDE, sequences=("flair",), slab=0)
    prepared = preprocessing.apply(study)
    levels = np.linspace(0, study.shape[0] - 1, _LEVELS).round().astype(int)
    mask = preprocessing.apply_mask(study.mask, prepared.placement) >= 0.5
    return prepared.images[levels, ..., 0], mask[levels]


def _side(mask: NDArray[np.bool_]) -> float:
    """Return where the middle of the mask lies across the head, -1 to 1; NaN for an empty one."""
    across = mask.sum(axis=(0, 1))
    return float(across @ np.linspace(-1, 1, _SIDE) / across.sum()) if across.any() else float("nan")


def _contrast(flair: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Return by how much the FLAIR is brighter in the mask, without what mirrors itself, than in its mirror image."""
    own = mask & ~mask[:, :, ::-1]
    inside = flair > flair.min()
    if not own.any() or not inside.any():
        return float("nan")
    return float((flair[own].mean() - flair[own[:, :, ::-1]].mean()) / flair[inside].std())


def _example(study: Study, index: int) -> Example:
    assert study.mask is not None
    flair = study.sequence("flair")
    channels = [study.sequence(name) if name in study.sequences else flair for name in SEQUENCES]
    scaled = [each[index] / max(float(np.percentile(each, 99.7)), 1e-6) for each in channels]
    return Example(study.name, index, np.clip(np.stack(scaled, -1), 0, 1), study.mask[index].copy())


def _associations(clinical: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for clustering in (each for each in CLUSTERINGS if each in clinical):
        for column in (each for each in CLINICAL if each in clinical):
            known = clinical[[clustering, column]].dropna()
            counts = pd.crosstab(known[clustering], known[column]).to_numpy()
            tested = counts.size > 0
            rows.append(
                {
                    "clustering": clustering,
                    "clinical": column,
                    "patients": len(known),
                    "p_value": fisher_test(counts).p_value if tested else float("nan"),
                    "cramers_v": cramers_v(counts).value if tested else float("nan"),
                }
            )
    return pd.DataFrame(rows, columns=["clustering", "clinical", "patients", "p_value", "cramers_v"])


def _oddities(dataset: Dataset, table: pd.DataFrame, clinical: pd.DataFrame) -> Iterable[str]:
    lines = [line.removeprefix(f"{dataset.root}{os.sep}") for line in dataset.problems()]
    lacking = [line.removesuffix(_LACKING) for line in lines if line.endswith(_LACKING)]
    if lacking:
        yield f"{len(lacking)} patients of the split are not there: {', '.join(lacking)}"
    yield from (line for line in lines if not line.endswith(_LACKING))
    for absent, rows in table[table["absent"] != ""].groupby("absent"):
        if isinstance(dataset, LGGDataset):
            yield f"{absent}: not taken, but a copy of the FLAIR, in {len(rows)} patients: {', '.join(rows.index)}"
        elif len(rows) < len(table):  # what no study has is no oddity
            yield f"{absent}: absent in {len(rows)} of {len(table)} studies: {', '.join(rows.index)}"
    for name, smallest in table["smallest_mask"].items():
        if 0 < smallest < TINY:
            yield f"{name}: its smallest mask of a slice has {smallest} voxels"
    sides = _sides(table["side"], clinical)
    for name, (code, expected) in sides.items():
        found = table.loc[name, "side"]
        yield (
            f"{name}: the tumour lies on the {_word(found)} of the image, though laterality {code} is the "
            f"{_word(expected)} in most patients: flipped, or wrong in the table"
        )
    for name, contrast in table["contrast"].items():
        if contrast < 0:
            yield (
                f"{name}: the FLAIR is darker in the mask than in its mirror image, by {-contrast:.2f} standard deviations: "
                "flipped, or drawn on something else"
            )


def _sides(side: pd.Series[float], clinical: pd.DataFrame) -> dict[str, tuple[str, float]]:
    """Return the patients on the other side than most of their laterality: the code, and the side it stands for."""
    if "laterality" not in clinical:
        return {}
    clear = side[side.abs() > _UNCLEAR]
    found: dict[str, tuple[str, float]] = {}
    for code, patients in clear.groupby(clinical["laterality"].reindex(clear.index)):
        usual = float(np.sign(patients.median()))
        if (np.sign(patients) == usual).mean() < 0.75:  # a code that stands for no side
            continue
        called = f"{code:g}" if isinstance(code, float) else str(code)
        found |= {str(name): (called, usual) for name, value in patients.items() if np.sign(value) != usual}
    return found


def _word(side: Any) -> str:
    return "left" if side < 0 else "right"
