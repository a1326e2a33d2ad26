"""``braintumorseg classify-slices``."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import braintumorseg as bts
from braintumorseg._core.optional import lazy
from braintumorseg.cli._common import (
    USAGE,
    Overwrite,
    Part,
    Preset,
    check_preset,
    fail,
    lgg_part,
    load,
    need,
    out,
    progress_bar,
    silent_native_code,
)

if TYPE_CHECKING:
    from braintumorseg import Study

_report = lazy("braintumorseg.evaluation.slices.report")


class Score(StrEnum):
    """What slices are judged by."""

    maximum = "maximum"
    area = "area"
    slice_classifier = "slice-classifier"


def classify_slices(
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
    slice_classifier: Annotated[
        str, typer.Option(help="For --by slice-classifier: a name or a folder.")
    ] = "resunet-lgg-slices",
    overwrite: Overwrite = False,
) -> None:
    """Measure how well slices and patients with tumour are told from those without."""
    if not (data / "data.csv").is_file():
        fail(f"--data {data}: holds no data.csv; expected the folder of the LGG dataset", USAGE)
    check_preset(preset)
    need("sklearn", "research")
    for file in (output / name for name in _report.FILES):
        if file.exists() and not overwrite:
            fail(f"{file}: exists already; add --overwrite to replace it", USAGE)
    dataset = lgg_part(bts.LGGDataset(data), split)
    scored, called = _scored(dataset, by, preset, slice_classifier)
    detection = bts.evaluation.classify_slices(scored, threshold=threshold, by=called)
    written = bts.evaluation.write_slice_classification(detection, output, overwrite=overwrite)
    out.print(f"{detection}\npage: {written}", highlight=False, markup=False, soft_wrap=True)


def _scored(
    dataset: bts.LGGDataset, by: Score, preset: str, slice_classifier: str
) -> tuple[Iterator[tuple[Study, Any]], str]:
    """Return the studies with their scores, under a bar of progress, and what made the scores."""
    if by is Score.slice_classifier:
        try:
            with silent_native_code():
                found = bts.inference.load_slice_classifier(slice_classifier)
        except bts.DataError:
            raise
        except ValueError as error:
            fail(str(error), USAGE)
        return ((study, found.predict(study)) for study in _shown(dataset)), found.name
    segmenter = load(preset)
    pairs = (
        (study, bts.evaluation.slice_scores(segmenter.predict(study), "area" if by is Score.area else "maximum"))
        for study in _shown(dataset)
    )
    return pairs, f"{by.value} of {segmenter.name}"


def _shown(dataset: bts.LGGDataset) -> Iterator[Study]:
    with progress_bar() as progress:
        yield from progress.track(dataset, total=len(dataset), description="detecting")
