"""Figures of a dataset. Colours are safe for colour-blind readers (Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from braintumorseg._core.draw import BLUE, GREEN, ORANGE, PURPLE, TRUTH_COLOUR, Panel, montage
from braintumorseg.cohort.exploration.explore import Example, Exploration
from braintumorseg.cohort.genomics.association import CLUSTERINGS
from braintumorseg.study import SEQUENCES

_BAR, _SECOND = BLUE, ORANGE
_WIDTH = 8.0


def figures_of(exploration: Exploration) -> dict[str, Figure]:
    """Return every figure by its title, in the order of the page."""
    made = {
        "Studies, and their masks": _examples(exploration.examples),
        "Slices without tumour": _examples(exploration.without) if exploration.without else None,
        "Where tumours lie": _positions(exploration),
        "How large they are": _sizes(exploration),
        "Slices of each patient": _slices(exploration),
        "Institutions, and what was not taken": _institutions(exploration),
        "The clinical table": _clinical(exploration.clinical),
        "Clusters with histology, grade, laterality": _associations(exploration.associations),
    }
    return {title: figure for title, figure in made.items() if figure is not None}


def _examples(examples: Sequence[Example]) -> Figure:
    """Draw three sequences per slice, the mask outlined on each; two slices in a row."""
    panels = []
    for example in examples:
        for channel, name in enumerate(SEQUENCES):
            first = f"{'_'.join(example.name.split('_')[:3])}, slice {example.slice + 1}"
            title = first if channel == 0 else name
            panels.append(Panel(example.image[..., channel], (0, 1), [(example.mask, TRUTH_COLOUR)], title))
    columns = 2 * len(SEQUENCES)
    return montage(panels, columns=columns, side=_WIDTH / columns, font=6)


def _positions(exploration: Exploration) -> Figure:
    """Draw in how many patients there is tumour, seen from above, from the front and from the side."""
    figure = Figure(figsize=(_WIDTH, 3.4), layout="constrained")
    views = (
        ("from above", 0, "row", "column"),
        ("from the front", 1, "level", "column"),
        ("from the side", 2, "level", "row"),
    )
    highest = max(int(exploration.heat.max(axis=axis).max()) for _, axis, _, _ in views)
    image: AxesImage | None = None
    for axes, (title, axis, vertical, horizontal) in zip(figure.subplots(1, 3), views, strict=True):
        heat, head = exploration.heat.max(axis=axis), exploration.head.mean(axis=axis)
        if axis:
            heat, head = heat[::-1], head[::-1]
        aspect = 1.0 if axis == 0 else heat.shape[1] / heat.shape[0] * 0.75
        axes.imshow(head, cmap="gray", aspect=aspect)
        image = axes.imshow(
            np.ma.masked_equal(heat, 0), cmap="viridis", vmin=0, vmax=max(highest, 1), alpha=0.75, aspect=aspect
        )
        axes.set_title(title, fontsize=9)
        axes.set_xlabel(f"{horizontal} of the cropped head", fontsize=8)
        axes.set_ylabel(
            "slice, first to last" if vertical == "level" else f"{vertical} of the cropped head", fontsize=8
        )
        axes.set_xticks([])
        axes.set_yticks([])
    assert image is not None
    figure.colorbar(image, ax=figure.axes, label="patients with tumour there", shrink=0.8)
    return figure


def _sizes(exploration: Exploration) -> Figure:
    figure = Figure(figsize=(_WIDTH, 3), layout="constrained")
    first, second = figure.subplots(1, 2)
    _histogram(first, exploration.table["tumour_voxels"].to_numpy() / 1000, "tumour, thousands of voxels", "patients")
    _histogram(second, exploration.slice_voxels, "tumour in a slice, voxels", "slices with tumour")
    return figure


def _histogram(axes: Axes, values: NDArray[Any], label: str, counted: str) -> None:
    axes.hist(values, bins=20, color=_BAR)
    axes.set_xlabel(label)
    axes.set_ylabel(counted)
    axes.spines[["top", "right"]].set_visible(False)


def _slices(exploration: Exploration) -> Figure:
    table = exploration.table.sort_values("slices")
    places = np.arange(len(table))
    figure = Figure(figsize=(_WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    axes.bar(places, table["slices"], width=1, color="#BBBBBB", label="all slices")
    axes.bar(places, table["tumour_slices"], width=1, color=_BAR, label="slices with tumour")
    axes.set_xlabel(f"{len(table)} patients, sorted")
    axes.set_ylabel("slices")
    axes.set_xticks([])
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _institutions(exploration: Exploration) -> Figure:
    table = exploration.table
    absent = table["absent"].replace("", "none")
    counts = pd.crosstab(table["institution"], absent)
    counts = counts[counts.sum().sort_values(ascending=False).index]
    figure = Figure(figsize=(_WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    below = np.zeros(len(counts))
    for column, colour in zip(counts, ("#BBBBBB", _SECOND, _BAR, GREEN, PURPLE), strict=False):
        axes.bar(counts.index, counts[column], bottom=below, color=colour, label=str(column))
        below += counts[column].to_numpy()
    axes.set_xlabel("institution")
    axes.set_ylabel("patients")
    axes.legend(title="sequences absent", frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _clinical(clinical: pd.DataFrame) -> Figure | None:
    """Draw how often each value occurs, missing ones too."""
    columns = list(clinical.columns)
    if not columns:
        return None
    across = 4
    rows = -(-len(columns) // across)
    figure = Figure(figsize=(_WIDTH, 1.6 * rows), layout="constrained")
    grid = figure.subplots(rows, across, squeeze=False)
    for axes in grid.flat[len(columns) :]:
        axes.set_axis_off()
    for axes, column in zip(grid.flat, columns, strict=False):
        values, missing = clinical[column].dropna(), int(clinical[column].isna().sum())
        if values.nunique() > 12:
            axes.hist(values, bins=12, color=_BAR)
        else:
            counts = values.value_counts().sort_index()
            axes.bar(
                [f"{value:g}" if isinstance(value, float) else str(value) for value in counts.index], counts, color=_BAR
            )
        name = CLUSTERINGS.get(column, column.replace("_", " "))
        axes.set_title(f"{name}\n{missing} missing", fontsize=7)
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supylabel("patients", fontsize=8)
    figure.supxlabel("code in the table (age: years)", fontsize=8)
    return figure


def _associations(associations: pd.DataFrame) -> Figure | None:
    """Draw how strongly clusters go with what a clinician sees."""
    if associations.empty:
        return None
    rows, columns = associations["clinical"].unique().tolist(), associations["clustering"].unique().tolist()
    found = {(each["clinical"], each["clustering"]): each for each in associations.to_dict("records")}
    strength = np.array([[found[row, column]["cramers_v"] for column in columns] for row in rows], np.float64)
    figure = Figure(figsize=(_WIDTH, 1.2 + 0.6 * len(rows)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(strength, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for place, row in enumerate(rows):
        for across, column in enumerate(columns):
            value = strength[place, across]
            text = f"{value:.2f}\np {found[row, column]['p_value']:.1g}"
            colour = "white" if value > 0.6 else "black"
            axes.text(across, place, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(columns)), [CLUSTERINGS[each] for each in columns], fontsize=7, rotation=20)
    axes.set_yticks(range(len(rows)), [each.replace("_", " ") for each in rows], fontsize=7)
    figure.colorbar(image, ax=axes, label="Cramér's V")
    return figure
