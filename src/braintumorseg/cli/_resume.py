"""Which studies of a folder an earlier run has finished, from the same files with the same model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import braintumorseg as bts
from braintumorseg._core.marks import kind_of

if TYPE_CHECKING:
    from braintumorseg import Segmenter
    from braintumorseg.inference import Prediction

RECORD_FILE = ".predicted.jsonl"


class Record:
    """One line of JSON for each study that was finished; a run that is killed loses no more than the study at hand."""

    def __init__(self, folder: Path, segmenter: Segmenter, prediction: Prediction, settings: Mapping[str, Any]) -> None:
        self._path = folder / RECORD_FILE
        model = {
            "version": bts.__version__,
            "segmenter": segmenter.fingerprint(),
            # Those that were chosen: "auto" may be another engine on another machine, and with it another precision.
            "engine": prediction.choice.engine,
            "precision": prediction.choice.precision,
            "tta": prediction.tta,
            "uncertainty": prediction.uncertainty,
            **settings,
        }
        self._model = hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest()
        self._done: dict[str, str] = {}
        if self._path.is_file():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self._done[entry["target"]] = entry["made_from"]
                except (ValueError, KeyError, TypeError):  # cut off by a kill
                    continue

    def holds(self, target: Path, files: list[Path]) -> bool:
        """Tell whether ``target`` is there and was made from these files as they are, by this model."""
        return target.exists() and self._done.get(target.name) == self._made_from(files)

    def add(self, target: Path, files: list[Path]) -> None:
        """Note that ``target`` is finished."""
        entry = {"target": target.name, "made_from": self._made_from(files)}
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
        except OSError as error:
            msg = f"{self._path}: can't be written ({error.strerror or error})"
            raise bts.DataError(msg) from error

    def _made_from(self, files: list[Path]) -> str:
        """Tell files apart by name, size and time of change: reading them all would take as long as predicting.

        Results may lie with their study, and are no part of it: they change with each run.
        """
        seen = []
        for path in files:
            inner = [path]
            if path.is_dir():
                inner = sorted(each for each in path.rglob("*") if each.is_file() and not _is_result(each))
            seen += [(str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in inner]
        return hashlib.sha256(json.dumps([self._model, seen]).encode()).hexdigest()


def _is_result(path: Path) -> bool:
    return path.name == RECORD_FILE or kind_of(path) is not None
