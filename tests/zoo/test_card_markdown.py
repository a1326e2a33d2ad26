"""Cards as Markdown."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

import braintumorseg
from braintumorseg.presets import Card, Score
from braintumorseg.presets.preset import CARD_FILE, WEIGHTS_FILE
from braintumorseg.presets.reader import read_preset
from braintumorseg.zoo.card_markdown import published_table, render_card
from braintumorseg.zoo.published import PUBLISHED

EVALUATED = [path.parent for path in sorted(Path(braintumorseg.__file__).parent.glob(f"presets/weights/*/{CARD_FILE}"))]


def test_an_empty_card_is_rendered_as_not_stated():
    text = render_card(replace(read_preset(EVALUATED[0]), card=Card()))
    for line in (
        "| Data | not stated |",
        "| Split | not stated |",
        "| Recipe | not stated |",
        "| Licence | not stated |",
    ):
        assert line in text
    assert text.splitlines()[2] == "not stated"
    assert "## Limits\n\nnot stated\n" in text
    assert "## Measured\n\nNothing was measured.\n" in text
    assert "LGG" not in text


def test_every_score_has_its_settings():
    scores = (
        Score("Dice", "mean", "phantoms", 0.5, 0.25, 0.75, tta=True, precision="int8"),
        Score("ROC AUC", "slices", "phantoms", 0.75),
    )
    lines = render_card(replace(read_preset(EVALUATED[0]), card=Card(scores=scores))).splitlines()
    assert "| Dice | **0.500** | 0.250 to 0.750 | mean | int8, test-time augmentation | phantoms |" in lines
    assert "| ROC AUC | 0.750 |  | slices | not stated | phantoms |" in lines


def test_published_results_are_a_table():
    lines = published_table().splitlines()
    assert lines[0] == "| result | split | Dice | counted how |"
    assert lines[2:] == [f"| {' | '.join(published)} |" for published in PUBLISHED]


@pytest.mark.parametrize("folder", EVALUATED, ids=lambda folder: folder.name)
def test_bundled_cards_are_their_data(folder):
    preset = read_preset(folder)
    assert (folder / CARD_FILE).read_text() == render_card(preset)
    assert hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest() in (folder / CARD_FILE).read_text()
