"""Synthetic patients as files, in the layout of the LGG dataset: what the examples run on with --smoke."""

from pathlib import Path

import numpy as np
from PIL import Image

from braintumorseg import make_study


def write_phantoms(folder, seeds, shape=(4, 64, 64), **options):
    """Write one patient a seed, each a folder of `<patient>_<number>.tif` with `<patient>_<number>_mask.tif` beside.

    Options are those of `make_study`. Returns the patients' folders.
    """
    cases = []
    for seed in seeds:
        study = make_study(seed, shape=shape, **options)
        case = Path(folder) / f"phantom-{seed}"
        case.mkdir(parents=True, exist_ok=True)
        for number, (image, mask) in enumerate(zip(study.volume, study.mask, strict=True), start=1):
            pixels = image[..., 0] if image.shape[-1] == 1 else image
            Image.fromarray(pixels.round().astype(np.uint8)).save(case / f"{case.name}_{number}.tif")
            Image.fromarray(mask.astype(np.uint8) * 255).save(case / f"{case.name}_{number}_mask.tif")
        cases.append(case)
    return cases
