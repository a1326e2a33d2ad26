"""``braintumorseg train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import braintumorseg as bts
from braintumorseg._core.choices import Strategy, TrainingPrecision
from braintumorseg.cli import _options as options
from braintumorseg.cli._backend import check_trainable
from braintumorseg.cli._console import USAGE, fail, inform, say, silent_native_code
from braintumorseg.cli._data import Data, Sides, SplitFile, Stratify, choose_sides, open_data, tell, tell_sides
from braintumorseg.cli._gain import print_gain, score_patients
from braintumorseg.cli._loading import load
from braintumorseg.cli._places import check_writable

if TYPE_CHECKING:
    from braintumorseg import Segmenter
    from braintumorseg.datasets import Dataset

_RECIPE = "resunet-lgg"
_LOOK = 3  # studies
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
    data: Data,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The run's folder, later a preset; give it again to go on.")
    ],
    recipe: Annotated[str | None, typer.Option(help="A released recipe, or a TOML file.", show_default=_RECIPE)] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Fine-tune this model on few patients. {options.PRESET_HELP}",
            autocompletion=options.complete_presets,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Train a small first model from scratch, in minutes on two cores.")
    ] = False,
    settings: Settings = None,
    validation: Annotated[
        Path | None,
        typer.Option(help="A folder of studies to validate on.", show_default="the split's val part"),
    ] = None,
    split_file: SplitFile = None,
    stratify: Stratify = None,
    cache: Cache = None,
    strategy: Devices = "none",
    precision: Annotated[
        TrainingPrecision | None, typer.Option(help="Number format of the training.", show_default="the recipe's")
    ] = None,
) -> None:
    """Train a model by a recipe, or fine-tune one. The same command resumes an interrupted run."""
    check_writable(output)
    if sum((recipe is not None, preset is not None, quick)) > 1:
        fail("--recipe, --preset and --quick: exclude each other", USAGE)
    with silent_native_code():
        _ = bts.train  # frameworks greet at their first import
    check_trainable("train")
    started = None if preset is None else load(preset)
    changes = settings or []
    config = read_config(recipe or _RECIPE, changes) if started is None and not quick else None
    dataset = open_data(data)
    others = None if validation is None else open_data(validation, "--validation")
    sides = choose_sides(dataset, output, validation=others, split_file=split_file, stratify=stratify)
    if config is None:
        config = _change(_own_config(sides, preset), changes)
    if precision is not None:
        config = config.replace(precision=precision)
    tell(dataset)
    tell_sides(sides)
    judges = sides.validation
    inform(
        f"{config.name}: {len(sides.training.patients)} patients to train on, "
        f"{0 if judges is None else len(judges.patients)} to validate on"
    )
    before = None if started is None or judges is None else score_patients(started, judges, "before")
    segmenter = bts.train(
        config, sides.training, () if judges is None else judges, output, cache=cache, strategy=strategy
    )
    _print_scores(segmenter, sides, before)
    best = f"\nbest checkpoint: {output / 'best'}" if config.keep_best else ""
    say(f"preset: {output}{best}\ncurves: {output / 'curves.png'}")


def read_config(recipe: str, settings: list[str]) -> bts.TrainConfig:
    """Read a recipe and change what ``--set`` says."""
    if recipe not in bts.training.recipes() and not Path(recipe).is_file():
        fail(f"--recipe must be one of {', '.join(bts.training.recipes())}, or a TOML file; got {recipe}", USAGE)
    return _change(bts.TrainConfig.read(recipe), settings)


def _own_config(sides: Sides, preset: str | None) -> bts.TrainConfig:
    """Return the defaults for data of one's own: of a preset that is fine-tuned, or of a quick first model."""
    if preset is None:
        return bts.training.quick_config(_sequences(sides.training))
    try:
        return bts.training.finetune_config(preset, len(sides.training.patients))
    except bts.DataError:
        raise
    except ValueError as error:
        fail(f"--preset {preset}: {error}", USAGE)


def _sequences(dataset: Dataset) -> list[str]:
    """Return the sequences of a dataset: those that its cases list, else those of its first studies."""
    cases = [dataset.case(name) for name in dataset.names]
    listed = {sequence for case in cases for sequence in (*case.sequences, *(case.channels or ())) if sequence}
    found = listed or {sequence for name in dataset.names[:_LOOK] for sequence in dataset.study(name).sequences}
    known = [sequence for sequence in (*bts.io.SEQUENCES, "t2") if sequence in found]
    return [*known, *sorted(found - set(known))]


def _change(config: bts.TrainConfig, settings: list[str]) -> bts.TrainConfig:
    try:
        return config.set(settings)
    except ValueError as error:
        fail(f"--set: {error}", USAGE)


def _print_scores(segmenter: Segmenter, sides: Sides, before: dict[str, float] | None) -> None:
    """Print the validation scores of the card, and of a fine-tuned preset those of before."""
    if before is not None and sides.validation is not None:
        print_gain(before, score_patients(segmenter, sides.validation, "after"))
    for score in segmenter.card.scores if segmenter.card else ():
        say(str(score))
