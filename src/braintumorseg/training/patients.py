"""The patients of a run: whom it trains on, and whom it validates on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from braintumorseg._core.checks import DataError, wrong
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.dataset import Dataset
from braintumorseg.datasets.lgg import LGGDataset
from braintumorseg.io import read_study, study_name
from braintumorseg.study import Study
from braintumorseg.training.log import COLUMNS


@dataclass(frozen=True, eq=False)
class Patients:
    """Both sides of a run.

    Attributes:
        training: Where each training study is, by its name: an absolute path, or a case of a dataset.
        validation: Validation studies.
        lgg_training: Whether the training studies were given as an ``LGGDataset``.
        lgg_validation: The same for the validation studies.
        people: Patient of each study of a dataset, by the study's name; studies that are not named have a patient each.
    """

    training: dict[str, Path | Case]
    validation: tuple[Study, ...]
    lgg_training: bool = False
    lgg_validation: bool = False
    people: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        training: Dataset | Iterable[str | PathLike[str] | Case],
        validation: Dataset | Iterable[Study | str | PathLike[str]],
    ) -> Patients:
        """Take what ``train`` takes.

        Raises:
            DataError: If a validation study can't be read, a dataset's study has no mask, a study comes twice, a patient is
                on both sides, or a study has the name of a column of the log.
            ValueError: If there is no training study.
        """
        people: dict[str, str] = {}
        for side in (training, validation):
            if isinstance(side, Dataset):
                side.check_masks()
                people |= {name: side.patient(name) for name in side.names}
        sources = _sources(training)
        people |= {name: source.patient for name, source in sources if isinstance(source, Case)}
        if not sources:
            msg = wrong("training", "at least one study", "none")
            raise ValueError(msg)
        studies = tuple(each if isinstance(each, Study) else read_study(each) for each in validation)
        trained, judged = [name for name, _ in sources], [study.name for study in studies]
        both = set(trained) & set(judged)
        both |= {people.get(name, name) for name in trained} & {people.get(name, name) for name in judged}
        if both:
            msg = f"{min(both)}: is both trained on and validated on"
            raise DataError(msg)
        twice = [name for names in (trained, judged) for name in names if names.count(name) > 1]
        if twice:
            msg = f"{twice[0]}: comes twice; a run needs one study per patient, each of its own name"
            raise DataError(msg)
        reserved = set(judged) & set(COLUMNS)
        if reserved:
            msg = f"{min(reserved)}: is a column of the log; rename the validation study"
            raise DataError(msg)
        return cls(dict(sources), studies, isinstance(training, LGGDataset), isinstance(validation, LGGDataset), people)

    def names(self) -> dict[str, list[str]]:
        """Return the names of both sides, as the state of a run keeps them."""
        return {"training": list(self.training), "validation": [study.name for study in self.validation]}

    def studies(self, reference: Sequence[str] = ("flair",)) -> Iterator[Study]:
        """Read the training studies, one after the other, on the grid of the first of these sequences that each has."""
        for source in self.training.values():
            yield source.study(reference) if isinstance(source, Case) else read_study(source, reference=reference)

    @property
    def counts(self) -> tuple[int, int]:
        """Number of patients to train on, and to validate on."""
        first, second = (len({self.people.get(name, name) for name in names}) for names in self.names().values())
        return first, second


def _sources(training: Dataset | Iterable[str | PathLike[str] | Case]) -> list[tuple[str, Path | Case]]:
    """Return name and place of each study."""
    if isinstance(training, Dataset):
        return [(name, training.case(name).source) for name in training.names]
    places = [each if isinstance(each, Case) else Path(each).absolute() for each in training]
    return [(each.name if isinstance(each, Case) else study_name(each), each) for each in places]
