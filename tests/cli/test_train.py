import re

import pandas as pd
import pytest

from braintumorseg import TrainConfig, load_pretrained, make_study
from braintumorseg.augmentation import TRANSFORMS
from braintumorseg.datasets import read_split, write_split
from braintumorseg.runtimes.network import weights_of
from cases import write_case
from command_line import run
from layouts import write_bids, write_list, write_nnunet

pytestmark = pytest.mark.slow

SETTINGS = (
    "steps=4",
    "coarse.steps=0",
    "round_steps=2",
    "validate_every=1",
    "batch_size=2",
    "model.filters=[4, 8]",
    "preprocessing.size=32",
    *(f"augmentation.{name}=0" for name in TRANSFORMS),  # their tracing takes longer than the training
)


@pytest.fixture
def folders(tmp_path):
    for seed, place in enumerate(("training/a", "training/b", "validation/c")):
        write_case(tmp_path / place, seed)
    return tmp_path


def train(*arguments, settings=SETTINGS):
    flags = [part for value in settings for part in ("--set", value)]
    return run("train", "--recipe", "unet-lgg", *arguments, *flags)


def test_a_run_from_folder_to_weights(folders):
    result = train("--data", "training", "--validation", "validation", "-o", "out")
    assert result.returncode == 0, result.stderr
    assert "unet-lgg: 2 patients to train on, 1 to validate on" in result.stderr
    assert "step 4: loss" in result.stderr
    assert "Dice" in result.stdout
    assert "mean over patients, whole volumes, every slice in; 1 validation patient)" in result.stdout
    assert "preset: out\n" in result.stdout
    assert "best" not in result.stdout
    assert pd.read_csv("out/log.csv")["step"].tolist() == [2, 4]
    assert load_pretrained("out").predict(make_study(5, shape=(2, 64, 64))).mask.shape == (2, 64, 64)
    again = train("--data", "training", "--validation", "validation", "-o", "out")
    assert again.stdout == result.stdout
    assert "step" not in again.stderr
    shown = run("zoo", "show", "out")
    assert "data: 2 patients\n" in shown.stdout
    for claim in ("LGG dataset", "TCGA", "CC BY", "77"):  # of the recipe's data, which is not that of this run
        assert claim not in shown.stdout


def test_without_validation_and_with_a_configuration_of_one_s_own(folders):
    TrainConfig.read("unet-lgg").set(SETTINGS).write("mine.toml")
    write_split({"train": ["a", "b"]}, "alone.json")
    arguments = ("--data", "training", "-o", "out", "--precision", "mixed_bfloat16", "--split-file", "alone.json")
    result = run("train", "--recipe", "mine.toml", *arguments)
    assert result.returncode == 0, result.stderr
    assert "unet-lgg: 2 patients to train on, 0 to validate on" in result.stderr
    assert "preset: out\n" in result.stdout
    assert TrainConfig.read("out/config.toml").precision == "mixed_bfloat16"


def test_the_best_checkpoint_is_named_where_it_was_asked_for(folders):
    settings = (*SETTINGS, "keep_best=true")
    result = train("--data", "training", "--validation", "validation", "-o", "out", settings=settings)
    assert result.returncode == 0, result.stderr
    assert "preset: out\nbest checkpoint: out/best\ncurves: out/curves.png" in result.stdout
    assert "1 to choose the best checkpoint by" in load_pretrained("out/best").card.split


def test_a_folder_is_divided_by_patient_and_the_split_is_kept(tmp_path):
    write_bids(tmp_path / "bids")
    result = train("--data", "bids", "-o", "out")
    assert result.returncode == 0, result.stderr
    assert "data: bids is BIDS: 3 studies of 2 patients, clinical table of 2 columns" in result.stderr
    parts = read_split("out/split.json")
    assert sorted(name for part in parts.values() for name in part) == ["sub-01", "sub-02"]
    assert f"train on: {parts['train'][0]}\nvalidate on: {parts['val'][0]}\nsplit: out/split.json\n" in result.stderr
    again = train("--data", "bids", "-o", "out", "--stratify", "site")  # the split of the run, not another one
    assert (again.returncode, again.stdout) == (0, result.stdout)
    assert read_split("out/split.json") == parts


def test_a_split_file_is_taken_and_kept(tmp_path):
    write_nnunet(tmp_path / "data")
    write_split({"train": ["case_003"], "val": ["case_001"], "excluded": ["case_002"]}, "mine.json")
    result = train("--data", "data", "-o", "out", "--split-file", "mine.json")
    assert result.returncode == 0, result.stderr
    assert "train on: case_003\nvalidate on: case_001\nsplit: out/split.json" in result.stderr
    assert read_split("out/split.json") == read_split("mine.json")
    measured = run("evaluate", "--data", "data", "--preset", "out", "--split-file", "mine.json", "-o", "judged")
    assert measured.returncode == 0, measured.stderr
    assert pd.read_csv("judged/patients.csv")["name"].tolist() == ["case_001"]


