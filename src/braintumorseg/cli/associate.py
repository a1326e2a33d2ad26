"""``braintumorseg associate``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import braintumorseg as bts
from braintumorseg._core.choices import Part
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import say, track
from braintumorseg.cli._loading import load, start
from braintumorseg.cli._places import check_free, lgg_part, open_lgg

if TYPE_CHECKING:
    from braintumorseg import Segmentation, Segmenter, Study


def associate(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")],
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Measure the masks of this model, not the published ones. {options.PRESET_HELP}",
            autocompletion=options.complete_presets,
        ),
    ] = None,
    split: Annotated[
        Part | None, typer.Option(help="Part of the dataset.", show_default="val with --preset, else all")
    ] = None,
    bins: Annotated[int, typer.Option(help="Number of parts into which quantiles divide a feature.", min=2)] = 2,
    all_features: Annotated[
        bool, typer.Option("--all-features", help="Test every feature, not the paper's three.")
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Test tumour shape against genomics. The tests are those of Buda et al. (2019)."""
    dataset = open_lgg(data)
    check_free((output / name for name in bts.cohort.ASSOCIATION_FILES), overwrite=overwrite)
    source = "the published masks"
    segmenter = None
    if preset is not None:
        split = split or "val"
        segmenter = load(preset)
        start(segmenter)
        source = f"the masks that {segmenter.name} found"
    if split is not None:
        dataset = lgg_part(dataset, split)
        source += f" of {split} patients"
    features = bts.cohort.shape_table(_measured(dataset, segmenter)).drop(columns="slice")
    chosen = features if all_features else features[list(bts.cohort.PAPER_FEATURES)]
    clusters = dataset.table
    clusterings = list(bts.cohort.CLUSTERINGS)
    lacking = [column for column in clusterings if column not in clusters]
    if lacking:
        msg = f"{data / 'data.csv'}: lacks the column {lacking[0]}; expected {', '.join(clusterings)}"
        raise bts.DataError(msg)
    association = bts.cohort.associate(chosen, clusters[clusterings], bins=bins)
    written = bts.cohort.write_association(association, output, source=source, published=True, overwrite=overwrite)
    say(str(association))
    for row in bts.cohort.compare_with_published(association).to_dict("records"):
        here = f"here {row['here']}, {row['patients']}"
        say(f"{row['finding']}: published {row['published']}; {here}; agrees: {row['agrees']}")
    if segmenter is not None:
        say(f"{len(dataset)} patients are too few to test: read this as an illustration")
    say(f"page: {written}")


def _measured(dataset: bts.LGGDataset, segmenter: Segmenter | None) -> Iterator[Study | Segmentation]:
    """Yield the studies, or the model's segmentations of them."""
    for study in track(dataset, len(dataset), "measuring"):
        yield study if segmenter is None else segmenter.predict(study)
