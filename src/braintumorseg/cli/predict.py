"""``braintumorseg predict``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import braintumorseg as bts
from braintumorseg._core.optional import import_ahead
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import DATA, USAGE, complain, fail, inform, track, without_warnings
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
from braintumorseg.cli._resume import Record

if TYPE_CHECKING:
    from braintumorseg import Segmentation, Study

_Job = tuple[Input, Path, Path]

_FILES = (".nii", ".nii.gz", ".png", ".tif", ".tiff", ".dcm")
_SUFFIXES = {"nifti": ".nii.gz", "png": ".png", "tiff": "", "dicom": ".dcm"}

Format = Literal["auto", "nifti", "tiff", "png", "dicom"]


def predict(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the results, or a file for a single study.")
    ],
    source: Source = None,
    flair: Flair = None,
    t1: T1 = None,
    t1ce: T1ce = None,
    sequences: Sequences = None,
    series: Series = None,
    align: Align = True,
    truth: Annotated[bool, typer.Option("--truth", help="Compare with the masks beside the images.")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw each mask on its images (PNG).")] = False,
    format: Annotated[  # noqa: A002 - the option is called so
        Format, typer.Option(help="File format of masks; auto is PNG for single images, else NIfTI.")
    ] = "auto",
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the probabilities too (NIfTI), beside each mask.")
    ] = False,
    split: Split = None,
    measures: Annotated[
        bool, typer.Option("--measures", help="Write volume, diameters, place and quality (JSON, CSV).")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write a page that shows each study, and the measures.")
    ] = False,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Predict variants too, and write their disagreement (NIfTI).")
    ] = False,
    preset: options.Preset = "resunet-lgg",
    threshold: options.Threshold = None,
    engine: options.Engine = "auto",
    precision: options.Precision = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip studies that an earlier --resume run finished, if nothing changed.")
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Find the tumour in a study or many studies."""
    reading = reading_options(sequences, series, align=align)
    segmenter = load(preset)
    extra = set_threshold(segmenter, threshold)
    inputs = find_inputs(source, split, flair=flair, t1=t1, t1ce=t1ce)
    single = len(inputs) == 1 and inputs[0].path in (source, flair)
    if not single and output.name.endswith(_FILES) and not output.is_dir():
        fail(f"{output}: is a file's name; expected a folder for the results of {source}, a folder of studies", USAGE)
    jobs: list[_Job] = [(each, *_targets(each, output, format, single=single)) for each in inputs]
    folder = jobs[0][2].parent
    many = len(jobs) > 1
    if resume and (measures or report):
        fail("--resume: goes with masks and pictures; --measures and --report need all studies in one run", USAGE)
    reports = Reports(folder, measures=measures or report, pages=report, many=many, overwrite=overwrite)
    wanted = [name for name, asked in (("probabilities", probabilities), ("uncertainty", uncertainty)) if asked]
    _check_targets(jobs, reports, overlay=overlay, maps=wanted, overwrite=overwrite or resume)

    prediction = start(segmenter, engine, precision, uncertainty=uncertainty)
    if any(_has_maps(target) for _, target, _ in jobs):
        import_ahead("nibabel")  # else the first mask would wait for it
    record = None
    if resume:
        settings = {"options": reading, "maps": wanted, "truth": truth, "overlay": overlay}
        record = Record(folder, segmenter, prediction, settings)
        left = [job for job in jobs if not record.holds(job[1], job[0].files)]
        if len(left) < len(jobs):
            inform(f"{len(jobs) - len(left)} of {len(jobs)} studies are finished already")
        jobs = left

    def read(job: _Job) -> Study:
        with without_warnings():  # all of them are notes, which the table shows
            return bts.read_study(**job[0].arguments, **reading)

    def write(study: Study, segmentation: Segmentation, job: _Job) -> Row:
        each, target, picture = job
        segmentation = with_notes(segmentation, extra)
        bts.write_segmentation(
            segmentation,
            target,
            overwrite=overwrite or resume,
            probabilities=probabilities,
            uncertainty=uncertainty and _has_maps(target),
        )
        shown = study if truth else study.with_mask(None)
        if overlay:
            bts.save_overlay(shown, segmentation, picture, overwrite=overwrite or resume)
        reports.add(shown, segmentation, _stem(picture), segmenter)
        if record:
            record.add(target, each.files)
        return Row.of(study, segmentation, truth=truth)

    rows: list[Row] = []
    failures: list[str] = []
    found = bts.inference.run_many(prediction, jobs, read=read, then=write)
    for each in track(found, len(jobs), "predicting"):
        if each.error:
            failures.append(str(each.error))
        else:
            rows.append(each.result)
    reports.finish()
    print_rows(rows, segmenter, truth=truth)
    for message in failures:
        complain(message)
    if failures:
        fail(f"{len(failures)} of {len(jobs)} studies failed", DATA)


def _targets(each: Input, output: Path, format: Format, *, single: bool) -> tuple[Path, Path]:  # noqa: A002
    """Return where a study's mask and its picture go."""
    if single and output.name.endswith(_FILES):
        return output, output.with_name(f"{output.name.split('.')[0]}_overlay.png")
    if format == "auto":
        image = each.path.is_file() and each.path.suffix.lower() in (".png", ".tif", ".tiff")
        format = "png" if image else "nifti"  # noqa: A001
    return output / f"{each.name}_mask{_SUFFIXES[format]}", output / f"{each.name}_overlay.png"


def _stem(picture: Path) -> str:
    return picture.name.removesuffix("_overlay.png")


def _has_maps(target: Path) -> bool:
    """Tell whether maps of every voxel are written beside a mask."""
    return target.name.endswith((".nii", ".nii.gz", ".dcm"))


def _check_targets(
    jobs: Sequence[_Job], reports: Reports, *, overlay: bool, maps: Sequence[str], overwrite: bool
) -> None:
    """Refuse before the work what would fail after it."""
    seen: dict[Path, Path] = {}
    check_free(reports.shared, overwrite=overwrite)
    for each, target, picture in jobs:
        if target in seen:
            fail(f"{each.path} and {seen[target]}: would both be written to {target}; predict them apart", USAGE)
        seen[target] = each.path
        if "probabilities" in maps and not _has_maps(target):
            fail(f"{target}: can't hold probabilities; expected --format nifti or dicom with --probabilities", USAGE)
        beside = [target.with_name(f"{bts.io.study_name(target)}_{name}.nii.gz") for name in maps if _has_maps(target)]
        check_free([target, *beside, *[picture] * overlay, *reports.files(_stem(picture))], overwrite=overwrite)
