"""Cut the field of view of real patients' T1 through the tumour, and print what a model finds by how the rest is filled.

Run: ``python benchmarks/bench_coverage.py ROOT [PATIENTS]``, where ROOT is the LGG dataset's folder, of which the val part is
taken, its first PATIENTS that have all sequences, or all. Both T1 end at the middle of the tumour, by a plane between slices,
and by one tilted by 15 degrees from front to back; beyond it they are air, once taken as it is, and once known not to be
covered. The dataset states no spacing: 0.9 mm in a slice, and slices that fill 140 mm, are assumed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import islice

import numpy as np

from braintumorseg import LGGDataset, dice, load_pretrained

PIXEL_MM, HEIGHT_MM = 0.9, 140.0


def main(root: str, patients: int | None = None) -> None:
    segmenter = load_pretrained("resunet-lgg")
    scores: dict[str, list[float]] = {}
    val = LGGDataset(root).split("val")
    complete = (study for study in map(val.study, val.patients) if len(study.sequences) == 3)
    for study in islice(complete, patients):
        cases = {"covered": study, "FLAIR alone": study.with_sequences(["flair"])}
        slices, rows, _ = np.ogrid[tuple(slice(length) for length in study.shape)]
        middle = np.argwhere(study.mask).mean(axis=0)
        for degrees in (0, 15):
            above = (slices - middle[0]) * HEIGHT_MM / study.shape[0]
            beyond = above + np.tan(np.radians(degrees)) * (rows - middle[1]) * PIXEL_MM > 0
            covered = ~np.broadcast_to(beyond[..., None], study.volume.shape)
            covered = covered | (np.array(study.sequences) == "flair")
            air = replace(study, volume=np.where(covered, study.volume, study.volume.min(axis=(0, 1, 2))))
            cases[f"cut by a plane of {degrees} degrees, air"] = air
            cases[f"cut by a plane of {degrees} degrees, a copy of the FLAIR"] = replace(air, covered=covered)
        for case, changed in cases.items():
            scores.setdefault(case, []).append(dice(study.mask, segmenter.predict(changed).mask))
        print(study.name, *(f"{case}: {values[-1]:.3f}" for case, values in scores.items()), sep="; ", flush=True)
    for case, values in scores.items():
        print(f"{case}: mean Dice {np.mean(values):.3f} of {len(values)} patients, {segmenter.precision}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
