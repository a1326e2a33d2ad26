"""The record of a preset, and its JSON.

A preset is one folder: JSON for the record, safetensors for the weights, SHA-256 between them. Nothing in it is executed or
unpickled: the architecture is a list of stock layers with checked settings, the weights are arrays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from braintumorseg._core.checks import DataError, wrong
from braintumorseg.findings.reference import Reference
from braintumorseg.models.functional import compose_graph
from braintumorseg.models.graph import Graph
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.presets.bounds import check_bounds, check_int8, check_keys, parse_architecture
from braintumorseg.presets.card import Card
from braintumorseg.runtimes.choice import Precision
from braintumorseg.study import TUMOR, Classes, from_configs

CONFIG_FILE = "braintumorseg.json"
WEIGHTS_FILE = "model.safetensors"
INT8_FILE = "int8.safetensors"
CARD_FILE = "CARD.md"
FORMAT = 1

_KEYS = {"format", "name", "architecture", "preprocessing", "threshold", "min_voxels", "weights", "card"}
_OPTIONAL = {"int8", "reference", "classes"}


@dataclass(frozen=True)
class Preset:
    """One named pretrained model, without its weights.

    Attributes:
        name: Such as ``"resunet-lgg"``.
        graph: The layers of the model.
        preprocessing: The preprocessing that the weights were trained with.
        threshold: A voxel is tumour where its probability is at least this.
        min_voxels: Components of fewer voxels are dropped, and holes of fewer filled.
        sha256: Of the weights file.
        parameters: Number of weights.
        card: Its training, its scores, its licence and its limits.
        int8_sha256: Of the file of its quantization; ``None`` where it has none.
        reference: What predictions are judged by: the studies that trained it; ``None`` where nobody measured them.
        classes: The classes that it tells apart.
        nested: Whether each class lies within the one before it.
    """

    name: str
    graph: Graph
    preprocessing: Preprocessing
    threshold: float
    min_voxels: int
    sha256: str
    parameters: int
    card: Card
    int8_sha256: str | None = None
    reference: Reference | None = None
    classes: Classes = TUMOR
    nested: bool = False

    @property
    def precision(self) -> Precision:
        """Default precision: int8 if the preset is quantised, for only a safe quantization is kept; else float32."""
        return "int8" if self.int8_sha256 else "float32"


def compose_preset(preset: Preset) -> bytes:
    """Return the content of a preset's JSON, which ``parse_preset`` reads."""
    config: dict[str, Any] = {
        "format": FORMAT,
        "name": preset.name,
        "architecture": compose_graph(preset.graph),
        "preprocessing": preset.preprocessing.get_config(),
        "threshold": preset.threshold,
        "min_voxels": preset.min_voxels,
        "weights": {"file": WEIGHTS_FILE, "sha256": preset.sha256, "parameters": preset.parameters},
    }
    if preset.int8_sha256 is not None:
        config["int8"] = {"file": INT8_FILE, "sha256": preset.int8_sha256, "weights": preset.sha256}
    if preset.classes != TUMOR:
        config["classes"] = {"nested": preset.nested, "list": [each.get_config() for each in preset.classes]}
    config["card"] = preset.card.get_config()
    if preset.reference is not None:
        config["reference"] = preset.reference.get_config()
    return _dump(config).encode()


def _dump(config: dict[str, Any]) -> str:
    """Return the JSON of a configuration with one line for each layer, so that a person can read it."""
    layers, place = config["architecture"]["layers"], uuid4().hex
    config = {**config, "architecture": {**config["architecture"], "layers": [place]}}
    lines = ",\n   ".join(map(json.dumps, layers))
    return json.dumps(config, indent=1).replace(f'"{place}"', lines) + "\n"


def parse_preset(content: bytes, source: str) -> Preset:
    """Read a preset's JSON, whoever wrote it; ``source`` names it in errors.

    Raises:
        DataError: If it is not of the form that ``compose_preset`` gives, or asks for sizes that no preset has.
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
            graph=parse_architecture(config["architecture"], config["weights"]["parameters"]),
            preprocessing=preprocessing,
            threshold=config["threshold"],
            min_voxels=config["min_voxels"],
            sha256=config["weights"]["sha256"],
            parameters=config["weights"]["parameters"],
            card=Card.from_config(config["card"]),
            int8_sha256=config["int8"]["sha256"] if "int8" in config else None,
            reference=Reference.from_config(config["reference"]) if "reference" in config else None,
            **_parse_classes(config.get("classes")),
        )
    except DataError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # not JSON, or of the wrong kind
        msg = f"{source}: is not a preset's configuration: {error}"
        raise DataError(msg) from error


def _parse_classes(config: Any) -> dict[str, Any]:
    if config is None:
        return {}
    check_keys("classes", config, {"nested", "list"})
    if not isinstance(config["nested"], bool):
        msg = wrong("classes.nested", "true or false", config["nested"])
        raise ValueError(msg)
    return {"nested": config["nested"], "classes": from_configs(config["list"])}


def _refuse_constant(name: str) -> float:
    msg = f"{name} is not a number of JSON"
    raise ValueError(msg)
