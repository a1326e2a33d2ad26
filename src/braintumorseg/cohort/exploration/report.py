"""An exploration as one page."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from braintumorseg._core.draw import figure_uri
from braintumorseg._core.files import check_free, replacing
from braintumorseg._core.page import write_page
from braintumorseg._core.tables import write_table
from braintumorseg.cohort.exploration.explore import Exploration
from braintumorseg.cohort.exploration.pictures import figures_of

PAGE, TABLE, LIST = "exploration.html", "patients.csv", "oddities.txt"
EXPLORATION_FILES = (PAGE, TABLE, LIST)


def write_exploration(exploration: Exploration, folder: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write what was seen of a dataset.

    Args:
        exploration: What ``explore`` returned.
        folder: Gets ``exploration.html``, one page with all pictures that needs no other file; ``patients.csv``, one row a
            patient; ``oddities.txt``, one line each; made if need be.
        overwrite: Whether files there may be replaced.

    Returns:
        Where the page is.

    Raises:
        DataError: If a file exists and may not be replaced, or can't be written.

    Examples:
        >>> from braintumorseg import LGGDataset
        >>> from braintumorseg.cohort import explore, write_exploration
        >>> page = write_exploration(explore(LGGDataset("kaggle_3m")), "seen")  # doctest: +SKIP
    """
    folder = Path(folder)
    for name in EXPLORATION_FILES:
        check_free(folder / name, overwrite=overwrite)
    write_table(exploration.table, folder / TABLE, overwrite=overwrite, index=True)
    with replacing(folder / LIST, overwrite=overwrite) as beside:
        beside.write_text("".join(f"{line}\n" for line in exploration.oddities), encoding="utf-8")
    return write_page(
        folder / PAGE,
        "cohort/exploration/exploration.html",
        overwrite=overwrite,
        summary=str(exploration).splitlines()[0],
        pictures={title: figure_uri(figure) for title, figure in figures_of(exploration).items()},
        oddities=exploration.oddities or ("None was found.",),
    )
