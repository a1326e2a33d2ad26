import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import braintumorseg
from braintumorseg import DataError, Segmentation, load_pretrained, make_study
from braintumorseg.evaluation import Robustness, score
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE, read_preset
from braintumorseg.zoo import write_card
from braintumorseg.zoo.card_writer import CARD_FILE, FLIPPED, render_card
from braintumorseg.zoo.published import PUBLISHED

BUNDLED = Path(braintumorseg.__file__).parent / "presets" / "weights"
EVALUATED = [path.parent for path in sorted(BUNDLED.glob(f"*/{CARD_FILE}"))]


def evaluated(name="resunet-lgg", level=120, seeds=(0, 1, 2)):
    studies = [make_study(seed=seed, shape=(6, 64, 64)) for seed in seeds]
    return score([(s, Segmentation(s.volume[..., 1] > level)) for s in studies], name=name)


def changed(name="resunet-lgg", seeds=(0, 1, 2)):
    rows = [
        (f"phantom-{seed}", change, dice)
        for seed in seeds
        for change, dice in (("unchanged", 0.9), ("only FLAIR", 0.87), ("my own", 0.95))
    ]
    return Robustness(name, pd.DataFrame(rows, columns=["name", "change", "dice"]))


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BUNDLED / "resunet-lgg", tmp_path / "mine")


def test_the_card_is_what_was_measured(folder):
    evaluation, flipped = evaluated(), evaluated("resunet-lgg with flips", 130)
    old = read_preset(folder).card
    card = write_card(folder, "phantoms", evaluation, flipped=flipped, robustness=changed(), limits="Phantoms only.")
    assert read_preset(folder).card == card
    assert card == replace(
        old, limits="Phantoms only.", figures=card.figures, patients=card.patients, robustness=card.robustness
    )

    conventions = evaluation.conventions()
    assert len(card.figures) == len(conventions) + 2
    assert card.figures[0].convention == "mean over patients, whole volumes, every slice in"
    by_text = conventions.set_index("counted")
    for figure in card.figures[:-2]:
        row = by_text.loc[figure.convention]
        assert (figure.value, figure.low, figure.high) == pytest.approx(
            (row["dice"], row["low"], row["high"]), abs=1e-4
        )
        assert (figure.measure, figure.data) == ("Dice", "3 phantoms")
    dice = flipped.table["dice"]
    assert [figure.value for figure in card.figures[-2:]] == pytest.approx([dice.mean(), dice.median()], abs=1e-4)
    assert all(figure.convention.endswith(FLIPPED) for figure in card.figures[-2:])

    table = evaluation.table.set_index("name")["dice"]
    assert list(card.patients) == table.sort_values().index.tolist()
    assert card.patients == pytest.approx(table.to_dict(), abs=1e-4)
    assert [(drop.change, drop.dice, drop.drop, drop.bar) for drop in card.robustness] == [
        ("only FLAIR", 0.87, 0.03, 0.02),
        ("my own", 0.95, -0.05, None),
    ]


def test_weights_and_all_else_stay(folder):
    weights, files = (folder / WEIGHTS_FILE).read_bytes(), {path.name for path in folder.iterdir()}
    config = json.loads((folder / CONFIG_FILE).read_text())
    write_card(folder, "phantoms", evaluated())
    assert (folder / WEIGHTS_FILE).read_bytes() == weights
    again = json.loads((folder / CONFIG_FILE).read_text())
    assert {**again, "card": 0} == {**config, "card": 0}
    assert {path.name for path in folder.iterdir()} == files | {CARD_FILE}


def test_older_figures_do_not_survive(folder):
    write_card(folder, "phantoms", evaluated(), robustness=changed())
    card = write_card(folder, "others", evaluated(level=140))
    assert card.robustness == ()
    assert {figure.data for figure in card.figures} == {"3 others"}


