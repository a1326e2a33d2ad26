"""The patients of a run: whom it trains on, and whom it validates on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from braintumorseg._core.checks import DataError, wrong
from braintumorseg.datasets.lgg import LGGDataset
from braintumorseg.io import read_study, study_name
from braintumorseg.study import Study
from braintumorseg.training.log import COLUMNS


@dataclass(frozen=True, eq=False)
class Patients:
    """Both sides of a run.

    Attributes:
        training: Absolute path of each training study by the patient's name.
        validation: Validation studies.
        lgg_training: Whether the training studies were given as an ``LGGDataset``.
        lgg_validation: The same for the validation studies.
    """

    training: dict[str, Path]
    validation: tuple[Study, ...]
    lgg_training: bool = False
    lgg_validation: bool = False

    @classmethod
    def of(
        cls,
        training: LGGDataset | Iterable[str | PathLike[str]],
        validation: LGGDataset | Iterable[Study | str | PathLike[str]],
    ) -> Patients:
        """Take what ``train`` takes.

        Raises:
            DataError: If a validation study can't be read, a patient comes twice, or has the name of a column of the log.
            ValueError: If there is no training study.
        """
        given = map(training.path, training.patients) if isinstance(training, LGGDataset) else training
        paths = [Path(path).absolute() for path in given]
        if not paths:
            msg = wrong("training", "at least one path of a study", "none")
            raise ValueError(msg)
        studies = tuple(each if isinstance(each, Study) else read_study(each) for each in validation)
        trained, judged = [study_name(path) for path in paths], [study.name for study in studies]
        both = set(trained) & set(judged)
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
        return cls(
            dict(zip(trained, paths, strict=True)),
            studies,
            isinstance(training, LGGDataset),
            isinstance(validation, LGGDataset),
        )

    def names(self) -> dict[str, list[str]]:
        """Return the names of both sides, as the state of a run keeps them."""
        return {"training": list(self.training), "validation": [study.name for study in self.validation]}
