"""Cross-validation: train on all folds but one, predict that one, and so on; then judge all patients together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path

from rich.console import Console

from braintumorseg._core.checks import wrong
from braintumorseg.datasets.dataset import NOT_GIVEN, Dataset
from braintumorseg.datasets.split_file import folds_of_studies
from braintumorseg.evaluation.disagreements import find_disagreements, write_disagreements
from braintumorseg.evaluation.evaluate import score
from braintumorseg.evaluation.report import write_evaluation
from braintumorseg.training.config import TrainConfig
from braintumorseg.training.cross_validation.result import CrossValidation, stored_pairs
from braintumorseg.training.cross_validation.sources import Sources
from braintumorseg.training.cross_validation.state import State, prediction_file, write_prediction
from braintumorseg.training.run import train

_OTHERS = "others"  # the group of studies without an institution, beside some that have one


def cross_validate(
    config: TrainConfig,
    studies: Dataset | Iterable[Dataset | str | PathLike[str]],
    out: str | PathLike[str],
    *,
    institutions: Mapping[str, str] | None = None,
    stratify: str | None = None,
    folds: int = 5,
    seed: int = 0,
    cache: str | PathLike[str] | None = None,
    strategy: str = "none",
    progress: bool = True,
) -> CrossValidation:
    """Train one model a fold on the patients of all other folds, and judge it on those of the fold.

    All folds are trained with one configuration, and nothing is chosen on the patients that judge: each model is the
    averaged weights of its last step, with the configuration's threshold. The headline is that of all patients together.

    The folder gets ``fold_1/``, ``fold_2/``, ... (runs of ``train``), and ``predictions/<patient>.npz``, the out-of-fold mask
    and probabilities of every patient; at the end ``summary.txt``, ``patients.csv``, ``evaluation.json``, ``dice.png``, and the
    slices whose labels are doubtful, ``disagreements.html`` and ``disagreements.csv`` (see ``find_disagreements``). Killed at
    any moment, the same call goes on: what is trained and predicted is not done again, and a fold goes on from its last saved
    state.

    Args:
        config: What to train, and how.
        studies: A dataset or a part of it; or several of them and paths of studies with masks, as ``read_study`` takes them.
            All studies of a patient are in one fold.
        out: The folder, made if need be.
        institutions: Group of each study that the folds are stratified by, by the study's name. If not given, those of the
            datasets, and one group of all other studies.
        stratify: A column of the datasets' clinical tables to stratify the folds by, in place of the institutions.
        folds: How many, at least 2 and at most as many as there are patients.
        seed: Which of the many divisions into folds; the seed of the training is the configuration's.
        cache: Where prepared studies are kept; ``out/cache`` if not given.
        strategy: As for ``train``.
        progress: Whether to show how far it is.

    Returns:
        The finished cross-validation.

    Raises:
        DataError: If a study can't be read or has no mask, or the folder holds another cross-validation: with another
            configuration, of other patients or of other folds.
        ValueError: If an argument is not as stated, the configuration starts from trained weights or keeps a best
            checkpoint, or two studies have the same name.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from braintumorseg import Preprocessing, TrainConfig, cross_validate, make_study
        >>> for seed, case in enumerate("ab"):
        ...     Path(case).mkdir()
        ...     study = make_study(seed=seed, shape=(4, 64, 64))
        ...     for number in range(4):
        ...         Image.fromarray(study.volume[number].astype("uint8")).save(f"{case}/{case}_{number + 1}.tif")
        ...         Image.fromarray(study.mask[number]).save(f"{case}/{case}_{number + 1}_mask.tif")
        >>> config = TrainConfig(
        ...     "tiny", model={"name": "unet", "filters": [4, 8]}, steps=1, batch_size=2, round_steps=1,
        ...     preprocessing=Preprocessing(size=32),
        ... )
        >>> result = cross_validate(config, ["a", "b"], "run", folds=2, progress=False)
        >>> sorted(result.folds)
        [('a',), ('b',)]
        >>> result.by_fold()["patients"].tolist()
        [1, 1]
    """
    if config.start:
        msg = wrong("start", "empty: weights to start from may have seen the patients that judge", repr(config.start))
        raise ValueError(msg)
    if config.keep_best:
        msg = wrong("keep_best", "false: nothing is chosen on the patients that judge", "true")
        raise ValueError(msg)
    out = Path(out)
    given = [studies] if isinstance(studies, Dataset) else list(studies)
    sources = Sources.of(given)
    datasets = [each for each in given if isinstance(each, Dataset)]
    whole = datasets[0] if len(given) == len(datasets) == 1 else None
    if institutions is None:
        known = {name: place for dataset in datasets for name, place in dataset.institutions.items()}
        institutions = dict.fromkeys(sources.places, _OTHERS if known else NOT_GIVEN) | known
    groups = institutions
    if stratify is not None:
        stated = {name: value for dataset in datasets for name, value in dataset.groups(stratify).items()}
        groups = dict.fromkeys(sources.places, _OTHERS) | stated
    state = State(config.digest(), seed, folds_of_studies(sources.patients, groups, folds, seed=seed), sources)
    state.check(out)
    config.write(out / "config.toml", overwrite=True)
    state.write(out)
    console = Console(stderr=True, quiet=not progress)
    for number, fold in enumerate(state.folds, 1):
        names = [name for name in state.patients if name not in fold]
        people = {sources.patients[name] for name in names}
        others = whole.subset(people) if whole else [sources.places[name] for name in names]
        lacking = [name for name in fold if not prediction_file(out, name).exists()]
        if lacking:
            counts = f"{len(people)} patients train, {len({sources.patients[name] for name in fold})} judge"
            console.print(f"fold {number} of {folds}: {counts}", highlight=False)
            run = out / f"fold_{number}"
            segmenter = train(
                config, others, (), run, cache=cache or out / "cache", strategy=strategy, progress=progress
            )
            for name in lacking:
                write_prediction(segmenter.predict(sources.study(name)), prediction_file(out, name))
    evaluation = score(stored_pairs(out, state), name=config.name, institutions=institutions)
    fold_of = {name: number for number, fold in enumerate(state.folds, 1) for name in fold}
    table = evaluation.table.assign(fold=evaluation.table["name"].map(fold_of))
    result = CrossValidation(out, state.folds, replace(evaluation, table=table))
    _write_results(result)
    return result


def _write_results(result: CrossValidation) -> None:
    """Write what is looked at; the evaluation comes last, as the sign that all is there."""
    write_disagreements(find_disagreements(result.pairs()), result.folder)
    write_evaluation(result.evaluation, result.folder, text=str(result), overwrite=True)
