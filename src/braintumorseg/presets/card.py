"""A card: what is known of a preset, from its training data to its scores, its licence and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from braintumorseg.presets.bounds import check_keys
from braintumorseg.presets.scores import Drop, Score, check_values

NOT_STATED = "not stated"

Text = Literal["summary", "data", "split", "recipe", "licence", "intended_use", "limits"]
TEXTS: tuple[Text, ...] = ("summary", "data", "split", "recipe", "licence", "intended_use", "limits")


@dataclass(frozen=True)
class Card:
    """The facts that a user needs before using a preset.

    A card states only what is known of this preset's own training. An empty text means that nobody has stated it, and is
    shown as "not stated".

    Attributes:
        summary: One sentence: the target and the input.
        data: The training data, and its licence.
        split: The patients for training, and those held out.
        recipe: The way of training; of an adapted model, its origin with the licence of those weights.
        licence: The licence of the weights.
        intended_use: Purposes that the preset serves, and those that it must not serve.
        limits: Known failures.
        scores: The measured numbers; the first is the headline.
        patients: Dice of each patient behind the scores, over the whole volume, every slice in.
        robustness: The losses where the same patients' studies are changed.

    Examples:
        >>> from braintumorseg.presets import Card
        >>> card = Card(summary="Finds meningiomas.", licence="CC BY 4.0")
        >>> card.data
        ''
        >>> card.stated("data")
        'not stated'
    """

    summary: str = ""
    data: str = ""
    split: str = ""
    recipe: str = ""
    licence: str = ""
    intended_use: str = "Research and teaching. Not a medical device; not for diagnosis or treatment."
    limits: str = ""
    scores: tuple[Score, ...] = ()
    patients: Mapping[str, float] = field(default_factory=dict)
    robustness: tuple[Drop, ...] = ()

    def stated(self, text: Text) -> str:
        """Return a text for readers: ``"not stated"`` where it is empty."""
        value: str = getattr(self, text)
        return value.strip() or NOT_STATED

    def __str__(self) -> str:
        lines = [f"{name.replace('_', ' ')}: {self.stated(name)}" for name in TEXTS]
        measured = [f"measured: {score}" for score in self.scores]
        return "\n".join([*lines, *measured, *(f"changed: {drop}" for drop in self.robustness)])

    def get_config(self) -> dict[str, Any]:
        """Return the card as plain data that JSON can hold."""
        lists = {key: [asdict(each) for each in getattr(self, key)] for key in ("scores", "robustness")}
        return {**asdict(self), **lists, "patients": dict(self.patients)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Card:
        """Build from what ``get_config`` returned.

        Raises:
            ValueError: If a key is missing or unknown, or a value is of another kind.
        """
        check_keys("card", config, {each.name for each in fields(cls)})
        check_values({key: config[key] for key in TEXTS}, TEXTS)
        return cls(
            **{key: config[key] for key in TEXTS},
            scores=tuple(map(Score.from_config, config["scores"])),
            patients=check_values(dict(config["patients"]), ()),
            robustness=tuple(map(Drop.from_config, config["robustness"])),
        )
