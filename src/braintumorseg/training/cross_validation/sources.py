"""Where the studies of a cross-validation are read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from braintumorseg._core.checks import wrong
from braintumorseg.datasets.lgg import LGGDataset
from braintumorseg.io import read_study, study_name
from braintumorseg.study import Study


@dataclass(frozen=True)
class Sources:
    """Studies by name, read when they are asked for.

    Attributes:
        paths: Absolute path of each study.
        lgg: Whether they are patients of the LGG dataset, in which copies of the FLAIR stand for absent sequences.
    """

    paths: Mapping[str, Path]
    lgg: bool

    @classmethod
    def of(cls, studies: LGGDataset | Iterable[str | PathLike[str]]) -> Sources:
        """Take a dataset, or paths that ``read_study`` takes.

        Raises:
            ValueError: If two paths give one name.
        """
        if isinstance(studies, LGGDataset):
            return cls({name: studies.path(name).absolute() for name in studies.patients}, lgg=True)
        paths: dict[str, Path] = {}
        for path in (Path(each).absolute() for each in studies):
            name = study_name(path)
            if name in paths:
                msg = wrong("studies", "one study per patient, each of its own name", f"{name!r} twice")
                raise ValueError(msg)
            paths[name] = path
        return cls(paths, lgg=False)

    def study(self, name: str) -> Study:
        """Read a study.

        Raises:
            DataError: If it can't be read; the message names the file.
        """
        path = self.paths[name]
        return LGGDataset(path.parent).study(name) if self.lgg else read_study(path)

    def get_config(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"lgg": self.lgg, "paths": {name: str(path) for name, path in self.paths.items()}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Sources:
        """Build from what ``get_config`` returned."""
        return cls({name: Path(path) for name, path in config["paths"].items()}, config["lgg"])
