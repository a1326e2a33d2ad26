"""Six small patients in the LGG layout, a small configuration, and a cross-validation of them."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from braintumorseg import LGGDataset, TrainConfig, cross_validate
from braintumorseg.augmentation import TRANSFORMS
from cases import write_case

PATIENTS = [f"TCGA_{place}_000{number}_20000101" for place in ("AA", "BB") for number in (1, 2, 3)]


@pytest.fixture(scope="package")
def root(tmp_path_factory):
    """The folder of the dataset; the first patient of each institution lacks the sequence after contrast."""
    root = tmp_path_factory.mktemp("data") / "kaggle_3m"
    for seed, name in enumerate(PATIENTS):
        write_case(root / name, seed, slices=6)
    for image in root.glob("TCGA_??_0001_*/*[0-9].tif"):
        pixels = np.array(Image.open(image))
        pixels[..., 2] = pixels[..., 1]
        Image.fromarray(pixels).save(image)
    return root


@pytest.fixture(scope="package")
def tiny():
    """A configuration whose steps take milliseconds, and that learns a little."""
    return TrainConfig.from_config(
        {
            "name": "tiny",
            "model": {"name": "unet", "filters": [4, 8]},
            "steps": 24,
            "batch_size": 4,
            "round_steps": 2,
            "preprocessing": {"size": 32},
            "augmentation": dict.fromkeys(TRANSFORMS, 0),  # whose tracing would take most of the time
            "optimizer": {"learning_rate": 1e-2, "warmup_steps": 2, "ema": 0.5},
        }
    )


@pytest.fixture(scope="package")
def finished(root, tiny, tmp_path_factory):
    """A cross-validation of three folds: its folder, its arguments and its result."""
    folder = tmp_path_factory.mktemp("finished") / "cv"
    result = cross_validate(tiny, LGGDataset(root), folder, folds=3, progress=False)
    return SimpleNamespace(folder=folder, result=result)
