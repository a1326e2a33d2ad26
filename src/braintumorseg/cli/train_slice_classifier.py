"""``braintumorseg train-slice-classifier``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg._core.optional import require
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import DATA, fail, say, silent_native_code, track
from braintumorseg.cli._data import Data, Sides, SplitFile, Stratify, choose_sides, open_data, tell, tell_sides
from braintumorseg.cli._loading import load
from braintumorseg.cli._places import check_free


def train_slice_classifier(
    data: Data,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The slice classifier's folder, whose name becomes its name.")
    ],
    preset: options.Preset = "resunet-lgg",
    split_file: SplitFile = None,
    stratify: Stratify = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Train a classifier of slices with tumour. It is a segmenter's encoder, unchanged, with a new head."""
    dataset = open_data(data)
    require("sklearn", "research")
    check_free([output / bts.presets.CONFIG_FILE], overwrite=overwrite)
    segmenter = load(preset)
    training, judges, file = choose_sides(dataset, output, split_file=split_file, stratify=stratify)
    if judges is None:
        fail(f"--data {data}: has one patient alone; expected others to choose the threshold by", DATA)
    judges.check_masks()
    tell(dataset)
    tell_sides(Sides(training, judges, file))
    with silent_native_code():
        train, val = (bts.training.encode_slices(segmenter, part) for part in (training, judges))
        slice_classifier = bts.training.fit_slice_classifier(segmenter, train, val, name=output.name)
    scored = ((study, slice_classifier.predict(study)) for study in track(judges, len(judges), "measuring"))
    found = bts.evaluation.classify_slices(scored, by=slice_classifier.name)
    low, high = found.auc_interval()
    called = "the LGG dataset" if isinstance(dataset, bts.LGGDataset) else data.absolute().name
    where = f"{len(found.table)} slices of {len(judges.patients)} val patients of {called}"
    accuracy = "slices, at the threshold that was chosen on them"
    scores = (
        bts.presets.Score("ROC AUC", "slices", where, round(found.auc, 4), round(low, 4), round(high, 4)),
        bts.presets.Score("Accuracy", accuracy, where, round(found.accuracy, 4)),
    )
    trained = segmenter.card or bts.presets.Card()
    slice_classifier.threshold = found.threshold
    slice_classifier.card = replace(
        slice_classifier.card or bts.presets.Card(),
        data=f"head: {len(training.patients)} train patients of {called}; encoder: {trained.stated('data')}",
        split=f"head: by patient, {len(judges.patients)} val patients chose the threshold; encoder: {trained.stated('split')}",
        licence=trained.licence,
        scores=tuple(replace(score, precision="float32") for score in scores),
    )
    slice_classifier.save(output, overwrite=overwrite)
    say(f"{found}\n{slice_classifier.card.recipe}\nslice classifier: {output}")
