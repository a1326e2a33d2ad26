"""Move the T1 of real patients by known motions, and print how well each motion is found again.

Run: ``python benchmarks/bench_alignment.py ROOT``, where ROOT is the LGG dataset's folder, of which the val part is taken.
Each T1 is brought onto an oblique grid of slightly larger voxels, once as it lies and once with a header that is moved by 4 to
18 mm and up to 6 degrees about each axis. As it lies, nothing may be found; moved, the error is the mean over a ball of 60 mm
around the head's centre. The dataset states no spacing: 0.9 mm in a slice, and slices that fill 140 mm, are assumed.
"""

from __future__ import annotations

import sys

import nibabel as nib
import numpy as np

from braintumorseg import LGGDataset
from braintumorseg.io.alignment import find_motion
from braintumorseg.io.orientation import turned
from braintumorseg.io.resampling import resample

PIXEL_MM, HEIGHT_MM, RADIUS_MM = 0.9, 140.0, 60.0


def main(root: str) -> None:
    random = np.random.default_rng(0)
    errors, missed, invented = [], 0, 0
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
        for name in ("pre", "post"):
            if np.array_equal(study.sequence(name), flair):  # a copy, as the dataset fills what is missing
                continue
            array, _ = resample(study.sequence(name), here, there)
            still = find_motion(array, there, flair, here)
            shift = random.normal(size=3)
            shift *= random.uniform(4, 18) / np.linalg.norm(shift)
            turn = nib.eulerangles.euler2mat(*np.radians(random.uniform(-6, 6, 3)))
            moved = nib.affines.from_matvec(turn, shift)
            found = find_motion(array, turned(moved @ other, there.file_shape), flair, here)
            invented += still is not None
            missed += found is None
            result = "NOT FOUND"
            if found is not None:
                ball = random.normal(size=(200, 3))
                ball *= RADIUS_MM / np.linalg.norm(ball, axis=1)[:, None]
                places = [nib.affines.apply_affine(matrix, ball) for matrix in (found.matrix, moved)]
                errors.append(float(np.linalg.norm(places[0] - places[1], axis=1).mean()))
                result = f"found with an error of {errors[-1]:.2f} mm"
            lain = "nothing found" if still is None else f"INVENTED {still.shift:.1f} mm"
            print(
                f"{study.name} {name}: as it lies {lain}; moved by {np.linalg.norm(shift):.1f} mm, {result}", flush=True
            )
    print(
        f"{len(errors) + missed} T1: mean error {np.mean(errors):.2f} mm, at the most {np.max(errors):.2f} mm; "
        f"{missed} not found, {invented} invented where there was none"
    )


if __name__ == "__main__":
    main(sys.argv[1])
