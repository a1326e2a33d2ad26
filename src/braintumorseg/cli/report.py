"""``braintumorseg report``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import braintumorseg as bts
from braintumorseg.cli._common import (
    DATA,
    USAGE,
    Engine,
    EngineOption,
    Overwrite,
    Part,
    PrecisionOption,
    Preset,
    Row,
    check_free,
    check_preset,
    err,
    fail,
    load,
    out,
    print_rows,
    progress_bar,
)
from braintumorseg.cli._inputs import (
    Align,
    Flair,
    Input,
    Post,
    Pre,
    Sequences,
    Series,
    Source,
    find_inputs,
    reading_options,
)
from braintumorseg.cli._reports import Reports


def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the pages and measures.")],
    source: Source = None,
    flair: Flair = None,
    t1: Pre = None,
    t1ce: Post = None,
    sequences: Sequences = None,
    series: Series = None,
    align: Align = True,
    masks: Annotated[
        Path | None,
        typer.Option(help="Show these masks and predict nothing: a NIfTI file, or the folder that predict wrote to."),
    ] = None,
    truth: Annotated[bool, typer.Option("--truth", help="Show the masks that lie beside the images too.")] = False,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty/--no-uncertainty", help="Predict variants too; the quality is judged by their agreement."
        ),
    ] = True,
    split: Annotated[Part | None, typer.Option(help="Only these patients of the LGG dataset.")] = None,
    preset: Preset = "resunet-lgg",
    engine: EngineOption = Engine.auto,
    precision: PrecisionOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a page that shows what is found in each study, its measures, and an index of many."""
    options = reading_options(sequences, series, align=align)
    inputs = find_inputs(source, split, flair=flair, t1=t1, t1ce=t1ce)
    check_preset(preset)
    _check_names(inputs)
    drawn = None if masks is None else _find_masks(masks, inputs)
    reports = Reports(output, measures=True, pages=True, many=len(inputs) > 1, overwrite=overwrite)
    check_free([*reports.shared, *(file for each in inputs for file in reports.files(each.name))], overwrite=overwrite)

    segmenter = load(preset, engine, precision) if drawn is None else None
    rows: list[Row] = []
    failures: list[str] = []
    with progress_bar() as progress:
        for each in progress.track(inputs, description="reporting"):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # all of them are notes, which page and table show
                    study = bts.read_study(**each.arguments, **options)
                if segmenter is None:
                    segmentation = bts.read_segmentation((drawn or {})[each.name], study)
                else:
                    segmentation = segmenter.predict(
                        study,
                        uncertainty=uncertainty,
                        engine=engine.value,
                        precision=precision.value if precision else None,
                    )
                reports.add(study if truth else study.with_mask(None), segmentation, each.name, segmenter)
                rows.append(Row.of(study, segmentation, truth=truth))
            except bts.DataError as error:
                failures.append(str(error))
    reports.finish()
    if segmenter is not None:
        print_rows(rows, segmenter, truth=truth)
    for message in failures:
        err.print(f"braintumorseg: error: {escape(' '.join(message.split()))}", highlight=False, soft_wrap=True)
    if failures:
        fail(f"{len(failures)} of {len(inputs)} studies failed", DATA)
    start = output / ("index.html" if len(inputs) > 1 else f"{inputs[0].name}_report.html")
    out.print(f"page: {start}", highlight=False, markup=False, soft_wrap=True)


def _check_names(inputs: Sequence[Input]) -> None:
    """Refuse two studies of one name, whose pages would be one file."""
    seen: dict[str, Path] = {}
    for each in inputs:
        if each.name in seen:
            page = f"{each.name}_report.html"
            fail(f"{each.path} and {seen[each.name]}: would have one page, {page}; report them apart", USAGE)
        seen[each.name] = each.path


def _find_masks(masks: Path, inputs: Sequence[Input]) -> dict[str, Path]:
    """Return each study's mask, by the study's name."""
    if masks.is_file():
        if len(inputs) > 1:
            fail(f"--masks {masks}: is one file; expected a folder for {len(inputs)} studies", USAGE)
        return {inputs[0].name: masks}
    found = {}
    for each in inputs:
        places = [masks / f"{each.name}_mask{suffix}" for suffix in (".nii.gz", ".nii")]
        there = [place for place in places if place.is_file()]
        if not there:
            fail(f"{places[0]}: does not exist; expected the mask of {each.path}", USAGE)
        found[each.name] = there[0]
    return found
