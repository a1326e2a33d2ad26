"""The scripts that made what is released."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from braintumorseg import Preprocessing, Segmenter, load_pretrained
from braintumorseg.card import Card
from braintumorseg.models import build_unet

TOOL = Path(__file__).parents[1] / "tools" / "average_presets.py"
TEXTS = ("summary", "data", "split", "licence", "intended_use", "limits")


def save(folder, seed, filters=(4, 8)):
    keras.utils.set_random_seed(seed)
    card = Card(**dict.fromkeys(TEXTS, "test"), recipe=f"run {seed}")
    model = build_unet((None, None, 3), filters=filters)
    Segmenter(model, Preprocessing(size=32), name="mine", threshold=0.5 - seed / 10, card=card).save(folder)
    return load_pretrained(folder)


def average(*arguments):
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_presets_are_averaged_by_their_shares(tmp_path):
    one, other = save(tmp_path / "one", 1), save(tmp_path / "other", 2)
    done = average(tmp_path / "one", tmp_path / "other", "--shares", 3, 1, "--out", tmp_path / "mean")
    assert done.returncode == 0, done.stderr
    mean = load_pretrained(tmp_path / "mean")
    for path, weight in mean.network().weights.items():
        expected = 0.75 * one.network().weights[path] + 0.25 * other.network().weights[path]
        np.testing.assert_allclose(weight, expected, atol=1e-6)
    assert mean.threshold == other.threshold
    assert mean.card.recipe == "weighted mean of weights: 0.75 (run 1) and 0.25 (run 2)"


def test_what_can_t_be_averaged_is_refused(tmp_path):
    save(tmp_path / "one", 1), save(tmp_path / "wide", 2, (4, 16))
    for arguments in ((tmp_path / "one", tmp_path / "wide"), (tmp_path / "one", "--shares", 1, 2)):
        refused = average(*arguments, "--out", tmp_path / "mean")
        assert refused.returncode == 2
        assert "must be of the architecture" in refused.stderr or "one number from 0 for each preset" in refused.stderr
    assert not (tmp_path / "mean").exists()
