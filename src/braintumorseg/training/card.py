"""The card of a trained model: facts of its own training, and the texts that its configuration states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from braintumorseg.datasets.project_split import PARTS, lgg_split
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.presets.card import Card
from braintumorseg.presets.scores import Score
from braintumorseg.training.config import TrainConfig
from braintumorseg.training.patients import Patients
from braintumorseg.training.start import describe_origin
from braintumorseg.zoo.published import DATASET

LGG_DATA = f"the {DATASET} (TCGA-LGG: images CC BY 3.0; masks of M. Buda et al. CC BY-NC-SA 4.0)"

_DIGITS = 4


def run_card(
    config: TrainConfig,
    patients: Patients,
    start: Segmenter | None,
    dice: Mapping[str, float],
    *,
    chosen: bool = False,
) -> Card:
    """Return the card of a run's model.

    Counts of patients, the recipe and the scores are the run's own. The dataset is named only if the studies were given as
    an ``LGGDataset``. Everything else is empty unless the configuration's ``card`` states it. Its ``data`` and ``split``
    follow the counts; they replace none of them.

    Args:
        config: The run's configuration.
        patients: Both sides of the run.
        start: The preset that the run started from, if any.
        dice: Dice of each validation patient by name, over the whole volume, every slice in.
        chosen: Whether the weights are the best checkpoint by that Dice, and not those of the last step.
    """
    stated: dict[str, Any] = dict(config.card)
    facts: dict[str, Any] = {
        "summary": stated.pop("summary", f"A {config.model['name']} trained by braintumorseg."),
        "data": _join(_describe_data(patients), stated.pop("data", "")),
        "split": _join(_describe_split(patients, chosen=chosen), stated.pop("split", "")),
        "licence": stated.pop("licence", ""),
        "limits": stated.pop("limits", ""),
    }
    measured = dict(dice) if _all_finite(dice.values()) else {}  # JSON has no number for a model that diverged
    return Card(
        **facts,
        **stated,
        recipe=_describe_recipe(config, start),
        scores=_scores(measured, patients, chosen=chosen),
        patients={name: round(value, _DIGITS) for name, value in measured.items()},
    )


def _describe_data(patients: Patients) -> str:
    people, studies = patients.counts[0], len(patients.training)
    counted = _count(people) if people == studies else f"{studies} studies of {_count(people)}"
    return counted + (f" of {LGG_DATA}" if patients.lgg_training else "")


def _describe_split(patients: Patients, *, chosen: bool) -> str:
    training, validation = patients.counts
    role = "to choose the best checkpoint by" if chosen else "to validate on, by whom nothing was chosen"
    parts = [f"by patient: {training} to train on, {f'{validation} {role}' if validation else 'no others'}"]
    if patients.lgg_training:
        trained = [
            f"{len(set(members) & patients.training.keys())} of its {len(members)} {part}"
            for part, members in ((part, lgg_split(part)) for part in PARTS)
        ]
        parts.append(f"of the project's split, {', '.join(trained)} patients were trained on")
    return "; ".join(parts)


def _describe_recipe(config: TrainConfig, start: Segmenter | None) -> str:
    """Return name and digest of the configuration, the number of slices by size, and the origin of the first weights."""
    parts = [(config.coarse.steps, config.coarse.size), (config.steps - config.coarse.steps, config.preprocessing.size)]
    slices = ", then ".join(f"{steps * config.batch_size} of {size}x{size}" for steps, size in parts if steps)
    recipe = f"{config.name}, {config.digest()}: augmented slices, {slices}"
    if start is None:
        return recipe
    kept = "; its encoder was kept as it is" if config.freeze else ""
    return f"{recipe}; started from {describe_origin(start)}{kept}"


def _scores(dice: Mapping[str, float], patients: Patients, *, chosen: bool) -> tuple[Score, ...]:
    """Return mean and median of the validation patients' Dice."""
    if not dice:
        return ()
    data = _count(len(dice), "validation patient") + (f" of the {DATASET}" if patients.lgg_validation else "")
    if chosen:
        data += ", who chose this checkpoint"
    values = list(dice.values())
    return tuple(
        Score("Dice", f"{name} over patients, whole volumes, every slice in", data, round(float(value), _DIGITS))
        for name, value in (("mean", np.mean(values)), ("median", np.median(values)))
    )


def _all_finite(values: Iterable[float]) -> bool:
    return bool(np.isfinite(list(values)).all())


def _count(number: int, noun: str = "patient") -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
