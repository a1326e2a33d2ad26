"""What the commands share: exit codes, consoles, options, tables of results."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

import braintumorseg as bts
from braintumorseg._core.optional import require

if TYPE_CHECKING:
    from braintumorseg import LGGDataset, Segmentation, Segmenter, Study
    from braintumorseg.inference import Prediction

DATA, USAGE = 1, 2
"""Exit codes: data that can't be used, a command that is wrong."""

out = Console()
err = Console(stderr=True)


class Part(StrEnum):
    """The parts of the LGG split."""

    train = "train"
    val = "val"
    test = "test"


class Engine(StrEnum):
    """What runs the network."""

    auto = "auto"
    keras = "keras"
    openvino = "openvino"
    onnxruntime = "onnxruntime"


class Precision(StrEnum):
    """What the network computes in."""

    float32 = "float32"
    int8 = "int8"


EngineOption = Annotated[
    Engine, typer.Option("--engine", help="What runs the network; auto is Keras on a GPU, else OpenVINO.")
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option("--precision", help="What it computes in; what the preset's figures justify if not given."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Preset = Annotated[
    str, typer.Option(help="The pretrained model: a name, hf://owner/repo, or a folder that train left.")
]


def fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    sys.stderr.write(f"braintumorseg: error: {line}\n")
    sys.exit(code)


class Row:
    """One line of the table of results."""

    def __init__(
        self, name: str, size: str, slices: int, dice: float | None, notes: Sequence[str], made_by: str
    ) -> None:
        self.name, self.size, self.slices, self.dice, self.notes = name, size, slices, dice, notes
        self.made_by = made_by

    @classmethod
    def of(cls, study: Study, segmentation: Segmentation, *, truth: bool) -> Row:
        volume = segmentation.volume_ml
        size = f"{segmentation.voxels} voxels" if volume is None else f"{volume:.1f} mL"
        notes = [*segmentation.notes]
        dice = None
        if truth and study.mask is not None:
            dice = bts.dice(study.mask, segmentation.mask)
        elif truth:
            notes.append("no mask to compare with")
        return cls(
            study.name, size, segmentation.slices, dice, notes, f"{segmentation.engine} in {segmentation.precision}"
        )


def print_rows(rows: Sequence[Row], segmenter: Segmenter, *, truth: bool) -> None:
    if not rows:
        return
    made_by = ", ".join(sorted({row.made_by for row in rows}))
    out.print(f"Found by {segmenter.name} on {made_by} (for research, not for diagnosis)", highlight=False)
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
        out.print(
            f"Dice per patient over whole volumes, every slice in: mean {mean(scores):.3f}, median {median(scores):.3f} "
            f"({len(scores)} {'patient' if len(scores) == 1 else 'patients'})",
            highlight=False,
            soft_wrap=True,
        )


def check_preset(preset: str) -> None:
    """Refuse what is neither a name, nor the folder of a pretrained model, nor an address, of which only the Hub knows."""
    names = list(bts.list_pretrained().index)
    if preset not in names and not preset.startswith("hf://") and not (Path(preset) / "braintumorseg.json").is_file():
        allowed = f"one of {', '.join(names)}, the folder of a trained model, or hf://owner/repo"
        fail(f"--preset must be {allowed}; got {preset}", USAGE)


def find_paths(source: Path, split: Part | None) -> list[Path]:
    """Find the studies of a folder, of one part of the LGG split alone if asked; no study at all ends the command."""
    if not source.exists():
        fail(f"{source}: does not exist; expected a study or a folder of studies", USAGE)
    paths = bts.find_studies(source)
    if split is not None:
        members = bts.datasets.lgg_split(split.value)
        paths = [path for path in paths if path.name in members]
        if not paths:
            fail(f"{source}: holds no patient of the {split.value} part of the LGG split", DATA)
    return paths


def check_free(files: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse before the work what would be overwritten after it, and folders that can't be written to."""
    folders: dict[Path, None] = {}
    for file in files:
        if file.exists() and not overwrite:
            fail(f"{file}: exists already; add --overwrite to replace it", USAGE)
        folders[file.parent] = None
    for folder in folders:
        _check_writable(folder)


def _check_writable(folder: Path) -> None:
    """Refuse a folder that is none, or can't be written to; one that is not there is not made yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        fail(f"{folder}: can't be written ({there} is no folder)", DATA)
    if not os.access(there, os.W_OK | os.X_OK):
        fail(f"{folder}: can't be written ({there} allows no writing)", DATA)


def stem_of(path: Path) -> str:
    """Return what results of a study are called after."""
    return bts.io.study_name(path)


def lgg_part(dataset: LGGDataset, part: Part) -> LGGDataset:
    """Return a part of the dataset's split, with a line on standard error where some of its patients are not there."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        kept = dataset.split(part.value)
    for warning in caught:
        err.print(f"braintumorseg: warning: {warning.message}", highlight=False, markup=False, soft_wrap=True)
    return kept


def need(module: str, extra: str) -> None:
    """End the command before its work if an optional package that it needs is not installed."""
    try:
        require(module, extra)
    except ImportError as error:
        fail(str(error), USAGE)


def load(preset: str, engine: Engine = Engine.auto, precision: Precision | None = None) -> Segmenter:
    """Load a preset and what runs it."""
    segmenter = load_preset(preset)
    choose(segmenter, engine, precision)
    return segmenter


def load_preset(preset: str) -> Segmenter:
    """Load a preset."""
    try:
        return bts.load_pretrained(preset)
    except bts.DataError:
        raise
    except ValueError as error:
        fail(str(error), USAGE)


def choose(
    segmenter: Segmenter, engine: Engine, precision: Precision | None, *, uncertainty: bool = False
) -> Prediction:
    """Choose what runs a segmenter, and build it, so that what runtimes print at their start does not bury the table."""
    try:
        with silent_native_code():
            return segmenter.prediction(
                uncertainty=uncertainty, engine=engine.value, precision=precision.value if precision else None
            )
    except bts.DataError:
        raise
    except (ValueError, ImportError) as error:
        fail(str(error), USAGE)


@contextmanager
def silent_native_code() -> Iterator[None]:
    """Drop what native code writes to standard error; Python's own errors are raised, not written, and so survive."""
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)


class _Rate(ProgressColumn):
    """How many are done in a minute."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{60 * task.speed:.1f}/min")


def progress_bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
