"""What a configuration from elsewhere may ask for: checked as data, before anything is allocated for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from braintumorseg._core.checks import check_integer, check_range, wrong
from braintumorseg.models.functional import parse_graph
from braintumorseg.models.graph import Graph

MAX_CONFIG_BYTES = 2**22
"""Of ``braintumorseg.json``; the layers of a ResUNet take 1 % of it, and 2,000 layers a quarter."""
MAX_INT8_BYTES = 2**21
"""Of a quantization; that of 2 million weights takes 30 kB."""
MAX_PARAMETERS = 2**27
"""Number of weights: 0.5 GiB of float32."""
MAX_SIDE = 4096
MAX_NAME = 100

_HEADER_BYTES = 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_keys(name: str, table: Any, keys: set[str]) -> None:
    """Raise ``ValueError`` unless ``table`` is a table with exactly these keys."""
    if not isinstance(table, Mapping) or set(table) != keys:
        got = sorted(table) if isinstance(table, Mapping) else table
        msg = wrong(name, f"a table with exactly the keys {sorted(keys)}", got)
        raise ValueError(msg)


def check_bounds(config: Mapping[str, Any], weights_file: str) -> None:
    """Raise ``ValueError`` unless all sizes in a preset's configuration are ones that a preset may have.

    The sizes bound what is allocated: a configuration can't ask for more weights than it states, and its file must hold these.
    """
    if not isinstance(config["name"], str) or not 0 < len(config["name"]) <= MAX_NAME:
        msg = wrong("name", f"a text of up to {MAX_NAME} characters", config["name"])
        raise ValueError(msg)
    check_range("threshold", config["threshold"], 0, 1, low_open=True)
    check_integer("min_voxels", config["min_voxels"], 0)
    check_range("preprocessing.size", config["preprocessing"]["size"], 1, MAX_SIDE)
    _check_weights(config["weights"], weights_file)


def parse_architecture(architecture: Any, parameters: int) -> Graph:
    """Return the layers of a preset; raise ``ValueError`` if they are not as in any, or have more weights than stated."""
    graph = parse_graph(architecture)
    if graph.parameters > parameters:
        msg = wrong("architecture", f"one of at most {parameters} weights, as stated", f"at least {graph.parameters}")
        raise ValueError(msg)
    return graph


def check_int8(int8: Any, file: str, sha256: str) -> None:
    """Raise ``ValueError`` unless this is what a preset's configuration says of its quantization."""
    check_keys("int8", int8, {"file", "sha256", "weights"})
    if int8["file"] != file:
        msg = wrong("int8.file", repr(file), int8["file"])
        raise ValueError(msg)
    _check_sha256("int8.sha256", int8["sha256"])
    if int8["weights"] != sha256:
        msg = wrong("int8.weights", f"the SHA-256 of the preset's weights, {sha256}", int8["weights"])
        raise ValueError(msg)


def max_weights_bytes(parameters: int) -> int:
    """Return how large a safetensors file of so many float32 weights can be, its header included."""
    return 4 * parameters + _HEADER_BYTES


def _check_weights(weights: Any, file: str) -> None:
    check_keys("weights", weights, {"file", "sha256", "parameters"})
    if weights["file"] != file:
        msg = wrong("weights.file", repr(file), weights["file"])
        raise ValueError(msg)
    _check_sha256("weights.sha256", weights["sha256"])
    check_integer("weights.parameters", weights["parameters"], 1)
    check_range("weights.parameters", weights["parameters"], 1, MAX_PARAMETERS)


def _check_sha256(name: str, value: Any) -> None:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        msg = wrong(name, "64 hexadecimal digits in lower case", value)
        raise ValueError(msg)
