"""``braintumorseg explore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg._core.choices import Part
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import say
from braintumorseg.cli._data import Data, SplitFile, choose_part, open_data, tell
from braintumorseg.cli._places import check_free


def explore(
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")],
    split: Annotated[Part | None, typer.Option(help="Part of the dataset.", show_default="all")] = None,
    split_file: SplitFile = None,
    examples: Annotated[int, typer.Option(help="Number of patients whose slices are shown.", min=1)] = 8,
    seed: Annotated[int, typer.Option(help="Seed of the choice of patients.", min=0)] = 0,
    overwrite: options.Overwrite = False,
) -> None:
    """Show a dataset on one page. It has studies, tumours, the clinical table and oddities."""
    dataset = open_data(data)
    check_free((output / name for name in bts.cohort.EXPLORATION_FILES), overwrite=overwrite)
    dataset = choose_part(dataset, split, split_file, None)
    tell(dataset)
    exploration = bts.cohort.explore(dataset, examples=examples, seed=seed)
    written = bts.cohort.write_exploration(exploration, output, overwrite=overwrite)
    say(f"{exploration}\npage: {written}")
