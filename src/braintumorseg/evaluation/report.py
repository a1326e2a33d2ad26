"""An evaluation as files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from braintumorseg._core.draw import save_figure
from braintumorseg._core.files import check_free, replacing
from braintumorseg.evaluation.pictures import plot_dice
from braintumorseg.evaluation.table import Evaluation

EVALUATION_FILE = "evaluation.json"
EVALUATION_FILES = ("dice.png", "summary.txt", "patients.csv", EVALUATION_FILE)


def write_evaluation(
    evaluation: Evaluation, folder: str | PathLike[str], *, text: str | None = None, overwrite: bool = False
) -> Path:
    """Write an evaluation as a person and a program read it.

    ``patients.csv`` has one row a patient, ``summary.txt`` the scores by every convention and group, ``dice.png`` the Dice
    of each patient, sorted, and ``evaluation.json``, which comes last, everything.

    Args:
        evaluation: The evaluation.
        folder: Where to; made if need be.
        text: What ``summary.txt`` holds; ``str(evaluation)`` if not given.
        overwrite: Whether files there may be replaced.

    Returns:
        The folder.

    Raises:
        DataError: If a file exists and may not be replaced, or can't be written.

    Examples:
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.evaluation import score, write_evaluation
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> folder = write_evaluation(score([(study, Segmentation(study.mask))]), "results")
        >>> sorted(path.name for path in folder.iterdir())
        ['dice.png', 'evaluation.json', 'patients.csv', 'summary.txt']
    """
    folder = Path(folder)
    for name in EVALUATION_FILES:
        check_free(folder / name, overwrite=overwrite)
    save_figure(plot_dice(evaluation), folder / "dice.png", overwrite=overwrite)
    with replacing(folder / "summary.txt", overwrite=overwrite) as beside:
        beside.write_text(f"{evaluation if text is None else text}\n", encoding="utf-8")
    evaluation.to_csv(folder / "patients.csv", overwrite=overwrite)
    evaluation.to_json(folder / EVALUATION_FILE, overwrite=overwrite)
    return folder
