"""A preset's card as Markdown, for readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from braintumorseg.presets.card import NOT_STATED, Card, Text
from braintumorseg.presets.preset import Preset
from braintumorseg.zoo.published import DATASET, PUBLISHED

_FACTS: tuple[Text, ...] = ("data", "split", "recipe", "licence")
_PRECISIONS = {"float32": "float32", "int8": "int8 on CPUs, float32 on GPUs or on request"}


def render_card(preset: Preset) -> str:
    """Return a preset's card as Markdown, with published results beside its own scores."""
    card = preset.card
    facts = [(name.capitalize(), card.stated(name)) for name in _FACTS]
    facts += [
        ("Architecture", f"{preset.graph.name}, {preset.parameters:,} weights"),
        ("Weights", f"SHA-256 `{preset.sha256}`"),
        ("Computes in", _PRECISIONS[preset.precision]),
        (
            "A voxel is tumour",
            f"from a probability of {preset.threshold:g} on, in components of {preset.min_voxels}+; smaller holes are filled",
        ),
    ]
    parts = [
        f"# {preset.name}",
        card.stated("summary"),
        f"**{card.stated('intended_use')}**",
        _table(("", ""), facts),
        *_measured(card),
        "## Limits",
        card.stated("limits"),
    ]
    if any(DATASET in score.data for score in card.scores):
        parts += ["## Published results on the same dataset", published_table()]
        parts += ["None of these was measured here; mind the conventions."]
    return "\n\n".join([*parts, ""])


def published_table() -> str:
    """Return the published results of others as a Markdown table."""
    return _table(("result", "split", "Dice", "counted how"), PUBLISHED)


def _measured(card: Card) -> list[str]:
    """Return the sections of what was measured, as far as it was."""
    header = ("", "value", "95 % interval", "counted how", "predicted how", "on what")
    rows = [
        (
            score.measure,
            _strong(f"{score.value:.3f}", place == 0),
            score.interval,
            score.convention,
            score.settings or NOT_STATED,
            score.data,
        )
        for place, score in enumerate(card.scores)
    ]
    note = "The first is the headline. Intervals are percentile bootstraps, patients drawn."
    parts = ["## Measured", *([_table(header, rows), note] if rows else ["Nothing was measured."])]
    if card.patients:
        dices = [(f"`{name}`", f"{value:.3f}") for name, value in card.patients.items()]
        parts += ["## By patient", _table(("patient", "Dice, whole volume, every slice in"), dices)]
    if card.robustness:
        drops = [
            (each.change, f"{each.dice:.3f}", f"{each.drop:+.3f}", "" if each.bar is None else f"{each.bar:g}")
            for each in card.robustness
        ]
        parts += ["## Robustness", _table(("change to the same studies", "mean Dice", "drop", "wanted at most"), drops)]
    return parts


def _strong(text: str, strong: bool) -> str:
    return f"**{text}**" if strong else text


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
