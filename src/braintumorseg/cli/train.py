"""``braintumorseg train``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._common import USAGE, Part, err, fail, lgg_part, out, silent_native_code


class Strategy(StrEnum):
    """How a batch is shared between devices."""

    none = "none"
    mirrored = "mirrored"


class Precision(StrEnum):
    """What networks compute in."""

    float32 = "float32"
    mixed_float16 = "mixed_float16"
    mixed_bfloat16 = "mixed_bfloat16"


Recipe = Annotated[str, typer.Option(help="A released recipe, or a TOML file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A value that differs from the recipe's; repeatable."),
]
Cache = Annotated[
    Path | None, typer.Option(help="Folder of prepared studies, shared between runs; OUT/cache if not given.")
]
Devices = Annotated[Strategy, typer.Option(help="mirrored shares each batch between all GPUs of this machine.")]


def train(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder, or any folder of studies with masks.")],
    output: Annotated[Path, typer.Option("-o", "--out", help="The run's folder; give it again to go on.")],
    recipe: Recipe = "resunet-lgg",
    settings: Settings = None,
    validation: Annotated[
        Path | None, typer.Option(help="A folder of studies to validate on; the LGG dataset has its own.")
    ] = None,
    cache: Cache = None,
    strategy: Devices = Strategy.none,
    precision: Annotated[
        Precision | None, typer.Option(help="What to compute in; the recipe says if not given.")
    ] = None,
) -> None:
    """Train a model by a recipe, or go on where that was interrupted."""
    with silent_native_code():
        _ = bts.train  # frameworks greet at their first import
    config = read_config(recipe, settings or [])
    if precision is not None:
        config = config.replace(precision=precision.value)
    training, judges = _studies(data, validation)
    err.print(f"{config.name}: {len(training)} patients to train on, {len(judges)} to validate on", highlight=False)
    segmenter = bts.train(config, training, judges, output, cache=cache, strategy=strategy.value)
    for score in segmenter.card.scores if segmenter.card else ():
        out.print(str(score), highlight=False, soft_wrap=True)
    kind = "best" if judges else "last"
    out.print(f"weights: {output / kind}\ncurves: {output / 'curves.png'}", highlight=False, soft_wrap=True)


def read_config(recipe: str, settings: list[str]) -> bts.TrainConfig:
    """Read a recipe and change what ``--set`` says."""
    if recipe not in bts.training.recipes() and not Path(recipe).is_file():
        fail(f"--recipe must be one of {', '.join(bts.training.recipes())}, or a TOML file; got {recipe}", USAGE)
    config = bts.TrainConfig.read(recipe)
    try:
        return config.set(settings)
    except ValueError as error:
        fail(f"--set: {error}", USAGE)


def _studies(data: Path, validation: Path | None) -> tuple[list[Path], list[Path]]:
    """Return the paths of the studies to train on and to validate on."""
    for option, folder in (("--data", data), ("--validation", validation)):
        if folder is not None and not folder.is_dir():
            fail(f"{option} {folder}: is not a folder", USAGE)
    if validation is not None:
        return bts.find_studies(data), bts.find_studies(validation)
    if not (data / "data.csv").is_file():
        return bts.find_studies(data), []
    dataset = bts.LGGDataset(data)
    parts = [lgg_part(dataset, part) for part in (Part.train, Part.val)]
    training, judges = ([part.path(name) for name in part.patients] for part in parts)
    return training, judges
