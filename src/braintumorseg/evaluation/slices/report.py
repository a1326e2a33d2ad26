"""A detection as files: tables and one page."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from braintumorseg._core.draw import figure_uri
from braintumorseg._core.files import check_free
from braintumorseg._core.page import write_page
from braintumorseg._core.tables import write_table
from braintumorseg.evaluation.slices.classification import SliceClassification
from braintumorseg.evaluation.slices.pictures import plot_calibration, plot_confusion, plot_curves_of

PAGE = "detection.html"
SLICE_CLASSIFICATION_FILES = (PAGE, "slices.csv", "patients.csv")


def write_slice_classification(
    detection: SliceClassification, folder: str | PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a detection: ROC, precision and recall, calibration and confusion on one page, and its tables.

    Args:
        detection: What ``classify_slices`` returned, of slices of both kinds.
        folder: Gets ``detection.html``, ``slices.csv``, whose ``slice_number`` counts from 1, and ``patients.csv``; made if
            need be.
        overwrite: Whether files there may be replaced.

    Returns:
        Where the page is; it needs no other file.

    Raises:
        DataError: If a file exists and may not be replaced, or can't be written.
        ValueError: If all slices are of one kind.

    Examples:
        >>> from braintumorseg import make_study
        >>> from braintumorseg.evaluation import classify_slices, write_slice_classification
        >>> study = make_study(seed=0, shape=(8, 64, 64))
        >>> write_slice_classification(classify_slices([(study, study.mask.sum(axis=(1, 2)))]), "detected").name
        'detection.html'
    """
    folder = Path(folder)
    for name in SLICE_CLASSIFICATION_FILES:
        check_free(folder / name, overwrite=overwrite)
    pictures = [
        (
            "At every threshold",
            plot_curves_of(detection),
            "ROC curve, and precision over recall, with the threshold marked",
        ),
        ("At the threshold", plot_confusion(detection), "Slices by truth and by what was found"),
    ]
    if detection.table["score"].between(0, 1).all():
        alt = "Share of slices with tumour over the score"
        pictures.append(("Are scores probabilities?", plot_calibration(detection), alt))
    slices = detection.table.assign(slice=detection.table["slice"] + 1).rename(columns={"slice": "slice_number"})
    write_table(slices, folder / "slices.csv", overwrite=overwrite)
    write_table(detection.patients.reset_index(), folder / "patients.csv", overwrite=overwrite)
    return write_page(
        folder / PAGE,
        "evaluation/slices/detection.html",
        overwrite=overwrite,
        summary=str(detection).splitlines(),
        pictures=[(title, figure_uri(figure), alt) for title, figure, alt in pictures],
    )