def test_a_preset_is_fine_tuned_and_compared_with_itself(tmp_path):
    write_nnunet(tmp_path / "data")
    settings = (
        "steps=2", "batch_size=2", "round_steps=1", "preprocessing.size=32",
        *(f"augmentation.{name}=0" for name in TRANSFORMS),
    )  # fmt: skip
    flags = [part for value in settings for part in ("--set", value)]
    result = run("train", "--data", "data", "--preset", "resunet-lgg-small", "-o", "out", *flags)
    assert result.returncode == 0, result.stderr
    assert "resunet-lgg-small-tuned: 2 patients to train on, 1 to validate on" in result.stderr
    assert "Dice of the validation patients over whole volumes, every slice in" in result.stdout
    assert re.search(r"before .* after .* change", result.stdout)
    assert re.search(r"mean .* 0\.\d{3} .* 0\.\d{3} .* [+-]0\.\d{3}", result.stdout)
    recipe = load_pretrained("out").card.recipe
    assert "started from resunet-lgg-small (licence: " in recipe
    assert recipe.endswith("its encoder was kept as it is")
    before, after = (weights_of(load_pretrained(name).model) for name in ("resunet-lgg-small", "out"))
    same = {path.split("/")[0] for path, array in before.items() if (after[path] == array).all()}
    assert {name for name in same if name.startswith(("encoder", "bottleneck"))}
    assert not any(name.startswith("decoder") and "conv" in name for name in same)
    changed = {path for path, array in before.items() if not (after[path] == array).all()}
    assert not [path for path in changed if path.startswith(("encoder", "bottleneck"))]


def test_a_quick_model_has_the_sequences_of_the_data(tmp_path):
    path = write_list(tmp_path / "data")
    flags = [part for value in ("steps=1", "batch_size=2", "preprocessing.size=32") for part in ("--set", value)]
    flags += [part for name in TRANSFORMS for part in ("--set", f"augmentation.{name}=0")]
    result = run("train", "--data", path, "--quick", "-o", "out", *flags)
    assert result.returncode == 0, result.stderr
    assert "studies.csv is CSV list: 3 studies of 2 patients, clinical table of 2 columns" in result.stderr
    assert load_pretrained("out").preprocessing.sequences == ("t1", "flair", "adc")


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "message"),
    [
        (("--data", "nothing"), (), 2, "--data nothing: is not a folder"),
        (("--data", "training", "--validation", "nothing"), (), 2, "--validation nothing: is not a folder"),
        (
            ("--data", "training", "--recipe", "vnet"),
            (),
            2,
            "--recipe must be one of quick, .*, or a TOML file; got vnet",
        ),
        (("--data", "training"), ("stepz=1",), 2, "--set: set must be key=value .*; got 'stepz=1'"),
        (("--data", "training"), ("steps=0",), 2, "--set: steps must be an integer of at least 1; got 0"),
        (("--data", "training", "--validation", "training"), SETTINGS, 1, "a: is both trained on and validated on"),
        (("--data", "bare"), SETTINGS, 1, "bare: "),
        (("--data", "training", "--quick"), (), 2, "--recipe, --preset and --quick: exclude each other"),
        (("--data", "training", "--stratify", "site"), SETTINGS, 2, "--stratify site: is not a column of .*training"),
        (
            ("--data", "training", "--split-file", "split.json"),
            SETTINGS,
            1,
            "split.json: the patient x is not in training",
        ),
        (("--data", "training", "--split-file", "none.json"), SETTINGS, 1, "none.json: can't be read"),
        (
            ("--data", "training", "--split-file", "val.json"),
            SETTINGS,
            2,
            "--split-file val.json: has no patients of the part train; expected some, it has val",
        ),
        (
            ("--data", "training", "--split-file", "val.json", "--validation", "validation"),
            SETTINGS,
            2,
            "--split-file: already says whom to validate on",
        ),
    ],
)
def test_what_is_wrong_is_one_line(folders, arguments, settings, code, message):
    (folders / "bare").mkdir()
    write_split({"train": ["x"]}, "split.json")
    write_split({"val": ["a", "b"]}, "val.json")
    result = train(*arguments, "-o", "out", settings=settings)
    assert result.returncode == code
    lines = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    assert re.match(f"braintumorseg: error: {message}", lines[0]), lines[0]
