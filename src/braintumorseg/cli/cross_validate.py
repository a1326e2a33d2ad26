"""``braintumorseg cross-validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._backend import check_trainable
from braintumorseg.cli._console import DATA, USAGE, fail, inform, say, silent_native_code
from braintumorseg.cli._data import Stratify, open_data, tell
from braintumorseg.cli._places import check_writable
from braintumorseg.cli.train import Cache, Devices, Recipe, Settings, read_config

if TYPE_CHECKING:
    from braintumorseg.datasets import Dataset


def cross_validate(
    data: Annotated[
        list[Path], typer.Option(help="A folder of studies with masks in any layout, or a CSV of them; repeatable.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results; give it again to go on.")],
    recipe: Recipe = "resunet-lgg",
    settings: Settings = None,
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the division into folds; the recipe has the training's.")] = 0,
    stratify: Stratify = None,
    cache: Cache = None,
    strategy: Devices = "none",
) -> None:
    """Judge a recipe by cross-validation. Each patient is judged by a model that never saw that patient."""
    check_writable(output)
    with silent_native_code():
        _ = bts.cross_validate  # frameworks greet at their first import
    check_trainable("cross-validate")
    config = read_config(recipe, settings or [])
    studies = [_open(folder) for folder in data]
    count = sum(len(each.patients) for each in studies)
    for each in studies:
        tell(each)
    inform(f"{config.name}: {folds} folds of {count} patients")
    try:
        result = bts.cross_validate(
            config,
            studies,
            output,
            stratify=stratify,
            folds=folds,
            seed=seed,
            cache=cache,
            strategy=strategy,
        )
    except bts.DataError:
        raise
    except ValueError as error:  # folds, seed, column
        fail(str(error), USAGE)
    say(str(result))
    say(f"patients: {output / 'patients.csv'}")
    say(f"evaluation: {output / 'evaluation.json'}")
    say(f"doubtful labels: {output / 'disagreements.html'}")


def _open(data: Path) -> Dataset:
    """Return the patients of one folder; of the LGG dataset those who are not kept for the final test."""
    dataset = open_data(data)
    if not isinstance(dataset, bts.LGGDataset):
        return dataset
    kept = [name for name in dataset.patients if name not in bts.datasets.lgg_split("test")]
    if not kept:
        fail(f"{data}: holds test patients alone, on whom no recipe is judged", DATA)
    if len(kept) < len(dataset):
        inform(f"left out: test patients of the project's split ({len(dataset) - len(kept)})")
    return dataset.subset(kept)
