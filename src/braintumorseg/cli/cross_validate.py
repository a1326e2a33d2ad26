"""``braintumorseg cross-validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._common import DATA, USAGE, err, fail, out, silent_native_code
from braintumorseg.cli.train import Cache, Devices, Recipe, Settings, Strategy, read_config

if TYPE_CHECKING:
    from braintumorseg import LGGDataset


def cross_validate(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder, or any folder of studies with masks.")],
    output: Annotated[Path, typer.Option("-o", "--out", help="Folder of the results; give it again to go on.")],
    recipe: Recipe = "resunet-lgg",
    settings: Settings = None,
    folds: Annotated[int, typer.Option(help="How many parts the patients are divided into.")] = 5,
    seed: Annotated[int, typer.Option(help="Which division; the training's seed is the recipe's.")] = 0,
    cache: Cache = None,
    strategy: Devices = Strategy.none,
) -> None:
    """Judge a recipe on every patient, each by a model that never saw that patient."""
    with silent_native_code():
        _ = bts.cross_validate  # frameworks greet at their first import
    config = read_config(recipe, settings or [])
    studies = _studies(data)
    err.print(f"{config.name}: {folds} folds of {len(studies)} patients", highlight=False)
    try:
        result = bts.cross_validate(
            config, studies, output, folds=folds, seed=seed, cache=cache, strategy=strategy.value
        )
    except bts.DataError:
        raise
    except ValueError as error:  # folds, seed
        fail(str(error), USAGE)
    out.print(str(result), highlight=False, markup=False, soft_wrap=True)
    out.print(
        f"patients: {output / 'patients.csv'}\nevaluation: {output / 'evaluation.json'}\n"
        f"doubtful labels: {output / 'disagreements.html'}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _studies(data: Path) -> LGGDataset | list[Path]:
    """Return the patients; of the LGG dataset those who are not kept for the final test."""
    if not data.is_dir():
        fail(f"--data {data}: is not a folder", USAGE)
    if not (data / "data.csv").is_file():
        return bts.find_studies(data)
    dataset = bts.LGGDataset(data)
    kept = [name for name in dataset.patients if name not in bts.datasets.lgg_split("test")]
    if not kept:
        fail(f"{data}: holds test patients alone, on whom no recipe is judged", DATA)
    if len(kept) < len(dataset):
        err.print(f"left out: test patients of the project's split ({len(dataset) - len(kept)})", highlight=False)
    return dataset.subset(kept)
