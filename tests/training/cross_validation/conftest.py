"""Six small patients in the LGG layout, a small configuration, and a cross-validation of them."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from braintumorseg import LGGDataset, TrainConfig, cross_validate
from braintumorseg.augmentation import TRANSFORMS
from cases import write_case

PATIENTS = [f"TCGA_{place}_000{number}_20000101" for place in ("AA", "BB") for number in (1, 2, 3)]


@pytest.fixture(scope="package")
def shared(tmp_path_factory):
    """A folder that all workers of pytest-xdist share, and a lock that one of them holds."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "cross_validation"
    folder.mkdir(exist_ok=True)
    return SimpleNamespace(folder=folder, lock=FileLock(base / "cross_validation.lock"))


@pytest.fixture(scope="package")
def root(shared):
    """The folder of the dataset; the first patient of each institution lacks the sequence after contrast."""
    with shared.lock:
        root = shared.folder / "kaggle_3m"
        if not root.exists():
            write_dataset(root)
    return root


def write_dataset(root):
    for seed, name in enumerate(PATIENTS):
        write_case(root / name, seed, slices=6)
    for image in root.glob("TCGA_??_0001_*/*[0-9].tif"):
        pixels = np.array(Image.open(image))
        pixels[..., 2] = pixels[..., 1]
        Image.fromarray(pixels).save(image)


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
def finished(shared, root, tiny):
    """A cross-validation of three folds: its folder and its result, which the worker that comes second reads."""
    folder = shared.folder / "cv"
    with shared.lock:
        result = cross_validate(tiny, LGGDataset(root), folder, folds=3, progress=False)
    return SimpleNamespace(folder=folder, result=result)
