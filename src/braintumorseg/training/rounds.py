"""The end of each round of a run: validation of the averaged weights, the log, the state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from braintumorseg._core.checks import DataError
from braintumorseg._core.tables import write_table
from braintumorseg.callbacks import PatientDice
from braintumorseg.training.config import TrainConfig
from braintumorseg.training.log import LOG_FILE, log_table
from braintumorseg.training.scalars import ScalarWriter
from braintumorseg.training.state import save_state

STATE_FILE = "state.safetensors"

Keep = Callable[[str, keras.Model, Mapping[str, float]], None]
"""Writes a model as the run's ``"last"`` or ``"best"`` preset, with the validation patients' Dice."""


class Rounds(keras.callbacks.Callback):
    """Ends each round: validate, write presets, log, save the state, in this order and from stored numbers alone.

    A run that is killed between any two of these goes on from the state before, and writes the same again.

    Args:
        config: The run's configuration.
        out: The run's folder.
        averaged: A second model of the same kind, which gets the averaged weights.
        validation: Measures a model on the validation patients; ``None`` where there are none.
        keep: Writes the averaged model: at the last step and, with ``keep_best``, after each best validation so far.
        info: The run's record: ``config``, ``patients``, ``step``, ``log`` and others.
        name_batch: Names the slices of a step.
    """

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        averaged: keras.Model,
        validation: PatientDice | None,
        keep: Keep,
        info: Mapping[str, Any],
        name_batch: Callable[[int], str],
    ) -> None:
        super().__init__()
        self.config, self.out, self.averaged, self.validation = config, out, averaged, validation
        self.keep, self.name_batch = keep, name_batch
        self.info = dict(info)
        self._board = ScalarWriter(out / "tensorboard")
        if validation is not None:
            validation.set_model(averaged)

    @property
    def best(self) -> float:
        """The best mean of the validation patients' Dice so far; minus infinity before the first."""
        means = [line["val_patient_dice"] for line in self.info["log"] if "val_patient_dice" in line]
        return max(means, default=-math.inf)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Stop at a loss that is no number: what follows would be trained on it."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            step = self.info["step"] + batch
            good = f"the last good state is that of step {self.info['step']}, {self.out / STATE_FILE}"
            msg = f"the loss is {loss} at step {step}, with the slices {self.name_batch(step)}; "
            raise DataError(msg + (good if self.info["step"] else "there is no good state before it"))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """End the round."""
        step = (epoch + 1) * self.config.round_steps
        line: dict[str, Any] = {"step": step, "loss": float((logs or {})["loss"])}
        line["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        last = step == self.config.steps
        validated = last or (epoch + 1) % self.config.validate_every == 0
        if validated:
            copy_averages(self.model, self.averaged)
        if validated and self.validation is not None:
            line |= self._validate(epoch)
        if last:
            self.keep("last", self.averaged, line.get("patients", {}))
        if logs is not None:
            logs.update({key: value for key, value in line.items() if key.startswith("val_")})
        self.info = self.info | {"step": step, "log": [*self.info["log"], line]}
        self._write_log(line)
        save_state(self.out / STATE_FILE, self.model, self.info)

    def _validate(self, epoch: int) -> dict[str, Any]:
        assert self.validation is not None
        self.validation.set_params({"epochs": epoch + 1})
        logs: dict[str, Any] = {}
        self.validation.on_epoch_end(epoch, logs)
        patients = self.validation.per_patient
        if self.config.keep_best and not self.best >= logs["val_patient_dice"]:
            self.keep("best", self.averaged, patients)
        return logs | {"patients": patients}

    def _write_log(self, line: Mapping[str, Any]) -> None:
        write_table(log_table(self.info["log"]), self.out / LOG_FILE, overwrite=True)
        scalars = {key: value for key, value in line.items() if key not in ("step", "patients")}
        self._board.write(line["step"], scalars)


def copy_averages(model: keras.Model, averaged: keras.Model) -> None:
    """Give a model the moving averages of another one's weights, and its statistics of normalisation as they are."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # mixed precision wraps it
    averages = {
        id(variable): average
        for variable, average in zip(model.trainable_variables, optimizer._model_variables_moving_average, strict=True)
    }
    for source, target in zip(model.variables, averaged.variables, strict=True):
        target.assign(np.asarray(averages.get(id(source), source).numpy()))
