"""A card: what a preset was trained on, how well it does by which convention, its licence and its limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from braintumorseg._core.checks import wrong

_UNKNOWN = "not stated"


@dataclass(frozen=True)
class Figure:
    """One measured figure with everything that is needed to read it.

    Attributes:
        measure: What was measured, such as ``"Dice"``.
        convention: How it was counted, such as ``"mean over patients, whole volumes, every slice in"``.
        data: On what, such as ``"13 val patients of the LGG dataset"``.
        value: The figure.
        low: Lower end of its 95 % bootstrap interval (percentile method, patients drawn); ``None`` if not measured.
        high: Upper end.
    """

    measure: str
    convention: str
    data: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> str:
        """The interval for readers, such as ``"0.842 to 0.903"``; empty if not measured."""
        return "" if self.low is None or self.high is None else f"{self.low:.3f} to {self.high:.3f}"

    def __str__(self) -> str:
        interval = f", 95 % interval {self.interval}" if self.interval else ""
        return f"{self.measure} {self.value:.3f}{interval} ({self.convention}; {self.data})"


@dataclass(frozen=True)
class Drop:
    """How much of the mean Dice over patients is lost where their studies are changed.

    Attributes:
        change: What was done to the studies, such as ``"only FLAIR"``.
        dice: Mean over patients of the Dice under the change, whole volumes, every slice in.
        drop: By how much that is less than on the studies as they are.
        bar: What the drop should be at most; ``None`` where nothing is asked for.
    """

    change: str
    dice: float
    drop: float
    bar: float | None = None

    def __str__(self) -> str:
        bar = "" if self.bar is None else f", at most {self.bar:g} wanted"
        return f"{self.change}: mean Dice {self.dice:.3f}, drop {self.drop:+.3f}{bar}"


@dataclass(frozen=True)
class Card:
    """What a user must know of a preset before using it.

    Attributes:
        summary: One sentence: what it finds in what. This and the other texts are "not stated" until someone states them.
        data: What it was trained on, and under which licence that is.
        split: Which patients trained it, and which did not.
        recipe: How it was trained.
        licence: The licence of the weights.
        intended_use: What it is for, and what it is not for.
        limits: Where it was seen to fail.
        figures: What was measured, each with its convention.
        patients: Dice of each patient behind the figures, over the whole volume, every slice in.
        robustness: What is lost where the same patients' studies are changed.

    Examples:
        >>> from braintumorseg.presets import Card
        >>> card = Card(summary="Finds meningiomas.", licence="CC BY 4.0")
        >>> card.data
        'not stated'
    """

    summary: str = _UNKNOWN
    data: str = _UNKNOWN
    split: str = _UNKNOWN
    recipe: str = _UNKNOWN
    licence: str = _UNKNOWN
    intended_use: str = "Research and teaching. Not a medical device; not for diagnosis or treatment."
    limits: str = "Not measured."
    figures: tuple[Figure, ...] = ()
    patients: Mapping[str, float] = field(default_factory=dict)
    robustness: tuple[Drop, ...] = ()

    def __str__(self) -> str:
        lines = [f"{each.name.replace('_', ' ')}: {getattr(self, each.name)}" for each in fields(self)[:-3]]
        measured = [f"measured: {figure}" for figure in self.figures]
        return "\n".join([*lines, *measured, *(f"changed: {drop}" for drop in self.robustness)])

    def get_config(self) -> dict[str, Any]:
        """Return the card as plain data that JSON can hold."""
        lists = {key: [asdict(each) for each in getattr(self, key)] for key in ("figures", "robustness")}
        return {**asdict(self), **lists, "patients": dict(self.patients)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Card:
        """Build from what ``get_config`` returned.

        Raises:
            ValueError: If a key is missing or unknown, or a value is of another kind.
        """
        known = {each.name for each in fields(cls)}
        if set(config) != known:
            msg = wrong("card", f"a table with exactly the keys {sorted(known)}", sorted(config))
            raise ValueError(msg)
        figures = tuple(Figure(**_checked(figure, _TEXTS_OF_FIGURES)) for figure in config["figures"])
        robustness = tuple(Drop(**_checked(drop, _TEXTS_OF_DROPS)) for drop in config["robustness"])
        patients = _checked(dict(config["patients"]), ())
        texts = {each.name for each in fields(cls)[:-3]}
        _checked({key: config[key] for key in texts}, texts)
        return cls(**{**config, "figures": figures, "patients": patients, "robustness": robustness})


_TEXTS_OF_FIGURES = ("measure", "convention", "data")
_TEXTS_OF_DROPS = ("change",)


def _checked(config: Mapping[str, Any], texts: Collection[str]) -> Mapping[str, Any]:
    """Return a table whose values under ``texts`` are texts, and all others numbers, or ``None`` where not measured."""
    for key, value in config.items():
        fits = isinstance(value, str) if key in texts else value is None or type(value) in (int, float)
        if not fits:
            msg = wrong(f"{key} of the card", "a text" if key in texts else "a number", value)
            raise ValueError(msg)
    return config
