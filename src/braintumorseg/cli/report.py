"""``braintumorseg report``."""

from __future__ import annotations

import warnings
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
    find_paths,
    load,
    out,
    print_rows,
    progress_bar,
    stem_of,
)
from braintumorseg.cli._reports import Reports


def report(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A study, or a folder of many.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the pages and measures.")],
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
    paths = find_paths(source, split)
    check_preset(preset)
    stems: dict[str, Path] = {}
    for path in paths:
        stem = stem_of(path)
        if stem in stems:
            fail(f"{path} and {stems[stem]}: would have one page, {stem}_report.html; report them apart", USAGE)
        stems[stem] = path
    reports = Reports(output, measures=True, pages=True, many=len(paths) > 1, overwrite=overwrite)
    check_free([*reports.shared, *(file for stem in stems for file in reports.files(stem))], overwrite=overwrite)

    segmenter = load(preset, engine, precision)
    rows: list[Row] = []
    failures: list[str] = []
    with progress_bar() as progress:
        for stem, path in progress.track(list(stems.items()), description="reporting"):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # all of them are notes, which page and table show
                    study = bts.read_study(path)
                segmentation = segmenter.predict(
                    study,
                    uncertainty=uncertainty,
                    engine=engine.value,
                    precision=precision.value if precision else None,
                )
                reports.add(study if truth else study.with_mask(None), segmentation, stem, segmenter)
                rows.append(Row.of(study, segmentation, truth=truth))
            except bts.DataError as error:
                failures.append(str(error))
    reports.finish()
    print_rows(rows, segmenter, truth=truth)
    for message in failures:
        err.print(f"braintumorseg: error: {escape(' '.join(message.split()))}", highlight=False, soft_wrap=True)
    if failures:
        fail(f"{len(failures)} of {len(paths)} studies failed", DATA)
    start = output / ("index.html" if len(paths) > 1 else f"{stem_of(paths[0])}_report.html")
    out.print(f"page: {start}", highlight=False, markup=False, soft_wrap=True)
