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
        lgg: Names of those that are patients of the LGG dataset, in which copies of the FLAIR stand for absent sequences.
    """

    paths: Mapping[str, Path]
    lgg: frozenset[str] = frozenset()

    @classmethod
    def of(cls, studies: LGGDataset | Iterable[LGGDataset | str | PathLike[str]]) -> Sources:
        """Take a dataset, or datasets and paths that ``read_study`` takes.

        Raises:
            ValueError: If two paths give one name.
        """
        paths: dict[str, Path] = {}
        lgg: set[str] = set()
        for each in [studies] if isinstance(studies, LGGDataset) else studies:
            dataset = isinstance(each, LGGDataset)
            for path in map(each.path, each.patients) if isinstance(each, LGGDataset) else [Path(each)]:
                name = study_name(path.absolute())
                if name in paths:
                    msg = wrong("studies", "one study per patient, each of its own name", f"{name!r} twice")
                    raise ValueError(msg)
                paths[name] = path.absolute()
                lgg |= {name} if dataset else set()
        return cls(paths, frozenset(lgg))

    def study(self, name: str) -> Study:
        """Read a study.

        Raises:
            DataError: If it can't be read; the message names the file.
        """
        path = self.paths[name]
        return LGGDataset(path.parent).study(name) if name in self.lgg else read_study(path)

    def get_config(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"lgg": sorted(self.lgg), "paths": {name: str(path) for name, path in self.paths.items()}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Sources:
        """Build from what ``get_config`` returned."""
        return cls({name: Path(path) for name, path in config["paths"].items()}, frozenset(config["lgg"]))
