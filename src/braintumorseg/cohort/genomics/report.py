"""An association as files: tables, figures, and one page."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import pandas as pd

from braintumorseg._core.draw import figure_uri, save_figure
from braintumorseg._core.files import check_free
from braintumorseg._core.page import write_page
from braintumorseg._core.tables import write_table
from braintumorseg.cohort.genomics.association import Association
from braintumorseg.cohort.genomics.pictures import name_of, plot_clusters, plot_heat_map, plot_volcano
from braintumorseg.cohort.genomics.published import compare_with_published

PAGE = "association.html"
PICTURES = ("volcano.png", "heat_map.png", "clusters.png")
ASSOCIATION_FILES = (PAGE, *PICTURES, "patients.csv", "tests.csv", "counts.csv", "one_vs_rest.csv", "published.csv")


def write_association(
    association: Association,
    folder: str | PathLike[str],
    *,
    source: str = "the given masks",
    published: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write an association as a person and a program read it.

    Args:
        association: What ``associate`` returned.
        folder: Gets ``association.html``, one page that needs no other file; ``patients.csv``, ``tests.csv``,
            ``counts.csv`` and ``one_vs_rest.csv``, one row an observation; ``volcano.png``, ``heat_map.png`` and
            ``clusters.png``; made if need be.
        source: What the page says the features were measured on.
        published: Whether to compare with the published findings, also as ``published.csv``.
        overwrite: Whether files there may be replaced.

    Returns:
        Where the page is.

    Raises:
        DataError: If a file exists and may not be replaced, or can't be written.

    Examples:
        >>> import pandas as pd
        >>> from braintumorseg.cohort import associate, write_association
        >>> features = pd.DataFrame({"bevr": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]})
        >>> clusters = pd.DataFrame({"RNASeqCluster": [1, 1, 1, 2, 2, 2]})
        >>> write_association(associate(features, clusters), "results").name
        'association.html'
    """
    folder = Path(folder)
    for name in ASSOCIATION_FILES:
        check_free(folder / name, overwrite=overwrite)
    compared = compare_with_published(association) if published else None
    frames = {
        "patients.csv": association.data.rename_axis("name").reset_index(),
        "tests.csv": association.table,
        "counts.csv": association.counts,
        "one_vs_rest.csv": association.one_vs_rest,
        **({} if compared is None else {"published.csv": compared}),
    }
    for name, frame in frames.items():
        write_table(frame, folder / name, overwrite=overwrite)
    best = association.table.sort_values("p_value", kind="stable").iloc[0]
    figures = (
        plot_volcano(association),
        plot_heat_map(association),
        plot_clusters(association, best["feature"], best["clustering"]),
    )
    for name, figure in zip(PICTURES, figures, strict=True):
        save_figure(figure, folder / name, overwrite=overwrite)
    alts = (
        "Minus the decimal logarithm of Fisher's p over Cramér's V, one point a test",
        "Fisher's p of each feature with each clustering",
        f"{name_of(best['feature'])} in each {name_of(best['clustering'])} cluster",
    )
    titles = ("How sure, and how strong", "All tests", "The surest association")
    return write_page(
        folder / PAGE,
        "cohort/genomics/association.html",
        overwrite=overwrite,
        source=source,
        patients=len(association.data),
        bins=association.options["bins"],
        compared=None if compared is None or compared.empty else _rows(compared),
        pictures=[(title, figure_uri(figure), alt) for title, figure, alt in zip(titles, figures, alts, strict=True)],
        missing=_missing(association),
        tests=_rows(_readable(association)),
    )


def _rows(frame: pd.DataFrame) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return the columns' titles and the rows of a table."""
    return [str(column) for column in frame], list(frame.itertuples(index=False, name=None))


def _missing(association: Association) -> list[str]:
    """Say of each feature and clustering how many patients have no value."""
    total = len(association.data)
    lines = [
        f"{name_of(column)}: {int(association.data[column].isna().sum())} of {total} patients have no value"
        for column in (*association.features, *association.clusterings)
        if association.data[column].isna().any()
    ]
    return lines or [f"Nobody: all {total} patients have every feature and cluster."]


def _readable(association: Association) -> pd.DataFrame:
    tests = association.table.sort_values("p_value", kind="stable")
    return pd.DataFrame(
        {
            "feature": [name_of(each) for each in tests["feature"]],
            "clustering": [name_of(each) for each in tests["clustering"]],
            "patients": tests["patients"],
            "missing": tests["missing"],
            "test": tests["test"],
            "p": [f"{each:.2g}" for each in tests["p_value"]],
            "Bonferroni": [f"{each:.2g}" for each in tests["p_bonferroni"]],
            "Benjamini-Hochberg": [f"{each:.2g}" for each in tests["p_benjamini_hochberg"]],
            "by ranks, permuted": [f"{each:.2g}" for each in tests["p_permutation"]],
            "Cramér's V (95 %)": [
                f"{row['cramers_v']:.2f} ({row['v_low']:.2f} to {row['v_high']:.2f})"
                for row in tests.to_dict("records")
            ],
        }
    )
