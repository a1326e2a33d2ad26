"""Every example runs with --smoke, every notebook on a small dataset: none can rot."""

import ast
import json
import re
import runpy
import sys
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pandas as pd
import pytest

from braintumorseg import load_pretrained
from braintumorseg.datasets import lgg_split
from cases import write_case
from zoo.hub_server import TOKEN, Hub

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if "argparse" in path.read_text())


@pytest.fixture
def example(monkeypatch, tmp_path, capsys):
    """Run an example as a script, in an empty folder; return what it prints."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_every_example_is_tested():
    tested = re.findall(r'^    .*example\("(\w+\.py)"', Path(__file__).read_text(), re.MULTILINE)
    assert sorted(set(tested)) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_says_what_it_needs_and_how_long_it_takes(name):
    text = ast.get_docstring(ast.parse((EXAMPLES / name).read_text()))
    assert "\nNeeds: " in text
    assert re.search(r"\bTakes: ", text)
    assert re.search(rf"\n    python examples/{name} .*--smoke", text)


def test_predict_folder(example, tmp_path):
    said = example("predict_folder.py", "--smoke", "-o", "results")
    assert said.count("left out: ") == 1
    assert "phantom-2_3.tif" in said
    assert {path.name for path in (tmp_path / "results").iterdir()} >= {
        "phantom-0_mask.nii.gz",
        "phantom-1_overlay.png",
        "volumes.csv",
    }
    table = (tmp_path / "results" / "volumes.csv").read_text()
    example("predict_folder.py", "--smoke", "-o", "results")
    assert (tmp_path / "results" / "volumes.csv").read_text() == table
    assert len(table.splitlines()) == 3
    assert pd.read_csv(tmp_path / "results" / "volumes.csv")["dice"].min() > 0.8  # it shows what a tumour looks like


def test_smoke_needs_no_other_argument(example, tmp_path):
    assert "left out: " in example("predict_folder.py", "--smoke")
    assert (tmp_path / "runs" / "predict_folder" / "volumes.csv").is_file()
    for name in set(SCRIPTS) - {"publish_to_hub.py"}:
        text = (EXAMPLES / name).read_text()
        assert f"\n    python examples/{name} --smoke\n" in text
        assert f'default=Path("runs/{name[:-3]}")' in text or f'default="runs/{name[:-3]}"' in text


def test_train_gpu(example, tmp_path):
    said = example("train_gpu.py", "--smoke", "-o", "run")
    assert load_pretrained(tmp_path / "run").name == "resunet-lgg"
    assert "per patient over whole volumes, every slice in, 1 patient: mean" in said
    log = (tmp_path / "run" / "log.csv").read_text()
    example("train_gpu.py", "--smoke", "-o", "run")  # goes on: there is nothing left to do
    assert (tmp_path / "run" / "log.csv").read_text() == log


def test_cross_validate(example, tmp_path):
    said = example("cross_validate.py", "--smoke", "-o", "cv")
    assert "fold" in said
    assert len(list((tmp_path / "cv" / "predictions").iterdir())) == 4
    assert (tmp_path / "cv" / "disagreements.html").is_file()


def test_compare_losses(example):
    said = example("compare_losses.py", "--smoke", "-o", "losses")
    assert "cross_entropy (float32) minus dice (float32): mean difference" in said


def test_custom_architecture(example, tmp_path):
    said = example("custom_architecture.py", "--smoke", "-o", "own")
    assert "per patient over whole volumes, every slice in, 1 patient: mean" in said
    assert "val_patient_dice" in (tmp_path / "own" / "log.csv").read_text()


def test_publish_to_hub(example, monkeypatch, tmp_path):
    with Hub().serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(huggingface_hub.constants, "HF_ASSETS_CACHE", str(tmp_path / "cache"))
        said = example("publish_to_hub.py", "me/rehearsal", "--smoke", "--private")
        assert f"hf://me/rehearsal@{hub.repos['me/rehearsal'].branches['main']}" in said
        assert hub.repos["me/rehearsal"].private
    assert "licence: CC0-1.0" in said


def test_finetune(example, tmp_path):
    said = example("finetune.py", "-o", "tuned", "--smoke", "--name", "mine")
    tuned = load_pretrained(tmp_path / "tuned" / "mine")
    assert tuned.name == "mine"
    assert tuned.preprocessing.sequences == ("flair",)
    assert tuned.card.scores[0].data == "3 held-out patients of phantoms"
    assert sorted(tuned.card.patients) == ["phantom-6", "phantom-7", "phantom-8"]
    assert "3 epochs on 6 slices of 6 patients; adapted from resunet-lgg (licence: CC BY-NC-SA 4.0" in tuned.card.recipe
    assert "77 train" not in str(tuned.card)
    before_it, after_it = (
        float(text) for text in re.findall(r"^(?:before|after): .*?mean (\d\.\d+)", said, re.MULTILINE)
    )
    assert after_it > before_it
    assert (tmp_path / "tuned" / "mine" / "CARD.md").read_text().startswith("# mine\n")
    assert repr(tuned) in said

    before = {variable.path: np.asarray(variable) for variable in load_pretrained("resunet-lgg").model.weights}
    changed = {v.path for v in tuned.model.weights if not np.array_equal(before[v.path], np.asarray(v))}
    assert "logits/kernel" in changed
    assert {path.split("/")[0] for path in changed if path.startswith(("encoder", "bottleneck"))} == {
        "encoder_1_conv_1",
        "encoder_1_shortcut_conv",
    }


NOTEBOOKS = ("train_kaggle.ipynb", "train_colab.ipynb")


def code_cells(name):
    cells = [cell for cell in json.loads((EXAMPLES / name).read_text())["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells)
    return cells


def test_notebooks_differ_only_in_where_the_data_lie():
    assert sorted(NOTEBOOKS) == sorted(path.name for path in EXAMPLES.glob("*.ipynb"))
    one, other = ([cell["source"] for cell in code_cells(name) if not cell["metadata"]] for name in NOTEBOOKS)
    assert one == other


def test_notebook(example, tmp_path):  # the fixture puts the examples on the path
    """All cells but those that install and mount, with other values for the parameters."""
    root = tmp_path / "kaggle_3m"
    for seed, patient in enumerate([*lgg_split("train")[:2], lgg_split("val")[0]]):
        write_case(root / patient, seed, slices=4)
    smoke = runpy.run_path(str(EXAMPLES / "train_gpu.py"))["SMOKE"]
    given = {"DATA": str(root), "OUT": "run", "SETTINGS": list(smoke), "STRATEGY": "none"}
    with pytest.warns(UserWarning, match="are not there"):
        run_cells(NOTEBOOKS[0], code_cells(NOTEBOOKS[0]), given)
    assert load_pretrained(tmp_path / "run").card.scores


def run_cells(name, cells, given):
    names = {}
    for cell in cells:
        tags = cell["metadata"].get("tags", [])
        if "machine" in tags:  # what only Kaggle or Colab has
            continue
        exec(compile("".join(cell["source"]), name, "exec"), names)
        if "parameters" in tags:
            assert names.keys() >= given.keys()
            names |= given
