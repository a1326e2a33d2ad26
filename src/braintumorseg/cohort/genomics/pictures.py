"""Figures of an association. Colours are safe for colour-blind readers (Okabe and Ito)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from braintumorseg._core.checks import check_in, check_range
from braintumorseg._core.draw import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from braintumorseg.cohort.genomics.association import CLUSTERINGS, Association

_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_NAMES = {
    "bevr": "bounding ellipsoid volume ratio",
    "bear": "bounding ellipse area ratio",
}


def name_of(column: str) -> str:
    """Return how a feature or clustering is called in figures."""
    return CLUSTERINGS.get(column, _NAMES.get(column, column.replace("_", " ")))


def plot_volcano(association: Association, *, level: float = 0.05) -> Figure:
    """Draw how sure each association is over how strong it is.

    Args:
        association: What ``associate`` returned.
        level: Of the line: tests above it are below this level after Bonferroni.

    Returns:
        A matplotlib figure, independent of pyplot: minus the decimal logarithm of Fisher's p over Cramér's V.

    Examples:
        >>> import pandas as pd
        >>> from braintumorseg.cohort import associate, plot_volcano
        >>> features = pd.DataFrame({"bevr": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]})
        >>> clusters = pd.DataFrame({"RNASeqCluster": [1, 1, 1, 2, 2, 2]})
        >>> figure = plot_volcano(associate(features, clusters))
    """
    check_range("level", level, 0, 1, low_open=True, high_open=True)
    tests = association.table.dropna(subset="p_value")
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    axes = figure.subplots()
    told = len(association.features) <= len(_MARKERS)
    for place, clustering in enumerate(association.clusterings):
        for number, feature in enumerate(association.features):
            rows = tests[(tests["clustering"] == clustering) & (tests["feature"] == feature)]
            marker = _MARKERS[number] if told else "o"
            colour = _COLOURS[place % len(_COLOURS)]
            axes.scatter(rows["cramers_v"], -np.log10(rows["p_value"]), color=colour, marker=marker, clip_on=False)
    if len(tests):
        line = -np.log10(level / len(tests))
        axes.axhline(line, color="#000000", linestyle="--", linewidth=1)
        axes.text(0.005, line, f" {level:g} over {len(tests)} tests", fontsize=8, va="bottom")
        axes.axhline(-np.log10(level), color="#888888", linestyle=":", linewidth=1)
        axes.text(0.005, -np.log10(level), f" {level:g}", fontsize=8, va="bottom", color="#555555")
    axes.set_xlim(left=0, right=max(0.5, 1.15 * float(tests["cramers_v"].max()) if len(tests) else 0))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("strength: Cramér's V, 0 to 1")
    axes.set_ylabel("-log10 of Fisher's p")
    axes.set_title(f"Shape and clusters, {len(association.data)} patients")
    axes.spines[["top", "right"]].set_visible(False)
    marks = [
        Line2D([], [], color=_COLOURS[place % len(_COLOURS)], marker="o", linestyle="", label=name_of(clustering))
        for place, clustering in enumerate(association.clusterings)
    ]
    if told:
        marks += [
            Line2D([], [], color="#777777", marker=marker, linestyle="", label=name_of(feature))
            for marker, feature in zip(_MARKERS, association.features, strict=False)
        ]
    figure.legend(handles=marks, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def plot_heat_map(association: Association) -> Figure:
    """Draw Fisher's p of every feature with every clustering.

    Args:
        association: What ``associate`` returned.

    Returns:
        A matplotlib figure, independent of pyplot: darker is less probable by chance; two stars are below 0.05 after
        Bonferroni, one is below 0.05 after Benjamini and Hochberg.

    Examples:
        >>> import pandas as pd
        >>> from braintumorseg.cohort import associate, plot_heat_map
        >>> features = pd.DataFrame({"bevr": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]})
        >>> clusters = pd.DataFrame({"RNASeqCluster": [1, 1, 1, 2, 2, 2]})
        >>> figure = plot_heat_map(associate(features, clusters))
    """
    rows, columns = association.features, association.clusterings
    tests = {(row["feature"], row["clustering"]): row for row in association.table.to_dict("records")}
    shown = np.array(
        [[tests[feature, clustering]["p_value"] for clustering in columns] for feature in rows], np.float64
    )
    figure = Figure(figsize=(2.8 + 1.05 * len(columns), 1.9 + 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(-np.log10(shown), cmap="Blues", vmin=0, vmax=4, aspect="auto")
    for place, feature in enumerate(rows):
        for across, clustering in enumerate(columns):
            test = tests[feature, clustering]
            stars = "**" if test["p_bonferroni"] < 0.05 else "*" if test["p_benjamini_hochberg"] < 0.05 else ""
            text = "none" if np.isnan(test["p_value"]) else f"{test['p_value']:.2g}{stars}"
            colour = "white" if shown[place, across] < 10**-2.4 else "black"
            axes.text(across, place, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(columns)), [name_of(each) for each in columns], rotation=30, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), [name_of(each) for each in rows], fontsize=8)
    axes.set_title("Fisher's p; * 0.05 by Benjamini-Hochberg, ** by Bonferroni", fontsize=9)
    figure.colorbar(image, ax=axes, label="-log10 p", extend="max")
    return figure


def plot_clusters(association: Association, feature: str, clustering: str) -> Figure:
    """Draw a feature's values in each cluster.

    Args:
        association: What ``associate`` returned.
        feature: One of its features.
        clustering: One of its clusterings.

    Returns:
        A matplotlib figure, independent of pyplot: every patient, and the quartiles of each cluster.

    Raises:
        ValueError: If the association has no such feature or clustering.

    Examples:
        >>> import pandas as pd
        >>> from braintumorseg.cohort import associate, plot_clusters
        >>> features = pd.DataFrame({"bevr": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8]})
        >>> clusters = pd.DataFrame({"RNASeqCluster": [1, 1, 1, 2, 2, 2]})
        >>> figure = plot_clusters(associate(features, clusters), "bevr", "RNASeqCluster")
    """
    check_in("feature", feature, association.features)
    check_in("clustering", clustering, association.clusterings)
    known = association.data[[feature, clustering]].dropna()
    groups = {label: rows[feature].to_numpy() for label, rows in known.groupby(clustering)}
    figure = Figure(figsize=(2.4 + 0.9 * max(len(groups), 1), 4), layout="constrained")
    axes = figure.subplots()
    random = np.random.default_rng(0)
    for place, values in enumerate(groups.values()):
        across = place + random.uniform(-0.18, 0.18, len(values))
        axes.scatter(across, values, color=_COLOURS[place % len(_COLOURS)], s=14, alpha=0.8)
    boxes = {"color": "#000000", "linewidth": 1}
    axes.boxplot(
        list(groups.values()),
        positions=range(len(groups)),
        widths=0.6,
        showfliers=False,
        boxprops=boxes,
        medianprops=boxes,
    )
    labels = [f"{_label(label)}\n{len(rows)} patients" for label, rows in groups.items()]
    axes.set_xticks(range(len(groups)), labels, fontsize=8)
    axes.set_xlabel(f"{name_of(clustering)} cluster")
    axes.set_ylabel(name_of(feature))
    axes.set_title(f"{len(association.data) - len(known)} of {len(association.data)} patients not known", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label(cluster: Any) -> str:
    """Return a cluster's label; numbers that came with missing ones are floats."""
    return f"{cluster:g}" if isinstance(cluster, float) else str(cluster)
