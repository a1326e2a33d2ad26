"""The command line. It speaks to the public API alone, which loads what a command needs and no more."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import braintumorseg as bts

if TYPE_CHECKING:
    from braintumorseg import Segmentation, Segmenter, Study

_DATA, _USAGE = 1, 2

app = typer.Typer(
    name="braintumorseg",
    help="Find brain tumours in MRI. For research, not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_out = Console()
_err = Console(stderr=True)


class Format(StrEnum):
    """What masks are written as."""

    auto = "auto"
    nifti = "nifti"
    tiff = "tiff"
    png = "png"


class Part(StrEnum):
    """The parts of the LGG split."""

    train = "train"
    val = "val"
    test = "test"


Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Preset = Annotated[str, typer.Option(help="The pretrained model.")]


def main() -> None:
    """Run the command line; errors end in one line and an exit code, never in a traceback."""
    try:
        app()
    except bts.DataError as error:
        _fail(str(error), _DATA)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


def _fail(message: str, code: int) -> NoReturn:
    line = " ".join(message.split())
    sys.stderr.write(f"braintumorseg: error: {line}\n")
    sys.exit(code)


def _version(value: bool) -> None:
    if value:
        _out.print(f"braintumorseg {bts.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def predict(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A study, or a folder of many.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A folder, or a file for a single study.")],
    truth: Annotated[bool, typer.Option("--truth", help="Compare with the masks that lie beside the images.")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw each mask on its images (PNG).")] = False,
    format: Annotated[  # noqa: A002 - the option is called so
        Format, typer.Option(help="How to write masks; auto is PNG for single images, else NIfTI.")
    ] = Format.auto,
    split: Annotated[Part | None, typer.Option(help="Only these patients of the LGG dataset.")] = None,
    preset: Preset = "resunet-lgg",
    overwrite: Overwrite = False,
) -> None:
    """Find the tumour in one study or in each study of a folder."""
    if not source.exists():
        _fail(f"{source}: does not exist; expected a study or a folder of studies", _USAGE)
    if preset not in bts.list_pretrained():
        _fail(f"--preset must be one of {', '.join(bts.list_pretrained())}; got {preset}", _USAGE)
    paths = bts.find_studies(source)
    if split is not None:
        members = bts.lgg_split(split.value)
        paths = [path for path in paths if path.name in members]
        if not paths:
            _fail(f"{source}: holds no patient of the {split.value} part of the LGG split", _DATA)
    jobs = [(path, *_targets(path, output, format, single=len(paths) == 1 and paths[0] == source)) for path in paths]
    _check_targets(jobs, overlay=overlay, overwrite=overwrite)

    segmenter = _load(preset)
    rows: list[_Row] = []
    failures: list[str] = []
    with _progress() as progress:
        task = progress.add_task("predicting", total=len(jobs))
        for path, target, picture in jobs:
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", UserWarning)
                    study = bts.read_study(path)
                segmentation = segmenter.predict(study)
                bts.write_segmentation(segmentation, target, overwrite=overwrite)
                if overlay:
                    bts.save_overlay(
                        study if truth else study.with_mask(None), segmentation, picture, overwrite=overwrite
                    )
                remarks = [str(warning.message).removeprefix(f"{path}: ") for warning in caught]
                rows.append(_Row.of(study, segmentation, truth=truth, remarks=remarks))
            except bts.DataError as error:
                failures.append(str(error))
            progress.advance(task)
    _print_rows(rows, segmenter, truth=truth)
    for message in failures:
        _err.print(f"braintumorseg: error: {escape(' '.join(message.split()))}", highlight=False, soft_wrap=True)
    if failures:
        _fail(f"{len(failures)} of {len(jobs)} studies failed", _DATA)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Which synthetic study.", min=0)] = 0,
    preset: Preset = "resunet-lgg",
    overwrite: Overwrite = False,
) -> None:
    """Run the main job on a synthetic study: mask, picture and measures, without any data."""
    study = bts.make_study(seed)
    mask, picture = output / f"{study.name}_mask.nii.gz", output / f"{study.name}_overlay.png"
    for path in (mask, picture):
        if path.exists() and not overwrite:
            _fail(f"{path}: exists already; add --overwrite to replace it", _USAGE)
    segmenter = _load(preset)
    segmentation = segmenter.predict(study)
    bts.write_segmentation(segmentation, mask, overwrite=overwrite)
    bts.save_overlay(study, segmentation, picture, overwrite=overwrite)
    _print_rows([_Row.of(study, segmentation, truth=True)], segmenter, truth=True)
    _out.print(f"mask: {mask}\npicture: {picture}", highlight=False)


class _Row:
    """One line of the table of results."""

    def __init__(self, name: str, size: str, slices: int, dice: float | None, notes: Sequence[str]) -> None:
        self.name, self.size, self.slices, self.dice, self.notes = name, size, slices, dice, notes

    @classmethod
    def of(cls, study: Study, segmentation: Segmentation, *, truth: bool, remarks: Sequence[str] = ()) -> _Row:
        volume = segmentation.volume_ml
        size = f"{segmentation.voxels} voxels" if volume is None else f"{volume:.1f} mL"
        notes = [*remarks, *segmentation.notes]
        dice = None
        if truth and study.mask is not None:
            dice = bts.dice(study.mask, segmentation.mask)
        elif truth:
            notes.append("no mask to compare with")
        return cls(study.name, size, segmentation.slices, dice, notes)


def _print_rows(rows: Sequence[_Row], segmenter: Segmenter, *, truth: bool) -> None:
    if not rows:
        return
    _out.print(f"Found by {segmenter.name} (for research, not for diagnosis)", highlight=False)
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
    _out.print(table)
    scores = [row.dice for row in rows if row.dice is not None]
    if scores:
        _out.print(
            f"Dice per patient over whole volumes, every slice in: mean {mean(scores):.3f}, median {median(scores):.3f} "
            f"({len(scores)} {'patient' if len(scores) == 1 else 'patients'})",
            highlight=False,
            soft_wrap=True,
        )


def _targets(path: Path, output: Path, format: Format, *, single: bool) -> tuple[Path, Path]:  # noqa: A002
    """Return where a study's mask and its picture go."""
    name = path.name.removesuffix(".gz")
    stem = name if path.is_dir() else Path(name).stem
    if single and output.name.endswith((".nii", ".nii.gz", ".png", ".tif", ".tiff")):
        return output, output.with_name(f"{output.name.split('.')[0]}_overlay.png")
    if format is Format.auto:
        image = path.is_file() and path.suffix.lower() in (".png", ".tif", ".tiff")
        format = Format.png if image else Format.nifti  # noqa: A001
    suffix = {Format.nifti: ".nii.gz", Format.png: ".png", Format.tiff: ""}[format]
    return output / f"{stem}_mask{suffix}", output / f"{stem}_overlay.png"


def _check_targets(jobs: Sequence[tuple[Path, Path, Path]], *, overlay: bool, overwrite: bool) -> None:
    """Refuse before the work what would fail after it."""
    seen: dict[Path, Path] = {}
    for path, target, picture in jobs:
        if target in seen:
            _fail(f"{path} and {seen[target]}: would both be written to {target}; predict them apart", _USAGE)
        seen[target] = path
        for file in (target, *([picture] if overlay else [])):
            if file.exists() and not overwrite:
                _fail(f"{file}: exists already; add --overwrite to replace it", _USAGE)


def _load(preset: str) -> Segmenter:
    """Load a preset and build its model, so that what frameworks print at their start does not bury the table."""
    segmenter = bts.load_pretrained(preset)
    with _silent_native_code():
        _ = segmenter.model
    return segmenter


@contextmanager
def _silent_native_code() -> Iterator[None]:
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


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal)
