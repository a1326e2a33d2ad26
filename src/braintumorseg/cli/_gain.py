"""What fine-tuning gained: the validation patients' Dice before and after it."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

import braintumorseg as bts
from braintumorseg.cli._console import out, say, silent_native_code, track

if TYPE_CHECKING:
    from braintumorseg import Segmenter
    from braintumorseg.datasets import Dataset


def score_patients(segmenter: Segmenter, dataset: Dataset, doing: str) -> dict[str, float]:
    """Return the Dice of each study over its whole volume, every slice in, predicted in float32.

    float32, since a preset may be quantised where the run's model is not.
    """
    scores = {}
    with silent_native_code():
        for study in track(dataset, len(dataset), f"scoring {doing}"):
            if study.mask is None:
                msg = f"{study.name}: has no mask; validation needs the truth"
                raise bts.DataError(msg)
            scores[study.name] = bts.dice(study.mask, segmenter.predict(study, precision="float32").mask)
    return scores


def print_gain(before: dict[str, float], after: dict[str, float]) -> None:
    """Print one table: each study's Dice before and after, and the means."""
    say("Dice of the validation patients over whole volumes, every slice in:")
    table = Table()
    table.add_column("patient", overflow="fold")
    for column in ("before", "after", "change"):
        table.add_column(column, justify="right")
    for name in sorted(before):
        _add(table, escape(name), before[name], after[name])
    table.add_section()
    _add(table, "mean", mean(before.values()), mean(after.values()))
    out.print(table)


def _add(table: Table, name: str, before: float, after: float) -> None:
    table.add_row(name, f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}")
