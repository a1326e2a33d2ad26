"""Export a network for other programs, each file run and compared with the Keras model before it is put in its place."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError, check_in, wrong
from braintumorseg._core.choices import ExportFormat
from braintumorseg._core.files import check_free
from braintumorseg._core.optional import lazy, require
from braintumorseg.datasets.phantom import make_study
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.runtimes.choice import PRECISIONS, Precision
from braintumorseg.runtimes.network import Network

if TYPE_CHECKING:
    import keras

_keras_engine = lazy("braintumorseg.runtimes.keras")
_onnx = lazy("braintumorseg.runtimes.onnx")
_openvino = lazy("braintumorseg.runtimes.openvino")

FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "litert": ".tflite", "saved_model": ""}
CLOSE = 1e-4
"""How far probabilities of an export in float32 may lie from those of the Keras model."""
NEAR = 0.02
"""How far they may lie in int8, in the mean: rounding moves what lies between tumour and not."""

Array = NDArray[np.float32]
Run = Callable[[Array], Array]


def check_target(
    path: str | PathLike[str],
    *,
    format: ExportFormat,  # noqa: A002 - the argument is called so
    precision: Precision,
    overwrite: bool,
) -> list[Path]:
    """Return the files of an export, the network's own first; refuse what would fail after the work.

    Raises:
        ValueError: If an argument is not as stated.
        DataError: If a file exists and may not be replaced.
    """
    check_in("format", format, FORMATS)
    check_in("precision", precision, PRECISIONS)
    path = Path(path)
    suffix = SUFFIXES[format]
    if path.suffix != suffix:
        msg = wrong("path", f"a name that ends in {suffix}" if suffix else "a folder's name, without suffix", str(path))
        raise ValueError(msg)
    if precision == "int8" and format not in ("onnx", "openvino"):
        msg = wrong("precision", f"'float32' for {format}", repr(precision))
        raise ValueError(msg)
    described = path.with_suffix(".json")
    other = _other_export(described, format)
    if other and not path.exists():
        msg = f"{described}: describes {other}; export to another name than {path.name}, as both need a JSON of their name"
        raise DataError(msg)
    targets = [path, described, *([path.with_suffix(".bin")] if format == "openvino" else [])]
    for target in targets:
        check_free(target, overwrite=overwrite)
    return targets


def _other_export(described: Path, format: ExportFormat) -> str:  # noqa: A002
    """Return the name of the network in another format that a JSON describes; empty if there is none."""
    try:
        stated = json.loads(described.read_text(encoding="utf-8"))["format"]
        other = described.with_suffix(SUFFIXES[stated])
    except (OSError, ValueError, KeyError, TypeError):  # no JSON, or one of others
        return ""
    return other.name if stated != format and other.exists() else ""


def export(
    path: str | PathLike[str],
    *,
    format: ExportFormat,  # noqa: A002 - the argument is called so
    precision: Precision,
    network: Network,
    model: keras.Model,
    preprocessing: Preprocessing,
    description: dict[str, Any],
    overwrite: bool,
) -> Path:
    """Write a network with a description of its preprocessing; see ``Segmenter.export``."""
    targets = check_target(path, format=format, precision=precision, overwrite=overwrite)
    if precision == "int8" and network.quantization is None:
        msg = wrong("precision", f"'float32' for {network.name}, of whose weights there is no quantization", "'int8'")
        raise ValueError(msg)
    path, beside, *_ = targets
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as scratch:
            made = Path(scratch) / path.name
            run = _WRITERS[format](made, network, precision, model)
            multiple = _keras_engine.multiple_of(model)
            difference = _compare(run, model, preprocessing, multiple, path, precision)
            described = {
                **description,
                "format": format,
                "precision": precision,
                "input": "images, float32 (batch, height, width, channels), as the preprocessing gives them",
                "output": "probabilities, float32 (batch, height, width, 1)",
                "multiple": multiple,
                "largest_difference_from_keras": difference,
            }
            if format == "openvino":  # a file of OpenVINO can't state what it is computed in: whoever compiles it does
                described["compile_with"] = _openvino.EXACT
            (Path(scratch) / beside.name).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
            for target in targets:
                if target.is_dir():
                    shutil.rmtree(target)
                (Path(scratch) / target.name).replace(target)
    except OSError as error:
        msg = f"{path}: can't be written ({error.strerror or error})"
        raise DataError(msg) from error
    return path


def _compare(
    run: Run, model: keras.Model, preprocessing: Preprocessing, multiple: int, path: Path, precision: Precision
) -> float:
    """Return the largest difference of probabilities from the Keras model's on a phantom; refuse one that is too large.

    Two stacks are run, the second of fewer and lower images, so that sizes are free indeed.
    """
    images = preprocessing.apply(make_study(seed=0, shape=(3, 96, 96))).images
    lower = images[:1, : images.shape[1] // 2 // multiple * multiple or None]
    largest = 0.0
    for stack in (images, lower):
        expected = _keras_engine.run_eagerly(model, stack)
        difference = np.abs(run(stack) - expected)
        largest = max(largest, float(difference.max()))
        if not (difference.mean() < NEAR if precision == "int8" else difference.max() < CLOSE):
            msg = (
                f"{path}: the export differs from the Keras model by up to {difference.max():.2g}; nothing was written"
            )
            raise DataError(msg)
    return largest


def _write_onnx(path: Path, network: Network, precision: Precision, model: keras.Model) -> Run:
    onnxruntime = require("onnxruntime", "export")
    path.write_bytes(_onnx.build(network, precision).SerializeToString())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(None, {_onnx.INPUT: images})[0])


def _write_openvino(path: Path, network: Network, precision: Precision, model: keras.Model) -> Run:
    openvino = require("openvino", "export")
    openvino.save_model(_openvino.build(network, precision), path, compress_to_fp16=False)
    read = openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    compiled = openvino.compile_model(read, "CPU", _openvino.EXACT)
    return lambda images: np.array(compiled(np.ascontiguousarray(images))[0])


def _write_saved_model(path: Path, network: Network, precision: Precision, model: keras.Model) -> Run:
    tensorflow = require("tensorflow", "export")
    model.export(path, format="tf_saved_model", verbose=False)
    loaded = tensorflow.saved_model.load(str(path))
    return lambda images: np.asarray(loaded.serve(images))


def _write_litert(path: Path, network: Network, precision: Precision, model: keras.Model) -> Run:
    interpreter_type = require("ai_edge_litert.interpreter", "export").Interpreter
    model.export(path, format="litert", verbose=False)

    def run(images: Array) -> Array:
        interpreter = interpreter_type(model_path=str(path))
        (place,) = (each["index"] for each in interpreter.get_input_details())
        interpreter.resize_tensor_input(place, images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, images)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    return run


_WRITERS = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "litert": _write_litert,
    "saved_model": _write_saved_model,
}
