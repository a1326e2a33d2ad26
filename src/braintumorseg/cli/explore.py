"""``braintumorseg explore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg._core.optional import lazy
from braintumorseg.cli._common import USAGE, Overwrite, Part, fail, lgg_part, out

_report = lazy("braintumorseg.cohort.exploration.report")


def explore(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder.")],
    output: Annotated[Path, typer.Option("-o", "--out", help="Folder of the results.")],
    split: Annotated[Part | None, typer.Option(help="Only these patients.")] = None,
    examples: Annotated[int, typer.Option(help="How many patients to show slices of.", min=1)] = 8,
    seed: Annotated[int, typer.Option(help="Which patients.", min=0)] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Show a dataset at a glance: studies, tumours, the clinical table, and what is odd."""
    if not (data / "data.csv").is_file():
        fail(f"--data {data}: holds no data.csv; expected the folder of the LGG dataset", USAGE)
    for file in (output / name for name in _report.FILES):
        if file.exists() and not overwrite:
            fail(f"{file}: exists already; add --overwrite to replace it", USAGE)
    dataset = bts.LGGDataset(data)
    if split is not None:
        dataset = lgg_part(dataset, split)
    exploration = bts.cohort.explore(dataset, examples=examples, seed=seed)
    written = bts.cohort.write_exploration(exploration, output, overwrite=overwrite)
    out.print(f"{exploration}\npage: {written}", highlight=False, markup=False, soft_wrap=True)
