"""The backend of Keras, which its users choose outside of this package."""

from __future__ import annotations

import os
from importlib.util import find_spec

from braintumorseg._core.optional import lazy
from braintumorseg.cli._console import USAGE, fail

keras = lazy("keras")

VARIABLE = "KERAS_BACKEND"
_TRAIN = ("tensorflow", "jax", "torch")
_PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch", "numpy": "numpy", "openvino": "openvino"}


def backend_problem() -> str | None:
    """Tell why Keras can't be imported with the backend that the environment names; ``None`` if it can."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    if name not in _PACKAGES:
        return f"{VARIABLE} must be tensorflow, jax or torch, or not be set; got {name}"
    if find_spec(_PACKAGES[name]) is None:
        return f"{VARIABLE}={name}: {name} is not installed; install it, or unset {VARIABLE} for TensorFlow"
    return None


def explain(error: Exception) -> str:
    """Return what an error says, or which backend Keras can't be imported with, if that caused it."""
    about_backend = isinstance(error, ImportError) or "backend" in str(error)
    return (backend_problem() if about_backend else None) or str(error)


def check_trainable(command: str) -> None:
    """End a command that trains unless Keras runs on a backend that has gradients."""
    name = keras.backend.backend()
    if name not in _TRAIN:
        fail(f"{VARIABLE}={name}: {command} runs on {', '.join(_TRAIN)}; set {VARIABLE} to one, or unset it", USAGE)
