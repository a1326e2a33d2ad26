"""``braintumorseg predict``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from enum import StrEnum
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
    print_rows,
    progress_bar,
    stem_of,
)
from braintumorseg.cli._reports import Reports


class Format(StrEnum):
    """What masks are written as."""

    auto = "auto"
    nifti = "nifti"
    tiff = "tiff"
    png = "png"


def predict(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A study, or a folder of many.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A folder, or a file for a single study.")],
    truth: Annotated[bool, typer.Option("--truth", help="Compare with the masks that lie beside the images.")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw each mask on its images (PNG).")] = False,
    format: Annotated[  # noqa: A002 - the option is called so
        Format, typer.Option(help="How to write masks; auto is PNG for single images, else NIfTI.")
    ] = Format.auto,
    split: Annotated[Part | None, typer.Option(help="Only these patients of the LGG dataset.")] = None,
    measures: Annotated[
        bool, typer.Option("--measures", help="Write volume, diameters, place and quality (JSON, CSV).")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write a page that shows each study, and the measures.")
    ] = False,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Predict variants too, and write how far they lie apart.")
    ] = False,
    preset: Preset = "resunet-lgg",
    engine: EngineOption = Engine.auto,
    precision: PrecisionOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the tumour in one study or in each study of a folder."""
    paths = find_paths(source, split)
    check_preset(preset)
    jobs = [(path, *_targets(path, output, format, single=len(paths) == 1 and paths[0] == source)) for path in paths]
    folder = jobs[0][2].parent
    many = len(jobs) > 1
    reports = Reports(folder, measures=measures or report, pages=report, many=many, overwrite=overwrite)
    _check_targets(jobs, reports, overlay=overlay, uncertainty=uncertainty, overwrite=overwrite)

    segmenter = load(preset, engine, precision)
    rows: list[Row] = []
    failures: list[str] = []
    with progress_bar() as progress:
        task = progress.add_task("predicting", total=len(jobs))
        for path, target, picture in jobs:
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", UserWarning)
                    study = bts.read_study(path)
                segmentation = segmenter.predict(
                    study,
                    uncertainty=uncertainty,
                    engine=engine.value,
                    precision=precision.value if precision else None,
                )
                maps = uncertainty and _is_nifti(target)
                bts.write_segmentation(segmentation, target, overwrite=overwrite, uncertainty=maps)
                shown = study if truth else study.with_mask(None)
                if overlay:
                    bts.save_overlay(shown, segmentation, picture, overwrite=overwrite)
                reports.add(shown, segmentation, _stem(picture), segmenter)
                remarks = [str(warning.message).removeprefix(f"{path}: ") for warning in caught]
                rows.append(Row.of(study, segmentation, truth=truth, remarks=remarks))
            except bts.DataError as error:
                failures.append(str(error))
            progress.advance(task)
    reports.finish()
    print_rows(rows, segmenter, truth=truth)
    for message in failures:
        err.print(f"braintumorseg: error: {escape(' '.join(message.split()))}", highlight=False, soft_wrap=True)
    if failures:
        fail(f"{len(failures)} of {len(jobs)} studies failed", DATA)


def _targets(path: Path, output: Path, format: Format, *, single: bool) -> tuple[Path, Path]:  # noqa: A002
    """Return where a study's mask and its picture go."""
    stem = stem_of(path)
    if single and output.name.endswith((".nii", ".nii.gz", ".png", ".tif", ".tiff")):
        return output, output.with_name(f"{output.name.split('.')[0]}_overlay.png")
    if format is Format.auto:
        image = path.is_file() and path.suffix.lower() in (".png", ".tif", ".tiff")
        format = Format.png if image else Format.nifti  # noqa: A001
    suffix = {Format.nifti: ".nii.gz", Format.png: ".png", Format.tiff: ""}[format]
    return output / f"{stem}_mask{suffix}", output / f"{stem}_overlay.png"


def _stem(picture: Path) -> str:
    return picture.name.removesuffix("_overlay.png")


def _is_nifti(target: Path) -> bool:
    return target.name.endswith((".nii", ".nii.gz"))


def _check_targets(
    jobs: Sequence[tuple[Path, Path, Path]], reports: Reports, *, overlay: bool, uncertainty: bool, overwrite: bool
) -> None:
    """Refuse before the work what would fail after it."""
    seen: dict[Path, Path] = {}
    check_free(reports.shared, overwrite=overwrite)
    for path, target, picture in jobs:
        if target in seen:
            fail(f"{path} and {seen[target]}: would both be written to {target}; predict them apart", USAGE)
        seen[target] = path
        maps = [target.with_name(f"{stem_of(target)}_uncertainty.nii.gz")] if uncertainty and _is_nifti(target) else []
        check_free([target, *maps, *[picture] * overlay, *reports.files(_stem(picture))], overwrite=overwrite)
