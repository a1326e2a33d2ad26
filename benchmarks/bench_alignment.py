"""Move the T1 of real patients by known motions, and print how well each motion is found again.

Run: ``python benchmarks/bench_alignment.py ROOT``, where ROOT is the LGG dataset's folder, of which the val part is taken.
Each T1 is brought onto an oblique grid of slightly larger voxels, once as it lies and once with a header that is moved by 4 to
18 mm and up to 6 degrees about each axis, T1 before and after contrast by motions of their own. As it lies, nothing may be
found; moved, the error is the mean over a ball of 60 mm around the head's centre. T1 after contrast is looked for twice: by
the FLAIR alone, and as ``read_study`` does, by the FLAIR and by T1 before contrast as it was placed. The dataset states no
spacing: 0.9 mm in a slice, and slices that fill 140 mm, are assumed.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from braintumorseg import LGGDataset
from braintumorseg.io.grids.orientation import turned
from braintumorseg.io.grids.registration import Motion, find_motion
from braintumorseg.io.grids.resampling import resample
from braintumorseg.study import Geometry

PIXEL_MM, HEIGHT_MM, RADIUS_MM = 0.9, 140.0, 60.0


def main(root: str) -> None:
    random = np.random.default_rng(0)
    errors: dict[str, list[float]] = {}
    missed, invented = 0, 0
    for study in LGGDataset(root).split("val"):
        slices, height, width = study.shape
        grid = np.array([width, height, slices])
        affine = np.diag([-PIXEL_MM, -PIXEL_MM, HEIGHT_MM / slices, 1])
        affine[:3, 3] = -affine[:3, :3] @ ((grid - 1) / 2)
        other = affine.copy()
        other[:3, :3] = nib.eulerangles.euler2mat(0.05, -0.08, 0.03) @ affine[:3, :3] * 1.05
        other[:3, 3] = -other[:3, :3] @ ((grid - 1) / 2) + [2, -3, 1]
        here, there = (turned(each, (width, height, slices)) for each in (affine, other))
        flair = study.sequence("flair")
        # What a T1 is compared with where it was moved, and where it lies as it lay.
        by = {"FLAIR": [(flair[..., None], None)] * 2}
        for name in ("t1", "t1ce"):
            if np.array_equal(study.sequence(name), flair):  # a copy, as the dataset fills what is missing
                continue
            array, _ = resample(study.sequence(name), here, there)
            shift = random.normal(size=3)
            shift *= random.uniform(4, 18) / np.linalg.norm(shift)
            turn = nib.eulerangles.euler2mat(*np.radians(random.uniform(-6, 6, 3)))
            moved = nib.affines.from_matvec(turn, shift)
            away = turned(moved @ other, there.file_shape)
            ball = random.normal(size=(200, 3))
            ball *= RADIUS_MM / np.linalg.norm(ball, axis=1)[:, None]
            for fixed, ((volume, covered), (as_it_lay, covered_then)) in by.items():
                still = find_motion(array, there, as_it_lay, here, covered_then)
                found = find_motion(array, away, volume, here, covered)
                invented += still is not None
                missed += found is None
                result = "NOT FOUND"
                if found is not None:
                    places = [nib.affines.apply_affine(matrix, ball) for matrix in (found.matrix, moved)]
                    error = float(np.linalg.norm(places[0] - places[1], axis=1).mean())
                    errors.setdefault(f"{name} by {fixed}", []).append(error)
                    result = f"found with an error of {error:.2f} mm"
                lain = "nothing found" if still is None else f"INVENTED {still.shift:.1f} mm"
                how_far = f"{np.linalg.norm(shift):.1f} mm"
                print(f"{study.name} {name} by {fixed}: as it lies {lain}; moved by {how_far}, {result}", flush=True)
            if name == "t1":
                by["FLAIR and t1"] = [_with(flair, array, away, here, found), _with(flair, array, there, here, still)]
    for case, values in errors.items():
        print(f"{case}: {len(values)} found, mean error {np.mean(values):.2f} mm, at the most {np.max(values):.2f} mm")
    print(f"{missed} not found, {invented} invented where there was none")


def _with(
    flair: NDArray[np.float32], array: NDArray[np.float32], place: Geometry, here: Geometry, motion: Motion | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the FLAIR and a T1 as it was placed beside it, and where each reaches."""
    if motion is not None:
        place = replace(place, file_affine=np.linalg.inv(motion.matrix) @ place.file_affine)
    brought, covered = resample(array, place, here)
    return np.stack([flair, brought], axis=-1), np.stack([np.ones_like(covered), covered], axis=-1)


if __name__ == "__main__":
    main(sys.argv[1])
