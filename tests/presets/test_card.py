import json

import pytest

from braintumorseg.presets import Card, Drop, Score

CARD = Card(
    summary="Finds tumours.",
    data="Phantoms",
    split="by patient",
    recipe="none",
    licence="Apache-2.0",
    intended_use="tests",
    limits="all",
    scores=(
        Score("Dice", "per-patient mean", "2 phantoms", 0.51234),
        Score("Dice", "per-patient mean", "2 phantoms", 0.5, 0.25, 0.75, tta=True, precision="int8"),
    ),
    patients={"a": 0.5},
    robustness=(Drop("only FLAIR", 0.5, 0.1),),
)


def test_round_trip_through_json():
    assert Card.from_config(json.loads(json.dumps(CARD.get_config()))) == CARD


def test_text_holds_every_field_with_the_convention_and_the_settings_of_every_score():
    text = str(CARD)
    for part in (
        *("summary: Finds tumours.", "intended use: tests", "Dice 0.512 (per-patient mean; 2 phantoms)"),
        "Dice 0.500, 95 % interval 0.250 to 0.750 (per-patient mean; int8, test-time augmentation; 2 phantoms)",
        "changed: only FLAIR: mean Dice 0.500, drop +0.100",
    ):
        assert part in text
    assert "not stated" not in text


def test_nothing_is_claimed_until_it_is_stated():
    card = Card()
    for field in ("summary", "data", "split", "recipe", "licence", "limits"):
        assert getattr(card, field) == ""
        assert card.stated(field) == "not stated"
        assert f"{field}: not stated" in str(card).splitlines()
    assert (card.scores, card.patients, card.robustness) == ((), {}, ())
    assert Card.from_config(json.loads(json.dumps(card.get_config()))) == card


def test_other_keys_are_refused():
    with pytest.raises(ValueError, match="card must be a table with exactly the keys"):
        Card.from_config({**CARD.get_config(), "extra": 1})
