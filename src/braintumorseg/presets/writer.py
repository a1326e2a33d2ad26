"""Presets onto disk: one function composes and writes the JSON, whatever is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.numpy import save as save_arrays

from braintumorseg._core.checks import DataError
from braintumorseg._core.files import replacing
from braintumorseg._core.optional import lazy
from braintumorseg.findings.reference import Reference
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.presets.card import Card
from braintumorseg.presets.preset import (
    CARD_FILE,
    CONFIG_FILE,
    INT8_FILE,
    WEIGHTS_FILE,
    Preset,
    compose_preset,
)
from braintumorseg.presets.reader import read_preset
from braintumorseg.runtimes.lowering import Weights
from braintumorseg.runtimes.network import Network, weights_of
from braintumorseg.runtimes.quantization import check_quantization
from braintumorseg.study import TUMOR, Classes

if TYPE_CHECKING:
    import keras

_models = lazy("braintumorseg.models")


def write_preset(
    folder: Path,
    model: keras.Model,
    *,
    name: str,
    preprocessing: Preprocessing,
    threshold: float,
    min_voxels: int,
    card: Card,
    quantization: Weights | None = None,
    reference: Reference | None = None,
    classes: Classes = TUMOR,
    nested: bool = False,
) -> Preset:
    """Write a model as a preset, in place of a preset that the folder may hold.

    The ``CARD.md`` and the quantization of the old preset are removed.

    Args:
        folder: Gets the files; made if need be.
        model: The model.
        name: Of the preset.
        preprocessing: The preprocessing that the weights were trained with.
        threshold: A voxel is tumour where its probability is at least this.
        min_voxels: Components of fewer voxels are dropped, and holes of fewer filled.
        card: Its training, its scores, its licence and its limits.
        quantization: Bounds for 8 bits, of these weights.
        reference: What predictions are judged by.
        classes: The classes that it tells apart.
        nested: Whether each class lies within the one before it.

    Returns:
        The record of the preset.

    Raises:
        DataError: If the folder can't be written to.
        ValueError: If the model has a layer that no preset can hold, or the quantization does not fit the weights.
    """
    graph, arrays = _models.graph_of(model), weights_of(model)
    Network(name, graph, arrays).check_weights()
    if quantization is not None:
        check_quantization(quantization, graph.kernels)
    weights = save_arrays(arrays)
    preset = Preset(
        name=name,
        graph=graph,
        preprocessing=preprocessing,
        threshold=threshold,
        min_voxels=min_voxels,
        sha256=hashlib.sha256(weights).hexdigest(),
        parameters=sum(array.size for array in arrays.values()),
        card=card,
        reference=reference,
        classes=classes,
        nested=nested,
    )
    written = _write(folder, preset, {WEIGHTS_FILE: weights, INT8_FILE: _content(quantization)})
    _remove(folder / CARD_FILE)
    return written


def replace_quantization(folder: Path, quantization: Weights | None) -> Preset:
    """Give a preset a quantization, or take away the one that it has; return the new record.

    Raises:
        DataError: If the folder holds no preset, or can't be written to.
    """
    return _write(folder, read_preset(folder), {INT8_FILE: _content(quantization)})


def replace_card(folder: Path, card: Card) -> Preset:
    """Give a preset another card; return the new record.

    Raises:
        DataError: If the folder holds no preset, or can't be written to.
    """
    return _write(folder, replace(read_preset(folder), card=card), {})


def replace_reference(folder: Path, reference: Reference | None) -> Preset:
    """Give a preset another reference, or take away the one that it has; return the new record.

    Raises:
        DataError: If the folder holds no preset, or can't be written to.
    """
    return _write(folder, replace(read_preset(folder), reference=reference), {})


def _content(quantization: Weights | None) -> bytes | None:
    return None if quantization is None else save_arrays(dict(quantization))


def _write(folder: Path, preset: Preset, arrays: Mapping[str, bytes | None]) -> Preset:
    """Write the JSON of a preset and the given files of arrays; ``None`` removes a file."""
    if INT8_FILE in arrays:
        int8 = arrays[INT8_FILE]
        preset = replace(preset, int8_sha256=None if int8 is None else hashlib.sha256(int8).hexdigest())
    # All are written before any is renamed, and the JSON is renamed last: a failure leaves the old preset, or none.
    files = {CONFIG_FILE: compose_preset(preset), **arrays}
    with ExitStack() as stack:
        for file, content in files.items():
            if content is not None:
                stack.enter_context(replacing(folder / file, overwrite=True)).write_bytes(content)
    for file, content in files.items():
        if content is None:
            _remove(folder / file)
    return preset


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        msg = f"{path}: can't be removed ({error.strerror or error})"
        raise DataError(msg) from error
