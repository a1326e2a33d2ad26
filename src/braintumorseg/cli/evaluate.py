"""``braintumorseg evaluate``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

import braintumorseg as bts
from braintumorseg._core.choices import Part
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import USAGE, fail, out, say, silent_native_code, track
from braintumorseg.cli._data import Data, SplitFile, choose_part, open_data, tell
from braintumorseg.cli._loading import load, set_threshold, start
from braintumorseg.cli._places import check_free

if TYPE_CHECKING:
    from braintumorseg import Segmenter, Study
    from braintumorseg.datasets import Dataset
    from braintumorseg.evaluation import Evaluation

_EXAMPLES = ("best", "median", "worst")
_TTA = "with_tta.json"
_ROBUSTNESS = ("robustness.csv", "robustness.json")


def evaluate(
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")],
    split: Annotated[
        Part | None,
        typer.Option(help="Part of the dataset.", show_default="val of the LGG dataset and of a split file, else all"),
    ] = None,
    split_file: SplitFile = None,
    preset: options.Preset = "resunet-lgg",
    tta: Annotated[
        bool, typer.Option("--tta", help="Measure with test-time augmentation (mirror images) too, and compare.")
    ] = False,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Measure the loss under changes of the studies.")
    ] = False,
    threshold: options.Threshold = None,
    engine: options.Engine = "auto",
    precision: options.Precision = None,
    card: Annotated[bool, typer.Option("--card", help="Write all measurements into the preset's card.")] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure a model on studies with masks. Results are by patient and by every convention."""
    segmenter = load(preset)
    if card and not Path(preset).is_dir():
        fail(f"--card: writes into the folder of a preset; --preset {preset} is not one", USAGE)
    for note in set_threshold(segmenter, threshold):
        segmenter.name += f" with {note}"
    dataset = open_data(data)
    studies = choose_part(dataset, split, split_file, "val")
    called = _name(dataset, split, split_file)
    _check_free(output, tta=tta, robustness=robustness, overwrite=overwrite)
    if card and (threshold is not None or precision is not None or engine != "auto"):
        fail("--card: is for the preset's own settings; leave out --threshold, --engine and --precision", USAGE)
    start(segmenter, engine, precision)
    with silent_native_code():
        _ = bts.evaluate, bts.evaluation.measure_robustness  # frameworks greet at their first import

    tell(studies)
    institutions = studies.institutions or None
    segmenter.precision = precision or segmenter.precision  # for pictures and robustness too
    measure = partial(bts.evaluate, segmenter, institutions=institutions, engine=engine)
    evaluation = measure(_shown(studies, "measuring"), precision=precision)
    bts.evaluation.write_evaluation(evaluation, output, overwrite=overwrite)
    _draw_examples(segmenter, studies, evaluation, output, overwrite=overwrite)
    _print_patients(evaluation)
    say(str(evaluation))
    augmented = other = changed = None
    if tta:
        augmented = measure(_shown(studies, "with mirror images"), tta=True, precision=precision)
        augmented.to_json(output / _TTA, overwrite=overwrite)
        say(f"{augmented.label}: {augmented.summary()}\n{bts.evaluation.compare(evaluation, augmented)}")
    if card and evaluation.precision == "int8":
        other = measure(_shown(studies, "in float32"), precision="float32")
        say(f"{other.label}: {other.summary()}\n{bts.evaluation.compare(other, evaluation)}")
    if robustness:
        changed = bts.evaluation.measure_robustness(segmenter, _shown(studies, "changing"))
        changed.to_csv(output / _ROBUSTNESS[0], overwrite=overwrite)
        changed.to_json(output / _ROBUSTNESS[1], overwrite=overwrite)
        say(str(changed))
    if card:
        bts.zoo.write_card(preset, called, evaluation, tta=augmented, other_precision=other, robustness=changed)
        say(f"card: {Path(preset) / 'CARD.md'}")
    say(f"tables and pictures: {output}")


def _check_free(output: Path, *, tta: bool, robustness: bool, overwrite: bool) -> None:
    """Refuse before the work what would fail after it."""
    names = [*bts.evaluation.EVALUATION_FILES, *(f"{kind}.png" for kind in _EXAMPLES)]
    names += [_TTA] * tta + list(_ROBUSTNESS) * robustness
    check_free((output / name for name in names), overwrite=overwrite)


def _name(dataset: Dataset, split: Part | None, split_file: Path | None) -> str:
    """Return what to call the studies in a card."""
    if isinstance(dataset, bts.LGGDataset):
        return f"{split or 'val'} patients of the LGG dataset"
    place = dataset.root.absolute().name
    return f"{split or 'val'} patients of {place}" if split_file else f"studies of {place}"


def _shown(studies: Dataset, doing: str) -> Iterator[Study]:
    return track(studies, len(studies), doing)


def _draw_examples(
    segmenter: Segmenter, studies: Dataset, evaluation: Evaluation, output: Path, *, overwrite: bool
) -> None:
    """Draw the patients of the highest, the middle and the lowest Dice; of an even number the lower of the middle two."""
    names = evaluation.table.sort_values(["dice", "name"])["name"].tolist()
    for kind, name in zip(_EXAMPLES, (names[-1], names[(len(names) - 1) // 2], names[0]), strict=True):
        study = studies.study(name)
        bts.save_overlay(study, segmenter.predict(study), output / f"{kind}.png", overwrite=overwrite)


def _print_patients(evaluation: Evaluation) -> None:
    """Print each patient's main measures, the lowest Dice first."""
    lengths, volumes = (" or ".join(evaluation.table[column].unique()) for column in ("length_unit", "volume_unit"))
    table = Table(
        title=f"{evaluation.label}, each patient over the whole volume, every slice in",
        caption=f"HD95 in {lengths}, tumour in {volumes}",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("patient", overflow="fold")
    for column in ("Dice", "precision", "recall", "HD95", "tumour"):
        table.add_column(column, justify="right")
    for row in evaluation.table.sort_values(["dice", "name"]).to_dict("records"):
        shares = (f"{row[column]:.3f}" for column in ("dice", "precision", "recall"))
        table.add_row(escape(row["name"]), *shares, f"{row['hd95']:.1f}", f"{row['true_volume']:.0f}")
    out.print(table)
