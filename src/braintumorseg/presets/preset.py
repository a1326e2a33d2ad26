"""The format of a preset: one folder, JSON for what it is, safetensors for its weights, SHA-256 between them.

Nothing in a preset is executed or unpickled: its architecture is a name of ours with arguments, its weights are arrays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from braintumorseg._core.checks import DataError
from braintumorseg._core.files import replacing
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.presets.bounds import (
    MAX_CONFIG_BYTES,
    MAX_INT8_BYTES,
    check_bounds,
    check_int8,
    max_weights_bytes,
)
from braintumorseg.presets.card import Card
from braintumorseg.runtimes.choice import Precision
from braintumorseg.runtimes.network import Network, Weights, weights_of
from braintumorseg.runtimes.quantization import check_quantization

if TYPE_CHECKING:
    import keras

CONFIG_FILE = "braintumorseg.json"
WEIGHTS_FILE = "model.safetensors"
INT8_FILE = "int8.safetensors"
CARD_FILE = "CARD.md"
FORMAT = 1

_KEYS = {"format", "name", "architecture", "preprocessing", "threshold", "min_voxels", "weights", "card"}
_OPTIONAL = {"int8"}


@dataclass(frozen=True)
class Preset:
    """One named pretrained model, without its weights.

    Attributes:
        name: Such as ``"resunet-lgg"``.
        architecture: ``name`` of the architecture and the arguments of its builder.
        preprocessing: The preprocessing that the weights were trained with.
        threshold: A voxel is tumour where its probability is at least this.
        min_voxels: Components of fewer voxels are dropped, and holes of fewer filled.
        sha256: Of the weights file.
        parameters: Number of weights.
        card: What it was trained on, and how well it does.
        int8_sha256: Of the file of its quantization; ``None`` where it has none.
    """

    name: str
    architecture: Mapping[str, Any]
    preprocessing: Preprocessing
    threshold: float
    min_voxels: int
    sha256: str
    parameters: int
    card: Card
    int8_sha256: str | None = None

    @property
    def precision(self) -> Precision:
        """What it computes in where nobody says: int8 where there is a quantization, which is kept only if it is safe."""
        return "int8" if self.int8_sha256 else "float32"


def read_preset(folder: Path) -> Preset:
    """Read what a preset is from its folder.

    Raises:
        DataError: If the file is missing or is not what ``write_preset`` writes.
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


def parse_preset(content: bytes, source: str) -> Preset:
    """Read what a preset is from the content of its configuration, whoever wrote it; ``source`` names it in errors.

    Raises:
        DataError: If it is not what ``write_preset`` writes, or asks for sizes that no preset has.
    """
    try:
        config = json.loads(content, parse_constant=_refuse_constant)
        if not isinstance(config, dict) or set(config) - _OPTIONAL != _KEYS or config["format"] != FORMAT:
            msg = f"{source}: expected format {FORMAT} with the keys {', '.join(sorted(_KEYS))}"
            raise DataError(msg)
        preprocessing = Preprocessing.from_config(config["preprocessing"])
        check_bounds(config, WEIGHTS_FILE)
        if "int8" in config:
            check_int8(config["int8"], INT8_FILE, config["weights"]["sha256"])
        return Preset(
            name=config["name"],
            architecture=config["architecture"],
            preprocessing=preprocessing,
            threshold=config["threshold"],
            min_voxels=config["min_voxels"],
            sha256=config["weights"]["sha256"],
            parameters=config["weights"]["parameters"],
            card=Card.from_config(config["card"]),
            int8_sha256=config["int8"]["sha256"] if "int8" in config else None,
        )
    except DataError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # not JSON, or of the wrong kind
        msg = f"{source}: is not a preset's configuration: {error}"
        raise DataError(msg) from error


def _refuse_constant(name: str) -> float:
    msg = f"{name} is not a number of JSON"
    raise ValueError(msg)


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
    weights, quantization = read_weights(folder, preset), None
    if preset.int8_sha256:
        path = folder / INT8_FILE
        quantization = _read_arrays(
            path, MAX_INT8_BYTES, preset.int8_sha256, preset.name, "the bounds of a quantization"
        )
        try:
            check_quantization(quantization, weights)
        except ValueError as error:
            msg = f"{path}: {error}"
            raise DataError(msg) from error
    return Network(preset.name, preset.architecture, weights, quantization)


def write_quantization(folder: Path, quantization: Weights | None) -> None:
    """Give a preset a quantization, or take away the one that it has.

    Raises:
        DataError: If the folder holds no preset, or can't be written to.
    """
    preset, path = read_preset(folder), folder / CONFIG_FILE
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("int8", None)
    if quantization is not None:
        content = save_arrays(dict(quantization))
        described = {"file": INT8_FILE, "sha256": hashlib.sha256(content).hexdigest(), "weights": preset.sha256}
        config = {key: value for key, value in config.items() if key != "card"} | {
            "int8": described,
            "card": config["card"],
        }
        with replacing(folder / INT8_FILE, overwrite=True) as beside:
            beside.write_bytes(content)
    with replacing(path, overwrite=True) as beside:
        beside.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    if quantization is None:
        (folder / INT8_FILE).unlink(missing_ok=True)


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


def build_model(preset: Preset, weights: Mapping[str, NDArray[np.float32]]) -> keras.Model:
    """Build a preset's model from our own code and give it its weights.

    Raises:
        DataError: If the architecture is unknown, or a weight is missing, unknown or of another shape.
    """
    return Network(preset.name, preset.architecture, weights)()


def write_preset(
    folder: Path,
    model: keras.Model,
    *,
    name: str,
    architecture: Mapping[str, Any],
    preprocessing: Preprocessing,
    threshold: float,
    min_voxels: int,
    card: Card,
) -> Preset:
    """Write a model as a preset; ``architecture`` is the name of its builder with the builder's arguments.

    Returns:
        What was written.

    Raises:
        DataError: If the architecture with its arguments does not build this model, or the folder can't be written to.
    """
    arrays = weights_of(model)
    content = save_arrays(arrays)
    preset = Preset(
        name=name,
        architecture=architecture,
        preprocessing=preprocessing,
        threshold=threshold,
        min_voxels=min_voxels,
        sha256=hashlib.sha256(content).hexdigest(),
        parameters=sum(array.size for array in arrays.values()),
        card=card,
    )
    build_model(preset, arrays)
    config = {
        "format": FORMAT,
        "name": name,
        "architecture": dict(architecture),
        "preprocessing": preprocessing.get_config(),
        "threshold": threshold,
        "min_voxels": min_voxels,
        "weights": {"file": WEIGHTS_FILE, "sha256": preset.sha256, "parameters": preset.parameters},
        "card": card.get_config(),
    }
    # Both are written before either is renamed, the weights first: what can go wrong leaves the old preset, or none.
    with (
        replacing(folder / CONFIG_FILE, overwrite=True) as described,
        replacing(folder / WEIGHTS_FILE, overwrite=True) as weights,
    ):
        weights.write_bytes(content)
        described.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return preset
