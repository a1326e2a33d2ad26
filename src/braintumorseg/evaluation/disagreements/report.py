"""Disagreements as files: a table, and one page that holds their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from braintumorseg._core.draw import figure_uri
from braintumorseg._core.page import write_page
from braintumorseg._core.tables import write_table
from braintumorseg.evaluation.disagreements.finding import Disagreement

PAGE, TABLE = "disagreements.html", "disagreements.csv"


def write_disagreements(disagreements: Sequence[Disagreement], folder: str | PathLike[str]) -> Path:
    """Write the slices as a table and as one page that holds their pictures.

    Args:
        disagreements: The result of ``find_disagreements``.
        folder: Gets ``disagreements.html`` and ``disagreements.csv``, one row per slice; older ones are replaced. Both count
            slices from 1: in the table, as ``slice_number``.

    Returns:
        Where the page is; a single file, which needs no other.

    Raises:
        DataError: If they can't be written.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.evaluation import find_disagreements, write_disagreements
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> everything = np.ones(study.shape)
        >>> pairs = [(study, Segmentation(everything > 0, probabilities=everything))]
        >>> write_disagreements(find_disagreements(pairs), "doubtful").name
        'disagreements.html'
    """
    folder = Path(folder)
    rows = [
        (each.name, each.slice + 1, each.slice_name, each.voxels, each.unmarked, each.unconfirmed)
        for each in disagreements
    ]
    columns = ["name", "slice_number", "slice_name", "voxels", "unmarked", "unconfirmed"]
    write_table(pd.DataFrame(rows, columns=columns), folder / TABLE, overwrite=True)
    pictures = [figure_uri(each.plot(), dpi=100) for each in disagreements]
    template = "evaluation/disagreements/disagreements.html"
    return write_page(folder / PAGE, template, overwrite=True, shown=list(zip(disagreements, pictures, strict=True)))
