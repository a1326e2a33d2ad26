"""A card: what a preset was trained on, how well it does by which convention, its licence and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from braintumorseg._checks import wrong


@dataclass(frozen=True)
class Figure:
    """One measured figure with everything that is needed to read it.

    Attributes:
        measure: What was measured, such as ``"Dice"``.
        convention: How it was counted, such as ``"mean over patients, whole volumes, every slice in"``.
        data: On what, such as ``"13 validation patients"``.
        value: The figure.
    """

    measure: str
    convention: str
    data: str
    value: float

    def __str__(self) -> str:
        return f"{self.measure} {self.value:.3f} ({self.convention}; {self.data})"


@dataclass(frozen=True)
class Card:
    """What a user must know of a preset before using it.

    Attributes:
        summary: One sentence: what it finds in what.
        data: What it was trained on, and under which licence that is.
        split: Which patients trained it, and which did not.
        recipe: How it was trained.
        licence: The licence of the weights.
        intended_use: What it is for, and what it is not for.
        limits: Where it was seen to fail.
        figures: What was measured, each with its convention.
    """

    summary: str
    data: str
    split: str
    recipe: str
    licence: str
    intended_use: str
    limits: str
    figures: tuple[Figure, ...]

    def __str__(self) -> str:
        lines = [f"{field.name.replace('_', ' ')}: {getattr(self, field.name)}" for field in fields(self)[:-1]]
        return "\n".join([*lines, *(f"measured: {figure}" for figure in self.figures)])

    def get_config(self) -> dict[str, Any]:
        """Return the card as plain data that JSON can hold."""
        return {**asdict(self), "figures": [asdict(figure) for figure in self.figures]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Card:
        """Build from what ``get_config`` returned.

        Raises:
            ValueError: If a key is missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        if set(config) != known:
            msg = wrong("card", f"a table with exactly the keys {sorted(known)}", sorted(config))
            raise ValueError(msg)
        return cls(**{**config, "figures": tuple(Figure(**figure) for figure in config["figures"])})
