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

from braintumorseg._checks import DataError
from braintumorseg._optional import lazy
from braintumorseg.card import Card
from braintumorseg.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

_models = lazy("braintumorseg.models")

CONFIG_FILE = "braintumorseg.json"
WEIGHTS_FILE = "model.safetensors"
FORMAT = 1

_KEYS = {"format", "name", "architecture", "preprocessing", "threshold", "min_voxels", "weights", "card"}


@dataclass(frozen=True)
class Preset:
    """One named pretrained model, without its weights.

    Attributes:
        name: Such as ``"resunet-lgg"``.
        architecture: ``name`` of the architecture and the arguments of its builder.
        preprocessing: The preprocessing that the weights were trained with.
        threshold: A voxel is tumour where its probability is at least this.
        min_voxels: Components of fewer voxels are dropped.
        sha256: Of the weights file.
        parameters: Number of weights.
        card: What it was trained on, and how well it does.
    """

    name: str
    architecture: Mapping[str, Any]
    preprocessing: Preprocessing
    threshold: float
    min_voxels: int
    sha256: str
    parameters: int
    card: Card


def read_preset(folder: Path) -> Preset:
    """Read what a preset is from its folder.

    Raises:
        DataError: If the file is missing or is not what ``write_preset`` writes.
    """
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if set(config) != _KEYS or config["format"] != FORMAT:
            msg = f"{path}: expected format {FORMAT} with the keys {', '.join(sorted(_KEYS))}"
            raise DataError(msg)
        return Preset(
            name=config["name"],
            architecture=config["architecture"],
            preprocessing=Preprocessing.from_config(config["preprocessing"]),
            threshold=config["threshold"],
            min_voxels=config["min_voxels"],
            sha256=config["weights"]["sha256"],
            parameters=config["weights"]["parameters"],
            card=Card.from_config(config["card"]),
        )
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror}); a preset is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}"
        raise DataError(msg) from error
    except DataError:
        raise
    except (ValueError, TypeError, KeyError) as error:  # not JSON, or values of the wrong kind
        msg = f"{path}: is not a preset's configuration: {error}"
        raise DataError(msg) from error


def read_weights(folder: Path, preset: Preset) -> dict[str, NDArray[np.float32]]:
    """Read and verify a preset's weights.

    Returns:
        Array of each weight by its path in the model, such as ``"encoder_1_conv_1/kernel"``.

    Raises:
        DataError: If the file is missing, or its SHA-256 is not the preset's.
    """
    path = folder / WEIGHTS_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror}); expected the weights of {preset.name}"
        raise DataError(msg) from error
    found = hashlib.sha256(content).hexdigest()
    if found != preset.sha256:
        msg = f"{path}: damaged or not the weights of {preset.name}: expected SHA-256 {preset.sha256}, found {found}"
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
    arguments = dict(preset.architecture)
    name = arguments.pop("name", None)
    if name not in _models.ARCHITECTURES:
        msg = f"preset {preset.name}: unknown architecture {name!r}; known are {', '.join(_models.ARCHITECTURES)}"
        raise DataError(msg)
    try:
        model = _models.ARCHITECTURES[name](**arguments)
    except (TypeError, ValueError) as error:
        msg = f"preset {preset.name}: the architecture {name} can't be built: {error}"
        raise DataError(msg) from error
    shapes = {path: tuple(weight.shape) for path, weight in _variables(model).items()}
    given = {path: array.shape for path, array in weights.items()}
    if shapes != given:
        wrong = sorted(path for path in shapes.keys() | given.keys() if shapes.get(path) != given.get(path))
        msg = f"preset {preset.name}: {len(wrong)} weights do not fit the architecture {name}, the first is {wrong[0]}"
        raise DataError(msg)
    for path, variable in _variables(model).items():
        variable.assign(weights[path])
    return model


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
        DataError: If the architecture with its arguments does not build this model.
    """
    arrays = {path: np.asarray(variable, np.float32) for path, variable in _variables(model).items()}
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
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in ((WEIGHTS_FILE, content), (CONFIG_FILE, (json.dumps(config, indent=1) + "\n").encode())):
        beside = folder / (file + ".part")
        beside.write_bytes(data)
        beside.replace(folder / file)
    return preset


def _variables(model: keras.Model) -> dict[str, Any]:
    """Return the model's weights by path; the state of random generators is not one of them."""
    return {variable.path: variable for variable in model.weights if not variable.path.endswith("seed_generator_state")}
