"""``braintumorseg associate``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import braintumorseg as bts
from braintumorseg._core.optional import lazy
from braintumorseg.cli._common import USAGE, Overwrite, Part, check_preset, fail, lgg_part, load, out, progress_bar

if TYPE_CHECKING:
    from braintumorseg import Segmentation, Segmenter, Study

_association = lazy("braintumorseg.cohort.genomics.association")
_report = lazy("braintumorseg.cohort.genomics.report")


def associate(
    data: Annotated[Path, typer.Option(help="The LGG dataset's folder.")],
    output: Annotated[Path, typer.Option("-o", "--out", help="Folder of the results.")],
    preset: Annotated[
        str | None,
        typer.Option(help="Measure what this model finds, not the published masks: a name, hf://, a folder."),
    ] = None,
    split: Annotated[Part | None, typer.Option(help="Only these patients; val if a preset is given.")] = None,
    bins: Annotated[int, typer.Option(help="Into how many parts features are cut at their quantiles.", min=2)] = 2,
    all_features: Annotated[
        bool, typer.Option("--all-features", help="Test every feature, not the paper's three.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Test the tumours' shape against the molecular clusters, as Buda et al. (2019) did."""
    if not (data / "data.csv").is_file():
        fail(f"--data {data}: holds no data.csv; expected the folder of the LGG dataset", USAGE)
    for file in (output / name for name in _report.FILES):
        if file.exists() and not overwrite:
            fail(f"{file}: exists already; add --overwrite to replace it", USAGE)
    dataset = bts.LGGDataset(data)
    source = "the published masks"
    segmenter = None
    if preset is not None:
        check_preset(preset)
        split = split or Part.val
        segmenter = load(preset)
        source = f"the masks that {segmenter.name} found"
    if split is not None:
        dataset = lgg_part(dataset, split)
        source += f" of {split.value} patients"
    features = bts.cohort.shape_table(_measured(dataset, segmenter)).drop(columns="slice")
    chosen = features if all_features else features[list(_association.PAPER_FEATURES)]
    clusters = dataset.table
    clusterings = list(_association.CLUSTERINGS)
    lacking = [column for column in clusterings if column not in clusters]
    if lacking:
        msg = f"{data / 'data.csv'}: lacks the column {lacking[0]}; expected {', '.join(clusterings)}"
        raise bts.DataError(msg)
    association = bts.cohort.associate(chosen, clusters[clusterings], bins=bins)
    written = bts.cohort.write_association(association, output, source=source, published=True, overwrite=overwrite)
    _print(str(association))
    for row in bts.cohort.compare_with_published(association).to_dict("records"):
        here = f"here {row['here']}, {row['patients']}"
        _print(f"{row['finding']}: published {row['published']}; {here}; agrees: {row['agrees']}")
    if segmenter is not None:
        _print(f"{len(dataset)} patients are too few to test: read this as an illustration")
    _print(f"page: {written}")


def _measured(dataset: bts.LGGDataset, segmenter: Segmenter | None) -> Iterator[Study | Segmentation]:
    """Yield what is measured under a bar of progress: the studies, or what the model finds in them."""
    with progress_bar() as progress:
        for study in progress.track(dataset, total=len(dataset), description="measuring"):
            yield study if segmenter is None else segmenter.predict(study)


def _print(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
