import re

import pandas as pd
import pytest

from braintumorseg import TrainConfig, load_pretrained, make_study
from braintumorseg.augmentation import TRANSFORMS
from cases import write_case
from command_line import run

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
    result = run("train", "--recipe", "mine.toml", "--data", "training", "-o", "out", "--precision", "mixed_bfloat16")
    assert result.returncode == 0, result.stderr
    assert "preset: out\n" in result.stdout
    assert TrainConfig.read("out/config.toml").precision == "mixed_bfloat16"


def test_the_best_checkpoint_is_named_where_it_was_asked_for(folders):
    settings = (*SETTINGS, "keep_best=true")
    result = train("--data", "training", "--validation", "validation", "-o", "out", settings=settings)
    assert result.returncode == 0, result.stderr
    assert "preset: out\nbest checkpoint: out/best\ncurves: out/curves.png" in result.stdout
    assert "1 to choose the best checkpoint by" in load_pretrained("out/best").card.split


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "message"),
    [
        (("--data", "nothing"), (), 2, "--data nothing: is not a folder"),
        (("--data", "training", "--validation", "nothing"), (), 2, "--validation nothing: is not a folder"),
        (
            ("--data", "training", "--recipe", "vnet"),
            (),
            2,
            "--recipe must be one of resunet-lgg, .*, or a TOML file; got vnet",
        ),
        (("--data", "training"), ("stepz=1",), 2, "--set: set must be key=value .*; got 'stepz=1'"),
        (("--data", "training"), ("steps=0",), 2, "--set: steps must be an integer of at least 1; got 0"),
        (("--data", "training", "--validation", "training"), SETTINGS, 1, "a: is both trained on and validated on"),
        (("--data", "bare"), SETTINGS, 1, "bare: "),
    ],
)
def test_what_is_wrong_is_one_line(folders, arguments, settings, code, message):
    (folders / "bare").mkdir()
    result = train(*arguments, "-o", "out", settings=settings)
    assert result.returncode == code
    lines = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    assert re.match(f"braintumorseg: error: {message}", lines[0]), lines[0]
