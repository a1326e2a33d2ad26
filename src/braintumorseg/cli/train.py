"""``braintumorseg train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import braintumorseg as bts
from braintumorseg._core.choices import Strategy, TrainingPrecision
from braintumorseg.cli._backend import check_trainable
from braintumorseg.cli._console import USAGE, fail, inform, say, silent_native_code
from braintumorseg.cli._places import check_folder, check_writable, is_lgg, lgg_part

if TYPE_CHECKING:
    from braintumorseg import LGGDataset

Recipe = Annotated[str, typer.Option(help="A released recipe, or a TOML file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A value in place of the recipe's; repeatable."),
]
Cache = Annotated[
    Path | None, typer.Option(help="Folder of prepared studies, shared between runs.", show_default="OUTPUT/cache")
]
Devices = Annotated[Strategy, typer.Option(help="mirrored shares each batch between all GPUs of this machine.")]


def train(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder, or any folder of studies with masks.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The run's folder, later a preset; give it again to go on.")
    ],
    recipe: Recipe = "resunet-lgg",
    settings: Settings = None,
    validation: Annotated[
        Path | None, typer.Option(help="A folder of studies to validate on; the LGG dataset has its own.")
    ] = None,
    cache: Cache = None,
    strategy: Devices = "none",
    precision: Annotated[
        TrainingPrecision | None, typer.Option(help="Number format of the training.", show_default="the recipe's")
    ] = None,
) -> None:
    """Train a model by a recipe. The same command resumes an interrupted run."""
    check_writable(output)
    with silent_native_code():
        _ = bts.train  # frameworks greet at their first import
    check_trainable("train")
    config = read_config(recipe, settings or [])
    if precision is not None:
        config = config.replace(precision=precision)
    training, judges = _studies(data, validation)
    inform(f"{config.name}: {len(training)} patients to train on, {len(judges)} to validate on")
    segmenter = bts.train(config, training, judges, output, cache=cache, strategy=strategy)
    for score in segmenter.card.scores if segmenter.card else ():
        say(str(score))
    best = f"\nbest checkpoint: {output / 'best'}" if config.keep_best else ""
    say(f"preset: {output}{best}\ncurves: {output / 'curves.png'}")


def read_config(recipe: str, settings: list[str]) -> bts.TrainConfig:
    """Read a recipe and change what ``--set`` says."""
    if recipe not in bts.training.recipes() and not Path(recipe).is_file():
        fail(f"--recipe must be one of {', '.join(bts.training.recipes())}, or a TOML file; got {recipe}", USAGE)
    config = bts.TrainConfig.read(recipe)
    try:
        return config.set(settings)
    except ValueError as error:
        fail(f"--set: {error}", USAGE)


def _studies(data: Path, validation: Path | None) -> tuple[LGGDataset | list[Path], LGGDataset | list[Path]]:
    """Return the studies to train on and to validate on."""
    check_folder("--data", data)
    dataset = bts.LGGDataset(data) if is_lgg(data) else None
    if validation is not None:
        check_folder("--validation", validation)
        return dataset or bts.find_studies(data), bts.find_studies(validation)
    if dataset is None:
        return bts.find_studies(data), []
    return lgg_part(dataset, "train"), lgg_part(dataset, "val")
