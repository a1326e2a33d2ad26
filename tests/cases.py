"""Small patients on disk."""

import numpy as np
from PIL import Image

from braintumorseg import make_study


def write_case(folder, seed, slices=4, side=64):
    """Write a phantom as a folder of slices and masks, as the LGG dataset does."""
    study = make_study(seed=seed, shape=(slices, side, side))
    folder.mkdir(parents=True)
    pixels = np.round(study.volume).astype(np.uint8)
    for number, (image, mask) in enumerate(zip(pixels, study.mask, strict=True), 1):
        Image.fromarray(image).save(folder / f"{folder.name}_{number}.tif")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{folder.name}_{number}_mask.tif")
    return folder
