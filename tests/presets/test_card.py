import json

import pytest

from braintumorseg.presets import Card, Figure

CARD = Card(
    summary="Finds tumours.",
    data="Phantoms",
    split="by patient",
    recipe="none",
    licence="Apache-2.0",
    intended_use="tests",
    limits="all",
    figures=(Figure("Dice", "per-patient mean", "2 phantoms", 0.51234),),
)


def test_round_trip_through_json():
    assert Card.from_config(json.loads(json.dumps(CARD.get_config()))) == CARD


def test_text_holds_every_field_and_the_convention_of_every_figure():
    text = str(CARD)
    for part in ("summary: Finds tumours.", "intended use: tests", "Dice 0.512 (per-patient mean; 2 phantoms)"):
        assert part in text


def test_other_keys_are_refused():
    with pytest.raises(ValueError, match="card must be a table with exactly the keys"):
        Card.from_config({**CARD.get_config(), "extra": 1})
