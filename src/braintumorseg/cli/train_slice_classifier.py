"""``braintumorseg train-slice-classifier``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

_head = lazy("braintumorseg.training.fit_slice_classifier")


def train_slice_classifier(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder.")],
    output: Annotated[Path, typer.Option("-o", "--out", help="Its folder; the folder's name becomes its name.")],
    preset: Preset = "resunet-lgg",
    overwrite: Overwrite = False,
) -> None:
    """Train a classifier of slices with tumour: a segmenter's encoder as it is, and a new head on top."""
    if not (data / "data.csv").is_file():
        fail(f"--data {data}: holds no data.csv; expected the folder of the LGG dataset", USAGE)
    check_preset(preset)
    need("sklearn", "research")
    if (output / "braintumorseg.json").exists() and not overwrite:
        fail(f"{output / 'braintumorseg.json'}: exists already; add --overwrite to replace it", USAGE)
    dataset = bts.LGGDataset(data)
    parts = {part: lgg_part(dataset, part) for part in (Part.train, Part.val)}
    segmenter = load(preset)
    with silent_native_code():
        train, val = (_head.encode(segmenter, _shown(part, each.value)) for each, part in parts.items())
        slice_classifier = _head.fit_slice_classifier(segmenter, train, val, name=output.name)
    scored = ((study, slice_classifier.predict(study)) for study in _shown(parts[Part.val], "measuring"))
    found = bts.evaluation.classify_slices(scored, by=slice_classifier.name)
    low, high = found.auc_interval()
    where = f"{len(found.table)} slices of {len(parts[Part.val])} val patients of the LGG dataset"
    accuracy = "slices, at the threshold that was chosen on them"
    scores = (
        bts.presets.Score("ROC AUC", "slices", where, round(found.auc, 4), round(low, 4), round(high, 4)),
        bts.presets.Score("Accuracy", accuracy, where, round(found.accuracy, 4)),
    )
    trained = segmenter.card or bts.presets.Card()
    slice_classifier.threshold = found.threshold
    slice_classifier.card = replace(
        slice_classifier.card or bts.presets.Card(),
        data=trained.data,
        split=trained.split,
        licence=trained.licence,
        scores=tuple(replace(score, precision="float32") for score in scores),
    )
    slice_classifier.save(output, overwrite=overwrite)
    out.print(
        f"{found}\n{slice_classifier.card.recipe}\nslice classifier: {output}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _shown(dataset: bts.LGGDataset, doing: str) -> Iterator[Study]:
    with progress_bar() as progress:
        yield from progress.track(dataset, total=len(dataset), description=doing)
