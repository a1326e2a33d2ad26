"""``braintumorseg demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import say
from braintumorseg.cli._loading import load, start
from braintumorseg.cli._places import check_free
from braintumorseg.cli._results import Row, print_rows


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Number of the synthetic study.", min=0)] = 0,
    preset: options.Preset = "resunet-lgg",
    overwrite: options.Overwrite = False,
) -> None:
    """Run predict on a synthetic study. It needs no data."""
    segmenter = load(preset)
    study = bts.make_study(seed)
    mask, picture = output / f"{study.name}_mask.nii.gz", output / f"{study.name}_overlay.png"
    check_free((mask, picture), overwrite=overwrite)
    start(segmenter)
    segmentation = segmenter.predict(study)
    bts.write_segmentation(segmentation, mask, overwrite=overwrite)
    bts.save_overlay(study, segmentation, picture, overwrite=overwrite)
    print_rows([Row.of(study, segmentation, truth=True)], segmenter, truth=True)
    say(f"mask: {mask}\npicture: {picture}")
