"""One study of a dataset: where its sequences and its mask are, and how they are read together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.io import read_segmentation, read_study
from braintumorseg.study import Study

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
    """

    name: str
    patient: str
    path: Path | None = None
    sequences: Mapping[str, Path] = field(default_factory=dict)
    channels: tuple[str | None, ...] | None = None
    mask: Path | None = None

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

    def study(self) -> Study:
        """Read the study, with its mask where it has one.

        Raises:
            DataError: If a file can't be read, or the mask lies on another grid; the message names the file.
        """
        if self.path is not None:
            study = read_study(self.path, sequences=self.channels, name=self.name)
        else:
            study = read_study(**self.sequences, name=self.name)  # type: ignore[arg-type]
        return study if self.mask is None else study.with_mask(_read_mask(self.mask, study))

    def get_config(self) -> dict[str, Any]:
        """Return what JSON can hold; paths are absolute."""
        return {
            "name": self.name,
            "patient": self.patient,
            "path": _text(self.path),
            "sequences": {name: _text(path) for name, path in self.sequences.items()},
            "channels": None if self.channels is None else list(self.channels),
            "mask": _text(self.mask),
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
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _read_mask(path: Path, study: Study) -> NDArray[np.bool_]:
    """Read a NIfTI mask onto a study; the two may be stored in different orientations."""
    if study.geometry is None or not nifti.is_nifti(path):
        return read_segmentation(path, study).mask
    try:
        volume = nifti.read_volume(path)
    except OSError as error:
        msg = f"{path}: can't be read ({error.strerror or error})"
        raise DataError(msg) from error
    same = volume.array.shape == study.shape
    if not same or not np.allclose(volume.geometry.affine, study.geometry.affine, rtol=0, atol=_NEAR):
        msg = f"{path}: lies on another grid than {study.name}; expected a mask on the FLAIR's grid, {study.shape}"
        raise DataError(msg)
    if not np.isfinite(volume.array).all():
        msg = f"{path}: must be finite; got NaN or infinite values"
        raise DataError(msg)
    return np.ascontiguousarray(volume.array > 0)
