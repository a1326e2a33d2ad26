"""``braintumorseg detect``."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import braintumorseg as bts
from braintumorseg._optional import lazy
from braintumorseg.cli._common import (
    USAGE,
    Overwrite,
    Part,
    Preset,
    check_preset,
    fail,
    lgg_part,
    load,
    out,
    progress_bar,
    silent_native_code,
)

if TYPE_CHECKING:
    from braintumorseg import Study

_report = lazy("braintumorseg.detection.report")


class Score(StrEnum):
    """What slices are judged by."""

    maximum = "maximum"
    area = "area"
    detector = "detector"


def detect(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder.")],
    output: Annotated[Path, typer.Option("-o", "--out", help="Folder of the results.")],
    by: Annotated[
        Score, typer.Option(help="The segmenter's highest probability, its area, or a classifier of its own.")
    ] = Score.maximum,
    threshold: Annotated[
        float | None, typer.Option(help="From which score on there is tumour; the best on these slices if not given.")
    ] = None,
    split: Annotated[Part, typer.Option(help="These patients.")] = Part.val,
    preset: Preset = "resunet-lgg",
    detector: Annotated[str, typer.Option(help="For --by detector: a name or a folder.")] = "resunet-lgg-detector",
    overwrite: Overwrite = False,
) -> None:
    """Measure how well slices and patients with tumour are told from those without."""
    if not (data / "data.csv").is_file():
        fail(f"--data {data}: holds no data.csv; expected the folder of the LGG dataset", USAGE)
    check_preset(preset)
    for file in (output / name for name in _report.FILES):
        if file.exists() and not overwrite:
            fail(f"{file}: exists already; add --overwrite to replace it", USAGE)
    dataset = lgg_part(bts.LGGDataset(data), split)
    scored, called = _scored(dataset, by, preset, detector)
    detection = bts.detect(scored, threshold=threshold, by=called)
    written = bts.write_detection(detection, output, overwrite=overwrite)
    out.print(f"{detection}\npage: {written}", highlight=False, markup=False, soft_wrap=True)


def _scored(dataset: bts.LGGDataset, by: Score, preset: str, detector: str) -> tuple[Iterator[tuple[Study, Any]], str]:
    """Return the studies with their scores, under a bar of progress, and what made the scores."""
    if by is Score.detector:
        try:
            with silent_native_code():
                found = bts.load_detector(detector)
        except bts.DataError:
            raise
        except ValueError as error:
            fail(str(error), USAGE)
        return ((study, found.predict(study)) for study in _shown(dataset)), found.name
    segmenter = load(preset)
    pairs = (
        (study, bts.slice_scores(segmenter.predict(study), "area" if by is Score.area else "maximum"))
        for study in _shown(dataset)
    )
    return pairs, f"{by.value} of {segmenter.name}"


def _shown(dataset: bts.LGGDataset) -> Iterator[Study]:
    with progress_bar() as progress:
        yield from progress.track(dataset, total=len(dataset), description="detecting")
