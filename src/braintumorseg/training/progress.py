"""What a run shows while it goes on: step, loss, the latest validation, the time left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

_CONVENTION = "val Dice per patient, whole volumes, every slice in"


class Progress(keras.callbacks.Callback):
    """Shows a run on standard error: a bar on a terminal, a line a round elsewhere.

    Args:
        steps: Of the whole run.
        round_steps: Of a round.
    """

    def __init__(self, steps: int, round_steps: int) -> None:
        super().__init__()
        console = Console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        self._bar = Bar(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("the first step takes longest", total=steps)
        self._round_steps, self._dice, self._first = round_steps, "", 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Show the bar."""
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Take note of where the run is."""
        self._first = epoch * self._round_steps

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Move the bar."""
        text = f"loss {(logs or {}).get('loss', float('nan')):.4f}{self._dice}"
        self._bar.update(self._task, completed=self._first + batch + 1, description=text)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Take note of a validation, and say so where there is no bar."""
        logs = logs or {}
        mean, median = logs.get("val_patient_dice"), logs.get("val_patient_dice_median")
        if mean is not None:
            self._dice = f"  {_CONVENTION}: mean {mean:.3f}, median {median:.3f}"
        if self._bar.disable:
            measured = self._dice if mean is not None else ""
            self._bar.console.print(
                f"step {self._first + self._round_steps}: loss {logs['loss']:.4f}{measured}",
                highlight=False,
                soft_wrap=True,
            )

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Leave the bar as it is."""
        self._bar.stop()
