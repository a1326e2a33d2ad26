"""Numbers of a run for TensorBoard, whatever the backend."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from braintumorseg._core.optional import lazy

_events = lazy("tensorboard.compat.proto.event_pb2")
_summaries = lazy("tensorboard.compat.proto.summary_pb2")
_writers = lazy("tensorboard.summary.writer.event_file_writer")


class ScalarWriter:
    """Writes numbers to a folder that TensorBoard shows; the file is made at the first of them.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers of one step, by name, to the disk."""
        if self._writer is None:
            self._writer = _writers.EventFileWriter(str(self.folder))
        entries = [_summaries.Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()]
        self._writer.add_event(
            _events.Event(wall_time=time.time(), step=step, summary=_summaries.Summary(value=entries))
        )
        self._writer.flush()
