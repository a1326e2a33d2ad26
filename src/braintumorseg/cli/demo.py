"""``braintumorseg demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._common import (
    Overwrite,
    Preset,
    Row,
    check_free,
    check_preset,
    load,
    out,
    print_rows,
)


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Which synthetic study.", min=0)] = 0,
    preset: Preset = "resunet-lgg",
    overwrite: Overwrite = False,
) -> None:
    """Run the main job on a synthetic study: mask, picture and measures, without any data."""
    check_preset(preset)
    study = bts.make_study(seed)
    mask, picture = output / f"{study.name}_mask.nii.gz", output / f"{study.name}_overlay.png"
    check_free((mask, picture), overwrite=overwrite)
    segmenter = load(preset)
    segmentation = segmenter.predict(study)
    bts.write_segmentation(segmentation, mask, overwrite=overwrite)
    bts.save_overlay(study, segmentation, picture, overwrite=overwrite)
    print_rows([Row.of(study, segmentation, truth=True)], segmenter, truth=True)
    out.print(f"mask: {mask}\npicture: {picture}", highlight=False)
