"""From studies to an evaluation, one study in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError, wrong
from braintumorseg.datasets.dataset import NOT_GIVEN, Dataset
from braintumorseg.evaluation.table import Evaluation
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.io import read_study
from braintumorseg.measures import dice, measure
from braintumorseg.runtimes.choice import Engine, Precision
from braintumorseg.study import SEQUENCES, Segmentation, Study

Institutions = Mapping[str, str]


def evaluate(
    segmenter: Segmenter,
    studies: Dataset | Iterable[Study | str | PathLike[str]],
    *,
    institutions: Institutions | None = None,
    tta: bool = False,
    engine: Engine = "auto",
    precision: Precision | None = None,
) -> Evaluation:
    """Predict studies whose tumours are known, and measure each in every way.

    Args:
        segmenter: The segmenter.
        studies: A dataset, ``Study`` objects, or paths that ``read_study`` takes; they are read one after the other, so that
            one is in memory at a time. Each has a mask; with label maps of the segmenter's classes, the table has a column
            ``dice of <class>`` for each. A sequence counts as missing where the ``Study`` does not list it.
        institutions: Where each patient was imaged, by the study's name, if known; those of the dataset if not given.
        tta: Whether to predict each slice as its mirror image too; see :meth:`Segmenter.predict`.
        engine: The runtime of the network; see :meth:`Segmenter.predict`.
        precision: The network's precision; ``segmenter.precision`` if not given. The evaluation records the one that was used.

    Raises:
        DataError: If a study can't be read or has no mask, or two have the same name; the message names it.
        ValueError: If there are no studies.

    Examples:
        >>> from braintumorseg import load_pretrained, make_study
        >>> from braintumorseg.evaluation.evaluate import evaluate
        >>> studies = [make_study(seed=0, shape=(4, 96, 96))]
        >>> evaluation = evaluate(load_pretrained("resunet-lgg"), studies)
        >>> evaluation.table["missing_sequences"].tolist()
        ['none']
    """

    def predict(item: Study | str | PathLike[str]) -> _Measured:
        study = item if isinstance(item, Study) else read_study(item, reference=segmenter.preprocessing.fill_from)
        truth = _truth(study, study.name if isinstance(item, Study) else item)  # before the time of a prediction
        found = segmenter.predict(study, tta=tta, engine=engine, precision=precision)
        return _measure(study, truth, found, segmenter.preprocessing.sequences)

    if isinstance(studies, Dataset):
        studies.check_masks()
        institutions = studies.institutions if institutions is None else institutions
    return _collect(map(predict, studies), segmenter.name, institutions, tta=tta)


def score(
    pairs: Iterable[tuple[Study, Segmentation]],
    *,
    name: str = "segmenter",
    institutions: Institutions | None = None,
    tta: bool = False,
) -> Evaluation:
    """Measure segmentations that exist already, such as those of a cross-validation or of another program.

    Args:
        pairs: Each study, with its mask, and what was found in it, on the same grid.
        name: What to call their maker.
        institutions: Where each patient was imaged, by the study's name, if known.
        tta: Whether they were made with test-time augmentation; the precision is that of the segmentations.

    Raises:
        DataError: If a study has no mask, or two have the same name; the message names it.
        ValueError: If there are no pairs, or two of a pair are not on the same grid.

    Examples:
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.evaluation.evaluate import score
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> evaluation = score([(study, Segmentation(study.mask))], name="the truth itself")
        >>> evaluation
        Evaluation of 'the truth itself': 1 patient, mean of their whole-volume Dice 1.000
    """

    def check(pair: tuple[Study, Segmentation]) -> _Measured:
        study, segmentation = pair
        return _measure(study, _truth(study, study.name), segmentation)

    return _collect(map(check, pairs), name, institutions, tta=tta)


class _Measured(NamedTuple):
    row: dict[str, Any]
    slices: pd.DataFrame
    precision: str | None


def _truth(study: Study, called: object) -> NDArray[np.bool_]:
    if study.mask is None:
        msg = f"{called}: has no mask; an evaluation needs the truth"
        raise DataError(msg)
    return study.mask


def _measure(
    study: Study, truth: NDArray[np.bool_], segmentation: Segmentation, sequences: Sequence[str] = SEQUENCES
) -> _Measured:
    found = segmentation.mask
    missing = [sequence for sequence in sequences if sequence not in study.sequences]
    measures = measure(truth, found, study.steps).to_dict()
    row = {
        "name": study.name,
        "missing_sequences": ", ".join(missing) or "none",
        "slices": len(truth),
        **measures,
        **_class_dice(study, segmentation),
    }
    counts = {
        key: np.count_nonzero(mask, axis=(1, 2))
        for key, mask in (("true", truth), ("predicted", found), ("shared", truth & found))
    }
    slices = pd.DataFrame({"name": study.name, "slice": np.arange(len(truth)), **counts})
    return _Measured(row, slices, segmentation.precision)


def _class_dice(study: Study, segmentation: Segmentation) -> dict[str, float]:
    """Return the Dice of each class, of several whose truth is known; of nested ones, that of their regions."""
    known = {each.value for each in segmentation.classes}
    if len(known) == 1 or study.labels is None or not set(np.unique(study.labels).tolist()) - {0} <= known:
        return {}
    found = {}
    for place, each in enumerate(segmentation.classes):
        region = segmentation.classes[place:] if segmentation.nested else (each,)
        values = [one.value for one in region]
        found[f"dice of {each.name}"] = dice(np.isin(study.labels, values), np.isin(segmentation.labels, values))
    return found


def _collect(results: Iterable[_Measured], name: str, institutions: Institutions | None, *, tta: bool) -> Evaluation:
    rows: dict[str, dict[str, Any]] = {}
    slices, precisions = [], set()
    for row, counts, precision in results:
        patient = row["name"]
        if patient in rows:
            msg = f"{patient}: comes twice; an evaluation needs one study a patient, each of its own name"
            raise DataError(msg)
        rows[patient] = {"name": patient, "institution": (institutions or {}).get(patient, NOT_GIVEN), **row}
        slices.append(counts)
        precisions.add(precision)
    if not rows:
        msg = wrong("studies", "at least one", "none")
        raise ValueError(msg)
    one = cast("Precision | None", precisions.pop()) if len(precisions) == 1 else None  # not recorded, or several
    return Evaluation(name, pd.DataFrame(list(rows.values())), pd.concat(slices), tta, one)
