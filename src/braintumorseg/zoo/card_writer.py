"""Fill in a preset's card from evaluations, in its JSON and in ``CARD.md``."""

from __future__ import annotations

import math
from dataclasses import replace
from os import PathLike
from pathlib import Path

from braintumorseg._core.checks import wrong
from braintumorseg._core.files import replacing
from braintumorseg.evaluation.conventions import HEADLINE
from braintumorseg.evaluation.robustness import UNCHANGED, Robustness
from braintumorseg.evaluation.table import Evaluation
from braintumorseg.presets.card import Card
from braintumorseg.presets.preset import CARD_FILE, Preset
from braintumorseg.presets.reader import read_preset
from braintumorseg.presets.scores import Drop, Score
from braintumorseg.presets.writer import replace_card
from braintumorseg.zoo.card_markdown import render_card

DIGITS = 4
_MAIN = 2  # scores of a further evaluation: the mean and the median over patients


def write_card(
    folder: str | PathLike[str],
    data: str,
    evaluation: Evaluation,
    *,
    tta: Evaluation | None = None,
    other_precision: Evaluation | None = None,
    robustness: Robustness | None = None,
    limits: str | None = None,
) -> Card:
    """Give a preset a card of new measurements, in ``braintumorseg.json`` and for readers in ``CARD.md``.

    Older scores are dropped. The texts of the card stay, and so do the weights and their SHA-256.

    Args:
        folder: The preset's folder.
        data: The data of the evaluation, such as ``"val patients of the LGG dataset"``; the number of patients is put
            before it.
        evaluation: Gives the Dice by every convention, the headline first, and that of each patient.
        tta: An evaluation with test-time augmentation; gives two more scores.
        other_precision: An evaluation in another precision; gives two more scores.
        robustness: Of the same patients.
        limits: Known failures; the text that the card has if not given.

    Returns:
        The new card.

    Raises:
        DataError: If the folder holds no preset, or can't be written to.
        ValueError: If the evaluations are not of this preset, of the same patients and of the settings stated here.

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
        >>> card.scores[0].convention
        'mean over patients, whole volumes, every slice in'
        >>> Path("mine/CARD.md").read_text().splitlines()[0]
        '# resunet-lgg'
    """
    folder = Path(folder)
    preset = read_preset(folder)
    _check_same(preset, evaluation, tta, other_precision, robustness)
    _check_settings(evaluation, tta, other_precision)
    scores = _scores(evaluation, data)
    for further in (tta, other_precision):
        scores += [] if further is None else _scores(further, data)[:_MAIN]
    dice = evaluation.table.set_index("name")["dice"].sort_values()
    card = replace(
        preset.card,
        limits=preset.card.limits if limits is None else limits,
        scores=tuple(scores),
        patients={str(name): round(value, DIGITS) for name, value in dice.items()},
        robustness=() if robustness is None else _drops(robustness),
    )
    write_page(folder, replace_card(folder, card))
    return card


def write_page(folder: Path, preset: Preset) -> None:
    """Write the ``CARD.md`` of a preset, in place of an older one."""
    with replacing(folder / CARD_FILE, overwrite=True) as beside:
        beside.write_text(render_card(preset), encoding="utf-8", newline="\n")


def _check_same(
    preset: Preset,
    evaluation: Evaluation,
    tta: Evaluation | None,
    other_precision: Evaluation | None,
    robustness: Robustness | None,
) -> None:
    """Raise ``ValueError`` unless all is of this preset and of the same patients."""
    patients = set(evaluation.table["name"])
    for argument, given, frame in (
        ("evaluation", evaluation, evaluation.table),
        ("tta", tta, tta.table if tta else None),
        ("other_precision", other_precision, other_precision.table if other_precision else None),
        ("robustness", robustness, robustness.patients if robustness else None),
    ):
        if given is None or frame is None:
            continue
        if given.segmenter != preset.name:
            msg = wrong(argument, f"of {preset.name!r}, as the preset in the folder is called", repr(given.segmenter))
            raise ValueError(msg)
        if set(frame["name"]) != patients:
            msg = wrong(argument, "of the patients of the evaluation", "others")
            raise ValueError(msg)


def _check_settings(evaluation: Evaluation, tta: Evaluation | None, other_precision: Evaluation | None) -> None:
    """Raise ``ValueError`` unless each evaluation differs from the first in the one setting that it is given for."""
    if evaluation.tta:
        msg = wrong("evaluation", "one without test-time augmentation", "one with it")
        raise ValueError(msg)
    if tta is not None and (not tta.tta or tta.precision != evaluation.precision):
        allowed = f"one with test-time augmentation, in the precision of the evaluation, {evaluation.precision}"
        msg = wrong("tta", allowed, f"one {'with' if tta.tta else 'without'} it, in {tta.precision}")
        raise ValueError(msg)
    if other_precision is not None and other_precision.precision in (None, evaluation.precision):
        allowed = f"in another precision than the evaluation, {evaluation.precision}"
        msg = wrong("other_precision", allowed, str(other_precision.precision))
        raise ValueError(msg)
    if other_precision is not None and other_precision.tta:
        msg = wrong("other_precision", "one without test-time augmentation", "one with it")
        raise ValueError(msg)


def _scores(evaluation: Evaluation, data: str) -> list[Score]:
    conventions = evaluation.conventions().sort_values("headline", ascending=False, kind="stable")
    assert conventions.index[0] == HEADLINE
    where = f"{len(evaluation.table)} {data}"
    return [
        Score(
            "Dice",
            row["counted"],
            where,
            round(row["dice"], DIGITS),
            _known(row["low"]),
            _known(row["high"]),
            tta=evaluation.tta,
            precision=evaluation.precision,
        )
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
