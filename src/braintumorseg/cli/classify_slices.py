"""``braintumorseg classify-slices``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import braintumorseg as bts
from braintumorseg._core.choices import Part, SliceScore
from braintumorseg._core.optional import require
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import USAGE, fail, say, silent_native_code, track
from braintumorseg.cli._data import Data, SplitFile, choose_part, open_data, tell
from braintumorseg.cli._loading import load, start
from braintumorseg.cli._places import check_free

if TYPE_CHECKING:
    from braintumorseg import Study
    from braintumorseg.datasets import Dataset

By = Literal["segmenter", "slice-classifier"]


def classify_slices(
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")],
    by: Annotated[By, typer.Option(help="Model that scores the slices.")] = "segmenter",
    preset: options.Preset = "resunet-lgg",
    score: Annotated[
        SliceScore, typer.Option(help="Score of a slice by the segmenter: its highest probability, or its tumour area.")
    ] = "maximum",
    slice_classifier: Annotated[
        str, typer.Option(metavar="NAME", help="The slice classifier: a name, or a folder.")
    ] = "resunet-lgg-slices",
    threshold: Annotated[
        float | None, typer.Option(help="Least score of a slice with tumour.", show_default="the best on these slices")
    ] = None,
    split: Annotated[
        Part | None, typer.Option(help="Part of the dataset.", show_default="val of the LGG dataset, else all")
    ] = None,
    split_file: SplitFile = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Measure detection of tumour by slice. Results are by slice and by patient."""
    dataset = open_data(data)
    require("sklearn", "research")
    check_free((output / name for name in bts.evaluation.SLICE_CLASSIFICATION_FILES), overwrite=overwrite)
    dataset = choose_part(dataset, split, split_file, "val")
    tell(dataset)
    if by == "segmenter":
        scored, called = _by_segmenter(dataset, preset, score)
    else:
        scored, called = _by_slice_classifier(dataset, slice_classifier)
    classification = bts.evaluation.classify_slices(scored, threshold=threshold, by=called)
    written = bts.evaluation.write_slice_classification(classification, output, overwrite=overwrite)
    say(f"{classification}\npage: {written}")


def _by_segmenter(dataset: Dataset, preset: str, score: SliceScore) -> tuple[Iterator[tuple[Study, Any]], str]:
    """Return the studies with the scores that follow from their segmentations, and a name for the scores."""
    segmenter = load(preset)
    start(segmenter)
    pairs = ((study, bts.evaluation.slice_scores(segmenter.predict(study), score)) for study in _shown(dataset))
    return pairs, f"{score} of {segmenter.name}"


def _by_slice_classifier(dataset: Dataset, name: str) -> tuple[Iterator[tuple[Study, Any]], str]:
    """Return the studies with the scores of a slice classifier, and its name."""
    try:
        with silent_native_code():
            found = bts.inference.load_slice_classifier(name)
    except bts.DataError:
        raise
    except ValueError as error:
        fail(f"--slice-classifier {str(error).removeprefix('name ')}", USAGE)
    return ((study, found.predict(study)) for study in _shown(dataset)), found.name


def _shown(dataset: Dataset) -> Iterator[Study]:
    return track(dataset, len(dataset), "classifying")
