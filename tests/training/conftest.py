"""Small studies on disk and a small configuration, for runs of seconds."""

import pytest

from braintumorseg import TrainConfig
from braintumorseg.augmentation import TRANSFORMS
from cases import write_case


@pytest.fixture(scope="session")
def cases(tmp_path_factory):
    """Paths of four small patients, one of them the validation patient."""
    root = tmp_path_factory.mktemp("cases")
    return [write_case(root / f"case_{seed}", seed, slices=6) for seed in range(4)]


@pytest.fixture(scope="session")
def tiny():
    """A configuration that uses every part of a run: coarse images, studies without skull, dropout, validation."""
    return TrainConfig.from_config(
        {
            "name": "tiny",
            "model": {"name": "unet", "filters": [4, 8], "dropout": 0.2},
            "steps": 8,
            "batch_size": 4,
            "round_steps": 2,
            "validate_every": 2,
            "preprocessing": {"size": 32},
            "coarse": {"size": 16, "steps": 4},
            "sampling": {"stripped_share": 0.25},
            "augmentation": {"sequence_dropout": 0.3},
            "optimizer": {"warmup_steps": 2, "ema": 0.5},
        }
    )


@pytest.fixture(scope="session")
def plain(tiny):
    """The same in one size, and without augmentation, whose tracing takes most of a small run's time."""
    off = dict.fromkeys(TRANSFORMS, 0) | {"flip_left_right": False}
    return tiny.replace(augmentation=off).set(["coarse.steps=0", "sampling.stripped_share=0"])
