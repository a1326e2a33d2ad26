"""Options that several commands have, each with one name, one type and one help text."""

from __future__ import annotations

from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg._core import choices


def complete_presets(incomplete: str) -> list[str]:
    """Complete the name of a preset in a shell, without pandas: each press of the tab key starts Python anew."""
    return [name for name in bts.presets.bundled_presets() if name.startswith(incomplete)]


PRESET_HELP = "A name that zoo list prints, hf://owner/repo, the folder of a training run, or another preset's folder."

Preset = Annotated[str, typer.Option(help=f"The model. {PRESET_HELP}", autocompletion=complete_presets)]
Name = Annotated[str, typer.Argument(metavar="NAME", help=f"The model. {PRESET_HELP}", autocompletion=complete_presets)]
Threshold = Annotated[
    float | None,
    typer.Option(help="Least probability of a tumour voxel, above 0 and at most 1.", show_default="the preset's"),
]
Engine = Annotated[
    choices.Engine, typer.Option(help="Program that runs the network; auto is Keras on a GPU, else OpenVINO.")
]
Precision = Annotated[
    choices.Precision | None,
    typer.Option(help="Number format of the network.", show_default="the preset's"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
