"""What a cross-validation keeps on disk besides its folds' runs: what it is, and the predictions of every patient."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from braintumorseg._core.checks import DataError
from braintumorseg._core.files import replacing
from braintumorseg.study import Segmentation, Study
from braintumorseg.training.cross_validation.sources import Sources

STATE_FILE = "cross-validation.json"


@dataclass(frozen=True)
class State:
    """What makes a cross-validation this one and no other.

    Attributes:
        config: Digest of the configuration that every fold is trained with.
        seed: Of the division into folds.
        folds: Names of each fold's patients.
        sources: Where the studies are.
    """

    config: str
    seed: int
    folds: tuple[tuple[str, ...], ...]
    sources: Sources

    @property
    def patients(self) -> list[str]:
        """Names of all patients, sorted."""
        return sorted(name for fold in self.folds for name in fold)

    def check(self, folder: Path) -> None:
        """Refuse a folder that holds anything of another cross-validation.

        Raises:
            DataError: If it does; the message says in what the two differ.
        """
        if not (folder / STATE_FILE).exists():
            if any(folder.glob("fold_*")) or any(folder.glob("predictions/*")):
                msg = f"{folder}: holds results, but no {STATE_FILE} that says of what; give another folder"
                raise DataError(msg)
            return
        old = State.read(folder)
        for differs, kind in (
            (old.config != self.config, "with another configuration, that of its config.toml"),
            (old.patients != self.patients, f"of other patients, {len(old.patients)}"),
            (len(old.folds) != len(self.folds), f"of {len(old.folds)} folds, not {len(self.folds)}"),
            (old.seed != self.seed, f"with seed {old.seed}, not {self.seed}"),
            (old.folds != self.folds, "with another division into folds"),
        ):
            if differs:
                msg = f"{folder}: holds a cross-validation {kind}; give another folder, or go on with what that one was"
                raise DataError(msg)

    def write(self, folder: Path) -> None:
        """Write it; older paths are replaced, since the studies may have been moved.

        Raises:
            DataError: If it can't be written.
        """
        record = {"config": self.config, "seed": self.seed, "folds": self.folds, "sources": self.sources.get_config()}
        with replacing(folder / STATE_FILE, overwrite=True) as beside:
            beside.write_text(json.dumps(record, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> State:
        """Read what :meth:`write` wrote.

        Raises:
            DataError: If the file can't be read, or is none of those.
        """
        path = folder / STATE_FILE
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            folds = tuple(tuple(fold) for fold in record["folds"])
            return cls(record["config"], record["seed"], folds, Sources.from_config(record["sources"]))
        except OSError as error:
            msg = f"{path}: can't be read ({error.strerror or error}); expected the folder of a cross-validation"
            raise DataError(msg) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = (
                f"{path}: is not the state of a cross-validation ({type(error).__name__}: {error}); give another folder"
            )
            raise DataError(msg) from error


def prediction_file(folder: Path, name: str) -> Path:
    """Return where the out-of-fold prediction of a patient is kept."""
    return folder / "predictions" / f"{name}.npz"


def write_prediction(segmentation: Segmentation, path: Path) -> None:
    """Write mask and probabilities, these in steps of 1/255: some 25 KB a patient of the LGG dataset.

    Raises:
        DataError: If they can't be written.
    """
    assert segmentation.probabilities is not None  # a Segmenter gives them
    steps = np.round(segmentation.probabilities * 255).astype(np.uint8)
    with replacing(path, overwrite=True) as beside:
        np.savez_compressed(beside, mask=segmentation.mask, probabilities=steps)


def read_prediction(path: Path, study: Study) -> Segmentation:
    """Read what ``write_prediction`` wrote.

    Args:
        path: The file.
        study: What it was found in.

    Raises:
        DataError: If the file can't be read, or is not on the study's grid.
    """
    try:
        with np.load(path) as arrays:
            mask, steps = arrays["mask"], arrays["probabilities"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        msg = f"{path}: can't be read ({error}); remove it, and call again to predict that patient anew"
        raise DataError(msg) from error
    if mask.shape != study.shape:
        msg = f"{path}: expected a prediction on the study's grid {study.shape}; it has {mask.shape}"
        raise DataError(msg)
    return Segmentation(
        mask=mask,
        probabilities=steps.astype(np.float32) / 255,
        spacing=study.spacing,
        name=study.name,
        geometry=study.geometry,
        slice_names=study.slice_names,
    )
