"""``braintumorseg export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._common import (
    USAGE,
    Engine,
    Overwrite,
    Precision,
    Preset,
    check_preset,
    fail,
    load,
    out,
    silent_native_code,
)


class Format(StrEnum):
    """What other programs read."""

    onnx = "onnx"
    openvino = "openvino"
    litert = "litert"
    saved_model = "saved_model"


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="NAME.onnx, NAME.xml, NAME.tflite, or a folder.")],
    format: Annotated[Format, typer.Option(help="What other programs read.")],  # noqa: A002 - the option is called so
    precision: Annotated[Precision, typer.Option(help="int8 for ONNX and OpenVINO.")] = Precision.float32,
    preset: Preset = "resunet-lgg",
    overwrite: Overwrite = False,
) -> None:
    """Write a model for other programs, with its preprocessing as JSON, compared with the Keras model before."""
    check_preset(preset)
    segmenter = load(preset, Engine.openvino)
    try:
        with silent_native_code():
            path = segmenter.export(output, format=format.value, precision=precision.value, overwrite=overwrite)
    except bts.DataError:
        raise
    except (ValueError, ImportError) as error:
        fail(str(error), USAGE)
    said = f"{path}: the same as the Keras model on a phantom; its input is described in {path.with_suffix('.json')}"
    out.print(said, highlight=False, markup=False, soft_wrap=True)
