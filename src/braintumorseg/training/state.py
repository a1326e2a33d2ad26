"""The state of a run on disk: one file that is replaced whole, so that a kill at any moment leaves a usable one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from braintumorseg._core.checks import DataError
from braintumorseg._core.files import replacing

_INFO = "braintumorseg"


def save_state(path: Path, model: keras.Model, info: Mapping[str, Any]) -> None:
    """Write the weights, the optimizer's variables and what the run knows.

    Args:
        path: Where to; replaced whole.
        model: A compiled model with a built optimizer.
        info: Plain data that JSON can hold.

    Raises:
        DataError: If it can't be written.
    """
    arrays = {key: np.array(variable.numpy(), order="C") for key, variable in _variables(model).items()}
    with replacing(path, overwrite=True) as beside:
        save_file(arrays, beside, {_INFO: json.dumps(info)})


def read_info(path: Path) -> dict[str, Any]:
    """Return what the run knew when its state was saved.

    Raises:
        DataError: If the file can't be read or isn't such a state.
    """
    try:
        with safe_open(path, "numpy") as file:
            info: dict[str, Any] = json.loads(file.metadata()[_INFO])
            return info
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: is not the state of a training run ({error}); remove it to begin anew"
        raise DataError(msg) from error


def restore_state(path: Path, model: keras.Model) -> None:
    """Give a compiled model with a built optimizer the variables that ``save_state`` wrote.

    Raises:
        DataError: If the file can't be read, or holds other variables than the model has.
    """
    variables = _variables(model)
    try:
        with safe_open(path, "numpy") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError) as error:
        msg = f"{path}: can't be read ({error}); remove it to begin anew"
        raise DataError(msg) from error
    shapes = {key: tuple(variable.shape) for key, variable in variables.items()}
    if shapes != {key: array.shape for key, array in arrays.items()}:
        msg = f"{path}: holds the state of another model; remove it to begin anew, or give another folder"
        raise DataError(msg)
    for key, variable in variables.items():
        variable.assign(arrays[key])


def _variables(model: keras.Model) -> dict[str, Any]:
    """Return all that changes in training: by number, as the paths of optimizers hold a number that differs by process."""
    parts = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {f"{part}/{number:04d}": variable for part, each in parts.items() for number, variable in enumerate(each)}
