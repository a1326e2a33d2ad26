"""Presets from disk: the record, then the weights, each file bounded in size and verified by its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays

from braintumorseg._core.checks import DataError
from braintumorseg.presets.bounds import MAX_CONFIG_BYTES, MAX_INT8_BYTES, max_weights_bytes
from braintumorseg.presets.preset import CONFIG_FILE, INT8_FILE, WEIGHTS_FILE, Preset, parse_preset
from braintumorseg.runtimes.network import Network
from braintumorseg.runtimes.quantization import check_quantization

if TYPE_CHECKING:
    import keras


def read_preset(folder: Path) -> Preset:
    """Read the record of a preset from its folder.

    Raises:
        DataError: If the file is missing or is not of a preset.
    """
    path = folder / CONFIG_FILE
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            msg = f"{path}: expected a configuration of at most {MAX_CONFIG_BYTES} bytes"
            raise DataError(msg)
        return parse_preset(path.read_bytes(), str(path))
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror}); a preset is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}"
        raise DataError(msg) from error


def read_weights(folder: Path, preset: Preset) -> dict[str, NDArray[np.float32]]:
    """Read and verify a preset's weights.

    Returns:
        Array of each weight by its path in the model, such as ``"encoder_1_conv_1/kernel"``.

    Raises:
        DataError: If the file is missing, too large, or its SHA-256 is not the preset's.
    """
    limit = max_weights_bytes(preset.parameters)
    return _read_arrays(folder / WEIGHTS_FILE, limit, preset.sha256, preset.name, f"{preset.parameters} weights")


def read_network(folder: Path, preset: Preset) -> Network:
    """Read and verify a preset's weights and, where it has one, its quantization.

    Raises:
        DataError: If a file is missing, too large, or its SHA-256 is not the preset's, or the quantization does not fit.
    """
    network = Network(preset.name, preset.graph, read_weights(folder, preset))
    if preset.int8_sha256:
        path = folder / INT8_FILE
        quantization = _read_arrays(
            path, MAX_INT8_BYTES, preset.int8_sha256, preset.name, "the bounds of a quantization"
        )
        try:
            check_quantization(quantization, preset.graph.kernels)
        except ValueError as error:
            msg = f"{path}: {error}"
            raise DataError(msg) from error
        network = replace(network, quantization=quantization)
    return network


def build_model(preset: Preset, weights: Mapping[str, NDArray[np.float32]]) -> keras.Model:
    """Build a preset's model from our own code and give it its weights.

    Raises:
        DataError: If a weight is missing, unknown or of another shape.
    """
    return Network(preset.name, preset.graph, weights)()


def _read_arrays(path: Path, limit: int, sha256: str, name: str, what: str) -> dict[str, NDArray[np.float32]]:
    try:
        if path.stat().st_size > limit:
            msg = f"{path}: expected at most {limit} bytes, as {what} take"
            raise DataError(msg)
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror}); expected the weights of {name}"
        raise DataError(msg) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        msg = f"{path}: damaged or not the weights of {name}: expected SHA-256 {sha256}, found {found}"
        raise DataError(msg)
    try:
        return dict(load_arrays(content))
    except SafetensorError as error:
        msg = f"{path}: is not a safetensors file: {error}"
        raise DataError(msg) from error
