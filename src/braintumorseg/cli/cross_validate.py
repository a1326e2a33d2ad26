"""``braintumorseg cross-validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._backend import check_trainable
from braintumorseg.cli._console import DATA, USAGE, fail, inform, say, silent_native_code
from braintumorseg.cli._places import check_folder, check_writable, is_lgg
from braintumorseg.cli.train import Cache, Devices, Recipe, Settings, read_config

if TYPE_CHECKING:
    from braintumorseg import LGGDataset


def cross_validate(
    data: Annotated[
        list[Path], typer.Option(help="The LGG dataset's folder, or any folder of studies with masks; repeatable.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results; give it again to go on.")],
    recipe: Recipe = "resunet-lgg",
    settings: Settings = None,
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the division into folds; the recipe has the training's.")] = 0,
    cache: Cache = None,
    strategy: Devices = "none",
) -> None:
    """Judge a recipe by cross-validation. Each patient is judged by a model that never saw that patient."""
    check_writable(output)
    with silent_native_code():
        _ = bts.cross_validate  # frameworks greet at their first import
    check_trainable("cross-validate")
    config = read_config(recipe, settings or [])
    studies = [each for folder in data for each in _studies(folder)]
    count = sum(len(each) if isinstance(each, bts.LGGDataset) else 1 for each in studies)
    inform(f"{config.name}: {folds} folds of {count} patients")
    try:
        result = bts.cross_validate(config, studies, output, folds=folds, seed=seed, cache=cache, strategy=strategy)
    except bts.DataError:
        raise
    except ValueError as error:  # folds, seed
        fail(str(error), USAGE)
    say(str(result))
    say(f"patients: {output / 'patients.csv'}")
    say(f"evaluation: {output / 'evaluation.json'}")
    say(f"doubtful labels: {output / 'disagreements.html'}")


def _studies(data: Path) -> list[LGGDataset | Path]:
    """Return the patients of one folder; of the LGG dataset those who are not kept for the final test."""
    check_folder("--data", data)
    if not is_lgg(data):
        return [*bts.find_studies(data)]
    dataset = bts.LGGDataset(data)
    kept = [name for name in dataset.patients if name not in bts.datasets.lgg_split("test")]
    if not kept:
        fail(f"{data}: holds test patients alone, on whom no recipe is judged", DATA)
    if len(kept) < len(dataset):
        inform(f"left out: test patients of the project's split ({len(dataset) - len(kept)})")
    return [dataset.subset(kept)]
