"""The table of results that ``predict``, ``report`` and ``demo`` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

import braintumorseg as bts
from braintumorseg.cli._console import out, say

if TYPE_CHECKING:
    from braintumorseg import Segmentation, Segmenter, Study


@dataclass(frozen=True)
class Row:
    """One study's line in the table."""

    name: str
    size: str
    slices: int
    dice: float | None
    notes: tuple[str, ...]
    made_by: str

    @classmethod
    def of(cls, study: Study, segmentation: Segmentation, *, truth: bool) -> Row:
        """Measure what the table says of a study, with the Dice if ``truth`` is asked for."""
        volume = segmentation.volume_ml
        size = f"{segmentation.voxels} voxels" if volume is None else f"{volume:.1f} mL"
        if len(segmentation.classes) > 1:
            parts = segmentation.class_ml or {
                each.name: int((segmentation.labels == each.value).sum()) for each in segmentation.classes
            }
            size += "".join(
                f"\n{name} {value:.1f}" if segmentation.class_ml else f"\n{name} {value}"
                for name, value in parts.items()
            )
        dice, notes = None, segmentation.notes
        if truth and study.mask is not None:
            dice = bts.dice(study.mask, segmentation.mask)
        elif truth:
            notes = (*notes, "no mask to compare with")
        made_by = f"{segmentation.engine} in {segmentation.precision}"
        return cls(study.name, size, segmentation.slices, dice, notes, made_by)


def print_rows(rows: Sequence[Row], segmenter: Segmenter, *, truth: bool) -> None:
    """Print the table, and the mean and median Dice of its studies."""
    if not rows:
        return
    made_by = ", ".join(sorted({row.made_by for row in rows}))
    say(f"Found by {segmenter.name} on {made_by} (for research, not for diagnosis)")
    table = Table()
    table.add_column("patient", overflow="fold")
    table.add_column("tumour", justify="right")
    table.add_column("slices", justify="right")
    if truth:
        table.add_column("Dice", justify="right")
    table.add_column("notes", overflow="fold")
    for row in rows:
        dice = ["-" if row.dice is None else f"{row.dice:.3f}"] if truth else []
        table.add_row(escape(row.name), row.size, str(row.slices), *dice, escape("; ".join(row.notes)))
    out.print(table)
    scores = [row.dice for row in rows if row.dice is not None]
    if scores:
        say(
            f"Dice per patient over whole volumes, every slice in: mean {mean(scores):.3f}, median {median(scores):.3f} "
            f"({len(scores)} {'patient' if len(scores) == 1 else 'patients'})"
        )
