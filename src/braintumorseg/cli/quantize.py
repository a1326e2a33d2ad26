"""``braintumorseg quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._console import DATA, USAGE, fail, say, silent_native_code
from braintumorseg.cli._places import check_folder, is_lgg


def quantize(
    preset: Annotated[Path, typer.Option(help="The preset's folder, which gets the result.")],
    data: Annotated[
        Path, typer.Option(help="The LGG dataset's folder, or a folder of studies that trained the preset.")
    ],
    validation: Annotated[
        Path | None,
        typer.Option(help="A folder of other studies with masks.", show_default="val part of the LGG dataset"),
    ] = None,
    slices: Annotated[int, typer.Option(help="Number of slices to observe.", min=1)] = 300,
) -> None:
    """Quantise a preset to 8 bits. The result is kept only if it finds the same tumours."""
    if not (preset / bts.presets.CONFIG_FILE).is_file():
        fail(f"--preset {preset}: is not the folder of a preset; expected {bts.presets.CONFIG_FILE} in it", USAGE)
    check_folder("--data", data)
    lgg = is_lgg(data)
    if validation is None and not lgg:
        fail(f"--validation: is missing; {data} is not the LGG dataset, which has a val part", USAGE)
    trained, judged = bts.find_studies(data), bts.find_studies(validation or data)
    if lgg:
        trained = [path for path in trained if path.name in bts.datasets.lgg_split("train")]
    if validation is None:
        judged = [path for path in judged if path.name in bts.datasets.lgg_split("val")]
    if not trained or not judged:
        fail(f"{data}: holds no patients of the train part, or none of the val part, of the LGG split", DATA)
    with silent_native_code():  # what NNCF greets with
        try:
            quantized = bts.zoo.quantize(preset, trained, judged, slices=slices)
        except ImportError as error:
            missing: str | None = str(error)
        else:
            missing = None
    if missing is not None:
        fail(missing, USAGE)
    say(str(quantized))
    if not quantized.safe:
        fail(f"{preset}: int8 costs too much; the preset stays one of float32", DATA)
    say(f"{preset}: computes in int8 now; measure it again: braintumorseg evaluate --card")
