"""One study of a dataset: where its sequences and its mask are, and how they are read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.io import read_study
from braintumorseg.io.grids.combining import label_map
from braintumorseg.study import Study, as_classes, in_order, named_values

_NEAR = 1e-2  # mm: how far affines of one grid may lie apart, as headers hold them in float32


@dataclass(frozen=True)
class Case:
    """One study of a dataset: its name, its patient, and the files that it is read from.

    A study is at one path, as ``read_study`` takes it; or in one 4-D file, whose ``channels`` are named; or in one file for
    each sequence.

    Attributes:
        name: The study's name, which no other study of the dataset has.
        patient: The patient's name, which several studies (sessions) may share.
        path: The study's path, where it is at one.
        sequences: File of each sequence by its name, where each is a file of its own.
        channels: Sequence of each channel of ``path``, ``None`` for a channel that is left out; for 4-D files.
        mask: File of the mask, on the study's grid; ``None`` where ``read_study`` finds it with the study, or there is none.
        classes: Value of each class in the mask, by name, where the dataset states them; else its values name them.
    """

    name: str
    patient: str
    path: Path | None = None
    sequences: Mapping[str, Path] = field(default_factory=dict)
    channels: tuple[str | None, ...] | None = None
    mask: Path | None = None
    classes: Mapping[str, int] | None = None

    @property
    def lacks_mask(self) -> bool:
        """Whether it is known, before the study is read, that it has no mask."""
        return self.mask is None and (self.path is None or self.channels is not None)

    @property
    def source(self) -> Path | Case:
        """What a run reads: the absolute path where ``read_study`` reads the whole study, else the case itself."""
        whole = self.path is not None and self.channels is None and self.mask is None
        return self.path.absolute() if whole and self.path is not None else self

    @property
    def paths(self) -> list[Path]:
        """Files and folders that the study is read from."""
        return [each for each in (self.path, *self.sequences.values(), self.mask) if each is not None]

    def study(self, reference: Sequence[str] = ("flair",)) -> Study:
        """Read the study, with its mask where it has one.

        Args:
            reference: The sequences on whose grid the study may lie; the first that it has. Where it has none of these, its own
                first sequence is taken.

        Raises:
            DataError: If a file can't be read, or the mask lies on another grid; the message names the file.
        """
        if self.path is None:
            files = dict(self.sequences) | ({} if self.mask is None else {"mask": self.mask})
            found = [each for each in reference if each in self.sequences] or in_order(tuple(self.sequences))[:1]
            classes = None if self.classes is None else dict(self.classes)
            return read_study(files=files, reference=found, classes=classes, name=self.name)
        study = read_study(self.path, sequences=self.channels, reference=reference, name=self.name)
        return study if self.mask is None else _with_mask(study, self.mask, self.classes)

    def get_config(self) -> dict[str, Any]:
        """Return what JSON can hold; paths are absolute."""
        return {
            "name": self.name,
            "patient": self.patient,
            "path": _text(self.path),
            "sequences": {name: _text(path) for name, path in self.sequences.items()},
            "channels": None if self.channels is None else list(self.channels),
            "mask": _text(self.mask),
            "classes": None if self.classes is None else dict(self.classes),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Case:
        """Build from what ``get_config`` returned."""
        return cls(
            config["name"],
            config["patient"],
            _path(config["path"]),
            {name: Path(path) for name, path in config["sequences"].items()},
            None if config["channels"] is None else tuple(config["channels"]),
            _path(config["mask"]),
            config["classes"],
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _with_mask(study: Study, path: Path, stated: Mapping[str, int] | None) -> Study:
    """Give a study a NIfTI mask on its grid; the two may be stored in different orientations."""
    try:
        volume = nifti.read_volume(path)
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror or error})"
        raise DataError(msg) from error
    geometry = study.geometry
    same = geometry is not None and volume.array.shape == study.shape
    if geometry is None or not same or not np.allclose(volume.geometry.affine, geometry.affine, rtol=0, atol=_NEAR):
        msg = f"{path}: lies on another grid than {study.name}; expected a mask on its grid, {study.shape}"
        raise DataError(msg)
    if not np.isfinite(volume.array).all():
        msg = f"{path}: must be finite; got NaN or infinite values"
        raise DataError(msg)
    classes = None if stated is None else as_classes(stated)
    labels = label_map(volume.array, classes, path)
    if labels is None:
        return study.with_mask(np.ascontiguousarray(volume.array > 0))
    known = classes or named_values([int(each) for each in np.unique(labels) if each])
    return replace(study, mask=None, labels=labels, classes=known)
