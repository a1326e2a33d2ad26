"""Cards of presets: filled in from an evaluation, stored with the preset, and rendered for readers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from braintumorseg._core.checks import wrong
from braintumorseg._core.files import replacing
from braintumorseg.evaluation.conventions import HEADLINE
from braintumorseg.evaluation.robustness import UNCHANGED, Robustness
from braintumorseg.evaluation.table import Evaluation
from braintumorseg.presets.card import Card, Drop, Figure
from braintumorseg.presets.preset import CARD_FILE, CONFIG_FILE, Preset, read_preset
from braintumorseg.runtimes.choice import Precision
from braintumorseg.zoo.published import DATASET, PUBLISHED

DIGITS = 4
FLIPPED = "each slice predicted as its mirror image too"

_PRECISIONS = {
    "float32": "float32",
    "int8": "int8 on CPUs, float32 on GPUs or where asked for; the figures are those of int8 unless they say otherwise",
}
_TEXTS = ("data", "split", "recipe", "licence")


def write_card(
    folder: str | PathLike[str],
    data: str,
    evaluation: Evaluation,
    *,
    flipped: Evaluation | None = None,
    other: Evaluation | None = None,
    robustness: Robustness | None = None,
    limits: str | None = None,
) -> Card:
    """Give a preset a card of what was measured now, in ``braintumorseg.json`` and for readers in ``CARD.md``.

    The figures that the card had are dropped, its texts stay; so do the weights and their SHA-256.

    Args:
        folder: The preset's folder.
        data: On what was measured, such as ``"val patients of the LGG dataset"``; the number of patients is put before it.
        evaluation: Gives the Dice by every convention, the headline first, and that of each patient.
        flipped: The same with flips; gives two figures more.
        other: The same in the precision that is not the preset's own; gives two figures more.
        robustness: Of the same patients.
        limits: Where the preset was seen to fail; what the card says already if not given.

    Returns:
        The new card.

    Raises:
        DataError: If the folder holds no preset, or can't be written to.
        ValueError: If not all is of this preset and of the same patients.

    Examples:
        >>> from pathlib import Path
        >>> from shutil import copytree
        >>> import braintumorseg
        >>> from braintumorseg import evaluate, load_pretrained, make_study
        >>> from braintumorseg.zoo import write_card
        >>> bundled = Path(braintumorseg.__file__).parent / "presets" / "weights" / "resunet-lgg"
        >>> folder = copytree(bundled, "mine")
        >>> evaluation = evaluate(load_pretrained("mine"), [make_study(seed=0, shape=(4, 96, 96))])
        >>> card = write_card("mine", "phantom", evaluation)
        >>> card.figures[0].convention
        'mean over patients, whole volumes, every slice in'
        >>> Path("mine/CARD.md").read_text().splitlines()[0]
        '# resunet-lgg'
    """
    folder = Path(folder)
    preset = read_preset(folder)
    _check_same(preset, evaluation, flipped, other, robustness)
    figures = _figures(evaluation, data)
    if flipped is not None:
        figures += [replace(each, convention=f"{each.convention}; {FLIPPED}") for each in _figures(flipped, data)[:2]]
    if other is not None:
        figures += [
            replace(each, convention=f"{each.convention}; {other_precision(preset)} instead of {preset.precision}")
            for each in _figures(other, data)[:2]
        ]
    dice = evaluation.table.set_index("name")["dice"].sort_values()
    card = replace(
        preset.card,
        limits=preset.card.limits if limits is None else limits,
        figures=tuple(figures),
        patients={str(name): round(value, DIGITS) for name, value in dice.items()},
        robustness=() if robustness is None else _drops(robustness),
    )
    path = folder / CONFIG_FILE
    config = json.loads(path.read_text(encoding="utf-8")) | {"card": card.get_config()}
    with replacing(path, overwrite=True) as beside:
        beside.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    with replacing(folder / CARD_FILE, overwrite=True) as beside:
        beside.write_text(render_card(replace(preset, card=card)), encoding="utf-8")
    return card


def render_card(preset: Preset) -> str:
    """Return a preset's card as Markdown, published results beside its own."""
    card = preset.card
    facts = [(name.capitalize(), getattr(card, name)) for name in _TEXTS]
    facts += [
        ("Architecture", f"{preset.architecture['name']}, {preset.parameters:,} weights"),
        ("Weights", f"SHA-256 `{preset.sha256}`"),
        ("Computes in", _PRECISIONS[preset.precision]),
        (
            "A voxel is tumour",
            f"from a probability of {preset.threshold:g} on, in components of {preset.min_voxels}+; smaller holes are filled",
        ),
    ]
    parts = [
        f"# {preset.name}",
        card.summary,
        f"**{card.intended_use}**",
        _table(("", ""), facts),
        "## Measured",
        _table(
            ("Dice", "95 % interval", "counted how", "on what"),
            [(_strong(f"{each.value:.3f}", place == 0), *_how(each)) for place, each in enumerate(card.figures)],
        ),
        "The first is the headline. Intervals are percentile bootstraps, patients drawn.",
    ]
    if card.patients:
        rows = [(f"`{name}`", f"{value:.3f}") for name, value in card.patients.items()]
        parts += ["## By patient", _table(("patient", "Dice, whole volume, every slice in"), rows)]
    if card.robustness:
        header = ("change to the same studies", "mean Dice", "drop", "wanted at most")
        rows4 = [
            (each.change, f"{each.dice:.3f}", f"{each.drop:+.3f}", "" if each.bar is None else f"{each.bar:g}")
            for each in card.robustness
        ]
        parts += ["## Robustness", _table(header, rows4)]
    parts += ["## Limits", card.limits]
    if any(DATASET in figure.data for figure in card.figures):
        parts += ["## Published results on the same dataset", published_table()]
        parts += ["None of these was measured here; mind the conventions."]
    return "\n\n".join([*parts, ""])


