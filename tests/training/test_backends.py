"""Training on each backend of Keras: the same way, resumed exactly, to the same end."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from braintumorseg import make_study

pytestmark = pytest.mark.slow

# One process per backend, since each takes long to start: a whole run, and one that is broken off and goes on.
SCRIPT = """
import json, sys
import numpy as np
from safetensors.numpy import load_file
from braintumorseg import Preprocessing, TrainConfig, dice, load_pretrained, make_study, read_study, train
from braintumorseg.augmentation import TRANSFORMS
from braintumorseg.training.rounds import Rounds

config = TrainConfig.from_config({
    "name": "tiny", "model": {"name": "unet", "filters": [8, 16], "dropout": 0.1}, "steps": 150, "batch_size": 4,
    "round_steps": 25, "preprocessing": {"size": 32}, "coarse": {"size": 16, "steps": 50},
    "augmentation": dict.fromkeys(TRANSFORMS, 0) | {"flip_left_right": False, "sequence_dropout": 0.2},
    "optimizer": {"learning_rate": 0.01, "ema": 0.8, "warmup_steps": 5},
})
cases = sys.argv[1:]
train(config, cases, [], "whole", cache="cache", progress=False)
saved = Rounds.on_epoch_end

def broken(self, epoch, logs=None):
    saved(self, epoch, logs)
    if epoch == 2:
        raise KeyboardInterrupt

Rounds.on_epoch_end = broken
try:
    train(config, cases, [], "broken", cache="cache", progress=False)
except KeyboardInterrupt:
    pass
Rounds.on_epoch_end = saved
train(config, cases, [], "broken", cache="cache", progress=False)
one, other = load_file("whole/state.safetensors"), load_file("broken/state.safetensors")
study = read_study(cases[0])
print(json.dumps({
    "apart": max(float(np.abs(one[key].astype(float) - other[key]).max()) for key in one),
    "dice": dice(study.mask, load_pretrained("./whole").predict(study).mask),
}))
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Two phantoms as folders of slices."""
    found = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp(f"case_{seed}")
        study = make_study(seed, shape=(6, 64, 64))
        for number, (image, mask) in enumerate(zip(study.volume.astype(np.uint8), study.mask, strict=True), 1):
            Image.fromarray(image).save(folder / f"case{seed}_{number}.png")
            Image.fromarray(mask).save(folder / f"case{seed}_{number}_mask.png")
        found.append(folder)
    return found


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_run_goes_on_exactly_and_learns(backend, cases, tmp_path):
    pytest.importorskip(backend)
    environment = os.environ | {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, *map(str, cases)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["apart"] == 0
    assert result["dice"] > 0.7
