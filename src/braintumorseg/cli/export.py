"""``braintumorseg export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg._core import choices
from braintumorseg.cli import _options as options
from braintumorseg.cli._backend import explain
from braintumorseg.cli._console import USAGE, fail, say, silent_native_code
from braintumorseg.cli._loading import load
from braintumorseg.cli._places import check_writable


def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="NAME.onnx, NAME.xml, NAME.tflite, or a folder.")],
    format: Annotated[choices.ExportFormat, typer.Option(help="File format.")],  # noqa: A002 - the option is called so
    precision: Annotated[
        choices.Precision, typer.Option(help="Number format of the network; int8 is for ONNX and OpenVINO.")
    ] = "float32",
    preset: options.Preset = "resunet-lgg",
    overwrite: options.Overwrite = False,
) -> None:
    """Write a model for other programs. It is compared with the Keras model first; a JSON has the preprocessing."""
    segmenter = load(preset)
    check_writable(output.parent)
    try:
        with silent_native_code():
            path = segmenter.export(output, format=format, precision=precision, overwrite=overwrite)
    except bts.DataError:
        raise
    except (ValueError, ImportError) as error:
        fail(explain(error), USAGE)
    say(f"{path}: the same as the Keras model on a phantom; its input is described in {path.with_suffix('.json')}")
