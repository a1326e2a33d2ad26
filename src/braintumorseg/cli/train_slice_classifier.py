"""``braintumorseg train-slice-classifier``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import braintumorseg as bts
from braintumorseg._core.choices import Part
from braintumorseg._core.optional import require
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import say, silent_native_code, track
from braintumorseg.cli._loading import load
from braintumorseg.cli._places import check_free, lgg_part, open_lgg

if TYPE_CHECKING:
    from braintumorseg import Study


def train_slice_classifier(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The slice classifier's folder, whose name becomes its name.")
    ],
    preset: options.Preset = "resunet-lgg",
    overwrite: options.Overwrite = False,
) -> None:
    """Train a classifier of slices with tumour. It is a segmenter's encoder, unchanged, with a new head."""
    dataset = open_lgg(data)
    require("sklearn", "research")
    check_free([output / bts.presets.CONFIG_FILE], overwrite=overwrite)
    segmenter = load(preset)
    names: tuple[Part, Part] = ("train", "val")
    parts = {name: lgg_part(dataset, name) for name in names}
    with silent_native_code():
        train, val = (bts.training.encode_slices(segmenter, _shown(part, name)) for name, part in parts.items())
        slice_classifier = bts.training.fit_slice_classifier(segmenter, train, val, name=output.name)
    scored = ((study, slice_classifier.predict(study)) for study in _shown(parts["val"], "measuring"))
    found = bts.evaluation.classify_slices(scored, by=slice_classifier.name)
    low, high = found.auc_interval()
    where = f"{len(found.table)} slices of {len(parts['val'])} val patients of the LGG dataset"
    accuracy = "slices, at the threshold that was chosen on them"
    scores = (
        bts.presets.Score("ROC AUC", "slices", where, round(found.auc, 4), round(low, 4), round(high, 4)),
        bts.presets.Score("Accuracy", accuracy, where, round(found.accuracy, 4)),
    )
    trained = segmenter.card or bts.presets.Card()
    slice_classifier.threshold = found.threshold
    slice_classifier.card = replace(
        slice_classifier.card or bts.presets.Card(),
        data=f"head: {len(parts['train'])} train patients of the LGG dataset; encoder: {trained.stated('data')}",
        split=f"head: by patient, {len(parts['val'])} val patients chose the threshold; encoder: {trained.stated('split')}",
        licence=trained.licence,
        scores=tuple(replace(score, precision="float32") for score in scores),
    )
    slice_classifier.save(output, overwrite=overwrite)
    say(f"{found}\n{slice_classifier.card.recipe}\nslice classifier: {output}")


def _shown(dataset: bts.LGGDataset, doing: str) -> Iterator[Study]:
    return track(dataset, len(dataset), doing)
