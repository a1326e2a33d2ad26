"""``braintumorseg report``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import DATA, USAGE, complain, fail, say, track
from braintumorseg.cli._inputs import (
    T1,
    Align,
    Flair,
    Input,
    Sequences,
    Series,
    Source,
    Split,
    T1ce,
    find_inputs,
    reading_options,
)
from braintumorseg.cli._loading import load, set_threshold, start, with_notes
from braintumorseg.cli._places import check_free
from braintumorseg.cli._reports import Reports
from braintumorseg.cli._results import Row, print_rows


def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the pages and measures.")],
    source: Source = None,
    flair: Flair = None,
    t1: T1 = None,
    t1ce: T1ce = None,
    sequences: Sequences = None,
    series: Series = None,
    align: Align = True,
    masks: Annotated[
        Path | None,
        typer.Option(help="Show these masks and predict nothing: a NIfTI file, or the output folder of predict."),
    ] = None,
    truth: Annotated[bool, typer.Option("--truth", help="Show the masks beside the images too.")] = False,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty/--no-uncertainty", help="Predict variants too, and judge the quality by their agreement."
        ),
    ] = True,
    split: Split = None,
    preset: options.Preset = "resunet-lgg",
    threshold: options.Threshold = None,
    engine: options.Engine = "auto",
    precision: options.Precision = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a page and measures per study. Several studies get an index too."""
    reading = reading_options(sequences, series, align=align)
    if masks is not None and threshold is not None:
        fail("--threshold: is for predictions; leave it out with --masks", USAGE)
    segmenter = load(preset) if masks is None else None
    extra = set_threshold(segmenter, threshold) if segmenter else ()
    inputs = find_inputs(source, split, flair=flair, t1=t1, t1ce=t1ce)
    _check_names(inputs)
    drawn = None if masks is None else _find_masks(masks, inputs)
    reports = Reports(output, measures=True, pages=True, many=len(inputs) > 1, overwrite=overwrite)
    check_free([*reports.shared, *(file for each in inputs for file in reports.files(each.name))], overwrite=overwrite)

    if segmenter:
        start(segmenter, engine, precision)
    rows: list[Row] = []
    failures: list[str] = []
    for each in track(inputs, len(inputs), "reporting"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # all of them are notes, which page and table show
                study = bts.read_study(**each.arguments, **reading)
            if segmenter is None:
                segmentation = bts.read_segmentation((drawn or {})[each.name], study)
            else:
                found = segmenter.predict(study, uncertainty=uncertainty, engine=engine, precision=precision)
                segmentation = with_notes(found, extra)
            reports.add(study if truth else study.with_mask(None), segmentation, each.name, segmenter)
            rows.append(Row.of(study, segmentation, truth=truth))
        except bts.DataError as error:
            failures.append(str(error))
    reports.finish()
    if segmenter is not None:
        print_rows(rows, segmenter, truth=truth)
    for message in failures:
        complain(message)
    if failures:
        fail(f"{len(failures)} of {len(inputs)} studies failed", DATA)
    first = output / ("index.html" if len(inputs) > 1 else f"{inputs[0].name}_report.html")
    say(f"page: {first}")


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
