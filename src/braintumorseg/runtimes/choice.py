"""Which engine runs a network where nobody says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from braintumorseg._core.optional import lazy

_keras = lazy("braintumorseg.runtimes.keras")

Engine = Literal["auto", "keras", "openvino", "onnxruntime"]
Precision = Literal["float32", "int8"]
ENGINES = ("auto", "keras", "openvino", "onnxruntime")
PRECISIONS = ("float32", "int8")

_DRIVERS = ("/proc/driver/nvidia/gpus", "/dev/kfd", "/dev/dxg")  # of NVIDIA, AMD, and both under Windows


def gpu_is_there() -> bool:
    """Tell whether Keras would compute on a GPU; without the driver of one, nothing is imported to find out."""
    return any(Path(driver).exists() for driver in _DRIVERS) and bool(_keras.sees_gpu())
