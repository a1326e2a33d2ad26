"""Where the studies of a cross-validation are read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from braintumorseg._core.checks import wrong
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.dataset import Dataset
from braintumorseg.datasets.lgg import LGGDataset
from braintumorseg.io import read_study, study_name
from braintumorseg.study import Study


@dataclass(frozen=True)
class Sources:
    """Studies by name, read when they are asked for.

    Attributes:
        places: Absolute path of each study, or its case where no one path holds all of it.
        lgg: Names of those that are patients of the LGG dataset, in which copies of the FLAIR stand for absent sequences.
        patients: Patient of each study by its name.
    """

    places: Mapping[str, Path | Case]
    lgg: frozenset[str] = frozenset()
    patients: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, studies: Dataset | Iterable[Dataset | str | PathLike[str]]) -> Sources:
        """Take a dataset, or datasets and paths that ``read_study`` takes.

        Raises:
            DataError: If a study of a dataset is known to have no mask.
            ValueError: If two studies have one name.
        """
        places: dict[str, Path | Case] = {}
        patients: dict[str, str] = {}
        lgg: set[str] = set()
        for each in [studies] if isinstance(studies, Dataset) else studies:
            for name, place, patient in _list(each):
                if name in places:
                    msg = wrong("studies", "one study per patient, each of its own name", f"{name!r} twice")
                    raise ValueError(msg)
                places[name], patients[name] = place, patient
                lgg |= {name} if isinstance(each, LGGDataset) else set()
        return cls(places, frozenset(lgg), patients)

    def study(self, name: str) -> Study:
        """Read a study.

        Raises:
            DataError: If it can't be read; the message names the file.
        """
        place = self.places[name]
        if isinstance(place, Case):
            return place.study()
        return LGGDataset(place.parent).study(name) if name in self.lgg else read_study(place)

    def get_config(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "lgg": sorted(self.lgg),
            "places": {
                name: place.get_config() if isinstance(place, Case) else str(place)
                for name, place in self.places.items()
            },
            "patients": dict(self.patients),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Sources:
        """Build from what ``get_config`` returned."""
        places = {
            name: Path(place) if isinstance(place, str) else Case.from_config(place)
            for name, place in config["places"].items()
        }
        return cls(places, frozenset(config["lgg"]), config["patients"])


def _list(studies: Dataset | str | PathLike[str]) -> list[tuple[str, Path | Case, str]]:
    """Return name, place and patient of each study."""
    if isinstance(studies, Dataset):
        studies.check_masks()
        return [(name, studies.case(name).source, studies.patient(name)) for name in studies.names]
    path = Path(studies).absolute()
    return [(study_name(path), path, study_name(path))]