def test_one_patient_has_no_interval(folder):
    card = write_card(folder, "phantom", evaluated(seeds=(0,)))
    assert (card.figures[0].low, card.figures[0].interval) == (None, "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"evaluation": evaluated("other")}, "evaluation must be of 'resunet-lgg', .* got 'other'"),
        ({"flipped": evaluated()}, "flipped must be of 'resunet-lgg with flips'"),
        ({"flipped": evaluated("resunet-lgg with flips", seeds=(0, 1))}, "flipped must be of the patients of the eval"),
        ({"robustness": changed("other")}, "robustness must be of 'resunet-lgg'"),
        ({"robustness": changed(seeds=(0, 1, 3))}, "robustness must be of the patients of the evaluation"),
    ],
)
def test_what_does_not_belong_together_is_refused(folder, given, message):
    before = (folder / CONFIG_FILE).read_bytes()
    with pytest.raises(ValueError, match=message):
        write_card(folder, "phantoms", **{"evaluation": evaluated(), **given})
    assert (folder / CONFIG_FILE).read_bytes() == before
    assert not (folder / CARD_FILE).exists() or (folder / CARD_FILE).read_bytes()


def test_no_preset_no_card(tmp_path):
    with pytest.raises(DataError, match=r"braintumorseg\.json: can't be read"):
        write_card(tmp_path, "phantoms", evaluated())


def test_the_rendered_card_holds_everything(folder):
    write_card(folder, "patients of the LGG dataset", evaluated(), robustness=changed())
    preset = read_preset(folder)
    text = (folder / CARD_FILE).read_text()
    assert text == render_card(preset)
    card = preset.card
    for part in (card.summary, card.data, card.split, card.recipe, card.licence, card.intended_use, card.limits):
        assert part in text
    assert preset.sha256 in text
    assert f"{preset.parameters:,} weights" in text
    assert f"| **{card.figures[0].value:.3f}** | {card.figures[0].interval} |" in text
    assert text.count("**0.") == 1  # one headline
    assert "| only FLAIR | 0.870 | +0.030 | 0.02 |" in text
    assert "| my own | 0.950 | -0.050 |  |" in text
    for name, value in card.patients.items():
        assert f"| `{name}` | {value:.3f} |" in text
    for published in PUBLISHED:
        assert f"| {' | '.join(published)} |" in text
    for line in text.splitlines():
        assert not line.startswith("|") or line.count("|") in (3, 5)


def test_what_was_published_stands_beside_figures_on_the_same_dataset_alone(folder):
    write_card(folder, "phantoms", evaluated())
    assert "Buda" not in (folder / CARD_FILE).read_text().split("## Measured")[1]


@pytest.mark.parametrize("folder", EVALUATED, ids=lambda folder: folder.name)
def test_bundled_cards_are_their_data(folder):
    preset = read_preset(folder)
    assert (folder / CARD_FILE).read_text() == render_card(preset)
    assert hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest() in (folder / CARD_FILE).read_text()


@pytest.mark.parametrize("folder", EVALUATED, ids=lambda folder: folder.name)
def test_bundled_figures_fit_each_other(folder):
    """The card's form is that of an evaluation: its mean and median are those of its own patients."""
    card = load_pretrained(folder.name).card
    template = evaluated()
    assert [each.convention for each in card.figures[:6]] == sorted(
        template.conventions()["counted"], key=[each.convention for each in card.figures[:6]].index
    )
    values = np.array(list(card.patients.values()))
    mean, median = (
        next(each for each in card.figures if each.convention == f"{name} over patients, whole volumes, every slice in")
        for name in ("mean", "median")
    )
    assert mean.value == pytest.approx(values.mean(), abs=2e-4)
    assert median.value == pytest.approx(np.median(values), abs=2e-4)
    assert mean.low < mean.value < mean.high
    assert re.fullmatch(rf"{len(values)} val patients of the LGG dataset", mean.data)
    for drop in card.robustness:
        assert drop.dice + drop.drop == pytest.approx(mean.value, abs=2e-4)
