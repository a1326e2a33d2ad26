"""Prepared studies kept on disk, so that an epoch of training decodes no file twice."""

from __future__ import annotations

import hashlib
import inspect
import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError
from braintumorseg.datasets.case import Case
from braintumorseg.io import read_study, study_name
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.study import TUMOR, Classes, Study
from braintumorseg.training.cached_study import CachedStudy
from braintumorseg.training.targets import prepare_target

# Raise it when the layout of an entry changes, or what is read from the same files. The numbers that preprocessing makes
# of a study are known by ``Preprocessing.version``, which is a part of its configuration.
_LAYOUT = 2


class PreparedCache:
    """A folder of prepared studies, each prepared and written at its first use.

    An entry is used as long as three things stay as they were: the study's files (names, sizes, times of change), the
    preprocessing's configuration, and the preprocessing's version. A damaged entry is made anew. Several processes may use
    one folder at once: entries appear whole or not at all. The folder may be deleted at any time.

    Values are float16, half the size of float32. Images lie between -2 and 6, which rounds them by 0.002 at most and by
    0.0002 in the root mean square (ten patients of the LGG dataset).

    Args:
        folder: Where the entries are; made if need be.
        preprocessing: What is applied to every study.
        change: Applied to every study before that, such as ``brain_alone``: a function at the top of a module. Entries
            depend on the code of its module.
        classes: The classes that the targets tell apart.

    Examples:
        >>> from braintumorseg import Preprocessing
        >>> from braintumorseg.training import PreparedCache
        >>> from PIL import Image
        >>> for number in (1, 2):
        ...     Image.new("RGB", (64, 64), "gray").save(f"case_{number}.png")
        ...     Image.new("L", (64, 64)).save(f"case_{number}_mask.png")
        >>> cache = PreparedCache("cache", Preprocessing(size=32))
        >>> study = cache.get(".")
        >>> study.images.shape, study.targets.shape, study.tumour_slices().tolist()
        ((2, 32, 32, 3), (2, 32, 32), [False, False])
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        preprocessing: Preprocessing,
        *,
        change: Callable[[Study], Study] | None = None,
        classes: Classes = TUMOR,
    ) -> None:
        self.folder = Path(folder)
        self.preprocessing = preprocessing
        self.change = change
        self.classes = classes

    def get(self, source: str | PathLike[str] | Case) -> CachedStudy:
        """Return a study, prepared anew only where no entry fits.

        Args:
            source: A study with a mask: a path that ``read_study`` takes, or a case of a dataset.

        Raises:
            DataError: If the study can't be read, has no mask or lacks a sequence, or the entry can't be written.
        """
        origin = _Origin.of(source)
        try:
            entry = self._entry(origin)  # before the files are read: a change meanwhile gives another entry next time
        except OSError as error:
            msg = f"{error.filename or origin.called}: can't be read ({error.strerror})"
            raise DataError(msg) from error
        values = self._load(entry)
        if values is None:
            self._build(origin, entry)
            values = self._load(entry)
        if values is None:
            msg = f"{entry}: can't be read back after it was written"
            raise DataError(msg)
        size, channels = self.preprocessing.size, len(self.preprocessing.sequences)
        images, targets = np.split(values, [values.size // (channels + 1) * channels])
        return CachedStudy(origin.name, images.reshape(-1, size, size, channels), targets.reshape(-1, size, size))

    def _entry(self, origin: _Origin) -> Path:
        """Return where a study is kept.

        The folder stands for the study and how it is prepared, the file for the version of that and the state of the
        study's files: an older file in the same folder is outdated.
        """
        config = self.preprocessing.get_config()
        version = config.pop("version")
        name, code = "", ""
        if self.change is not None:
            name, code = f"{self.change.__module__}.{self.change.__qualname__}", _code(self.change)
        values = [] if self.classes == TUMOR else [each.value for each in self.classes]
        identity = _digest(origin.identity, config, name, *values)
        files = [file for path in origin.paths for file in _files(path)]
        state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return self.folder / f"{origin.folder}-{identity}" / f"{_digest(_LAYOUT, version, code, state)}.npy"

    def _load(self, entry: Path) -> NDArray[np.float16] | None:
        """Map an entry's values; ``None`` if there is none, or it is not whole."""
        try:
            values = np.lib.format.open_memmap(entry, mode="r")
            whole = entry.stat().st_size == values.offset + values.nbytes
        except Exception:  # damaged bytes make the reader raise anything
            return None
        a_slice = self.preprocessing.size**2 * (len(self.preprocessing.sequences) + 1)
        fits = values.dtype == np.float16 and values.ndim == 1 and values.size > 0 and values.size % a_slice == 0
        return values if whole and fits else None

    def _build(self, origin: _Origin, entry: Path) -> None:
        """Prepare a study and write it: all images, then all targets, in one file that appears at once."""
        study = origin.read(self.preprocessing.fill_from)
        if self.change is not None:
            study = self.change(study)
        if study.mask is None:
            msg = f"{origin.called}: has no mask; training needs the truth"
            raise DataError(msg)
        prepared = self.preprocessing.apply(study)
        targets = prepare_target(study, self.preprocessing, prepared.placement, self.classes)
        values = np.concatenate([prepared.images, targets], axis=None, dtype=np.float16, casting="same_kind")
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".") as beside:
                np.save(Path(beside) / entry.name, values)
                (Path(beside) / entry.name).replace(entry)
        except OSError as error:
            msg = f"{entry}: can't be written ({error.strerror or error})"
            raise DataError(msg) from error
        for older in entry.parent.glob("*.npy"):
            if older != entry:
                with suppress(OSError):  # another process may have been faster, or hold it open
                    older.unlink()


class _Origin(NamedTuple):
    """What an entry is made of.

    Attributes:
        name: The study's name.
        called: What messages call it.
        folder: Beginning of the name of the entry's folder.
        identity: What tells it from others, as JSON can hold it.
        paths: Where its files are.
        read: What reads it, given the sequences on whose grid it may lie.
    """

    name: str
    called: str
    folder: str
    identity: object
    paths: list[Path]
    read: Callable[[Sequence[str]], Study]

    @classmethod
    def of(cls, source: str | PathLike[str] | Case) -> _Origin:
        if isinstance(source, Case):
            return cls(source.name, source.name, source.name, source.get_config(), source.paths, source.study)
        path = Path(source).absolute()
        read = partial(_read, path)
        return cls(study_name(path), str(path), path.name, str(path), [path], read)


def _read(path: Path, reference: Sequence[str]) -> Study:
    return read_study(path, reference=reference)


def _files(path: Path) -> list[Path]:
    """Return the files that a study may be made of."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    beside = path.with_name(f"{path.stem}_mask{path.suffix}")
    return [file for file in (path, beside) if file.is_file()]


def _code(function: Callable[[Study], Study]) -> str:
    """Return a hash of the file that a function stands in."""
    return hashlib.sha256(Path(inspect.getfile(function)).read_bytes()).hexdigest()


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
