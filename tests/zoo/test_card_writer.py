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
from braintumorseg.presets.preset import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from braintumorseg.presets.reader import read_preset
from braintumorseg.zoo import write_card
from braintumorseg.zoo.card_markdown import render_card
from braintumorseg.zoo.published import PUBLISHED

BUNDLED = Path(braintumorseg.__file__).parent / "presets" / "weights"
EVALUATED = [path.parent for path in sorted(BUNDLED.glob(f"*/{CARD_FILE}"))]


def evaluated(name="resunet-lgg", level=120, seeds=(0, 1, 2), tta=False, precision="int8"):
    studies = [make_study(seed=seed, shape=(6, 64, 64)) for seed in seeds]
    pairs = [(s, Segmentation(s.volume[..., 1] > level, precision=precision)) for s in studies]
    return score(pairs, name=name, tta=tta)


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
    evaluation, tta, other = evaluated(), evaluated(level=130, tta=True), evaluated(level=140, precision="float32")
    old = read_preset(folder).card
    card = write_card(
        folder,
        "phantoms",
        evaluation,
        tta=tta,
        other_precision=other,
        robustness=changed(),
        limits="Phantoms only.",
    )
    assert read_preset(folder).card == card
    assert card == replace(
        old, limits="Phantoms only.", scores=card.scores, patients=card.patients, robustness=card.robustness
    )

    conventions = evaluation.conventions()
    assert len(card.scores) == len(conventions) + 4
    assert card.scores[0].convention == "mean over patients, whole volumes, every slice in"
    by_text = conventions.set_index("counted")
    for each in card.scores[:-4]:
        row = by_text.loc[each.convention]
        assert (each.value, each.low, each.high) == pytest.approx((row["dice"], row["low"], row["high"]), abs=1e-4)
        assert (each.measure, each.data, each.tta, each.precision) == ("Dice", "3 phantoms", False, "int8")
    for further, settings, found in (
        (tta, (True, "int8"), card.scores[-4:-2]),
        (other, (False, "float32"), card.scores[-2:]),
    ):
        dice = further.table["dice"]
        assert [each.value for each in found] == pytest.approx([dice.mean(), dice.median()], abs=1e-4)
        assert [each.convention for each in found] == [each.convention for each in card.scores[:2]]
        assert {(each.tta, each.precision) for each in found} == {settings}

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


def test_older_scores_do_not_survive(folder):
    write_card(folder, "phantoms", evaluated(), robustness=changed())
    card = write_card(folder, "others", evaluated(level=140))
    assert card.robustness == ()
    assert {each.data for each in card.scores} == {"3 others"}


def test_settings_that_nobody_recorded_are_rendered_as_not_stated(folder):
    card = write_card(folder, "phantoms", evaluated(precision=None))
    assert (card.scores[0].precision, card.scores[0].settings) == (None, "")
    assert f"| {card.scores[0].convention} | not stated | 3 phantoms |" in (folder / CARD_FILE).read_text()


def test_one_patient_has_no_interval(folder):
    card = write_card(folder, "phantom", evaluated(seeds=(0,)))
    assert (card.scores[0].low, card.scores[0].interval) == (None, "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"evaluation": evaluated("other")}, "evaluation must be of 'resunet-lgg', .* got 'other'"),
        ({"evaluation": evaluated(tta=True)}, "evaluation must be one without test-time augmentation"),
        ({"tta": evaluated()}, "tta must be one with test-time augmentation, .*; got one without it, in int8"),
        ({"tta": evaluated(tta=True, precision="float32")}, "in the precision of the evaluation, int8; got .*float32"),
        ({"tta": evaluated("other", tta=True)}, "tta must be of 'resunet-lgg', .* got 'other'"),
        ({"tta": evaluated(seeds=(0, 1), tta=True)}, "tta must be of the patients of the evaluation"),
        ({"other_precision": evaluated()}, "other_precision must be in another precision than the evaluation, int8"),
        ({"other_precision": evaluated(precision=None)}, "other_precision must be in another .*; got None"),
        (
            {"other_precision": evaluated(precision="float32", tta=True)},
            "other_precision must be one without test-time augmentation",
        ),
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
    headline = card.scores[0]
    assert f"| Dice | **{headline.value:.3f}** | {headline.interval} | {headline.convention} | int8 |" in text
    assert text.count("**0.") == 1  # one headline
    assert "| only FLAIR | 0.870 | +0.030 | 0.02 |" in text
    assert "| my own | 0.950 | -0.050 |  |" in text
    for name, value in card.patients.items():
        assert f"| `{name}` | {value:.3f} |" in text
    for published in PUBLISHED:
        assert f"| {' | '.join(published)} |" in text
    for line in text.splitlines():
        assert not line.startswith("|") or line.count("|") in (3, 5, 7)


def test_published_results_stand_beside_scores_on_the_same_dataset_alone(folder):
    write_card(folder, "phantoms", evaluated())
    assert "Buda" not in (folder / CARD_FILE).read_text().split("## Measured")[1]


@pytest.mark.parametrize("folder", EVALUATED, ids=lambda folder: folder.name)
def test_bundled_scores_fit_each_other(folder):
    """The card's form is that of an evaluation: its mean and median are those of its own patients."""
    card = load_pretrained(folder.name).card
    template = evaluated()
    assert [each.convention for each in card.scores[:6]] == sorted(
        template.conventions()["counted"], key=[each.convention for each in card.scores[:6]].index
    )
    values = np.array(list(card.patients.values()))
    mean, median = card.scores[:2]
    assert [each.settings for each in card.scores] == ["int8"] * 6 + ["int8, test-time augmentation"] * 2 + [
        "float32"
    ] * 2
    for first in (6, 8):
        assert [each.convention for each in card.scores[first : first + 2]] == [mean.convention, median.convention]
    assert mean.value == pytest.approx(values.mean(), abs=2e-4)
    assert median.value == pytest.approx(np.median(values), abs=2e-4)
    assert mean.low < mean.value < mean.high
    assert re.fullmatch(rf"{len(values)} val patients of the LGG dataset", mean.data)
    for drop in card.robustness:
        assert drop.dice + drop.drop == pytest.approx(mean.value, abs=2e-4)
