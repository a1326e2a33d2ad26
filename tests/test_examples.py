"""The examples that need no data run as they stand, on less of everything."""

import runpy
import sys
from pathlib import Path

import numpy as np

from braintumorseg import load_pretrained

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_fine_tune(monkeypatch, capsys, tmp_path):
    run(monkeypatch, "fine_tune.py", "--out", "tuned", "--epochs", "1", "--slices", "2", "--name", "mine")
    tuned = load_pretrained(tmp_path / "tuned" / "mine")
    assert tuned.name == "mine"
    assert tuned.preprocessing.sequences == ("flair",)
    assert tuned.card.figures[0].data == "3 held-out patients of phantoms"
    assert sorted(tuned.card.patients) == ["phantom-6", "phantom-7", "phantom-8"]
    assert "1 epochs on 12 slices of 6 patients; adapted from resunet-lgg: " in tuned.card.recipe
    assert (tmp_path / "tuned" / "mine" / "CARD.md").read_text().startswith("# mine\n")
    assert repr(tuned) in capsys.readouterr().out

    before = {variable.path: np.asarray(variable) for variable in load_pretrained("resunet-lgg").model.weights}
    changed = {v.path for v in tuned.model.weights if not np.array_equal(before[v.path], np.asarray(v))}
    assert "logits/kernel" in changed
    assert {path.split("/")[0] for path in changed if path.startswith(("encoder", "bottleneck"))} == {
        "encoder_1_conv_1",
        "encoder_1_shortcut_conv",
    }