def other_precision(preset: Preset) -> Precision:
    """Return the precision that is not the preset's own."""
    return "float32" if preset.precision == "int8" else "int8"


def published_table() -> str:
    """Return what others published as a Markdown table."""
    return _table(("result", "split", "Dice", "counted how"), PUBLISHED)


def _check_same(
    preset: Preset,
    evaluation: Evaluation,
    flipped: Evaluation | None,
    other: Evaluation | None,
    robustness: Robustness | None,
) -> None:
    patients = set(evaluation.table["name"])
    for argument, expected, given, frame in (
        ("evaluation", preset.name, evaluation, evaluation.table),
        ("flipped", f"{preset.name} with flips", flipped, flipped.table if flipped else None),
        ("other", f"{preset.name} in {other_precision(preset)}", other, other.table if other else None),
        ("robustness", preset.name, robustness, robustness.patients if robustness else None),
    ):
        if given is None or frame is None:
            continue
        if given.segmenter != expected:
            msg = wrong(argument, f"of {expected!r}, as the preset in the folder is called", repr(given.segmenter))
            raise ValueError(msg)
        if set(frame["name"]) != patients:
            msg = wrong(argument, "of the patients of the evaluation", "others")
            raise ValueError(msg)


def _figures(evaluation: Evaluation, data: str) -> list[Figure]:
    conventions = evaluation.conventions().sort_values("headline", ascending=False, kind="stable")
    assert conventions.index[0] == HEADLINE
    where = f"{len(evaluation.table)} {data}"
    return [
        Figure("Dice", row["counted"], where, round(row["dice"], DIGITS), _known(row["low"]), _known(row["high"]))
        for _, row in conventions.iterrows()
        if not math.isnan(row["dice"])
    ]


def _drops(robustness: Robustness) -> tuple[Drop, ...]:
    return tuple(
        Drop(row["change"], round(row["dice"], DIGITS), round(row["drop"], DIGITS), _known(row["bar"]))
        for row in robustness.table.to_dict("records")
        if row["change"] != UNCHANGED
    )


def _known(value: float) -> float | None:
    """Return a number that JSON can hold, or ``None``."""
    return None if math.isnan(value) else round(float(value), DIGITS)


def _how(figure: Figure) -> tuple[str, str, str]:
    return figure.interval, figure.convention, figure.data


def _strong(text: str, strong: bool) -> str:
    return f"**{text}**" if strong else text


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
