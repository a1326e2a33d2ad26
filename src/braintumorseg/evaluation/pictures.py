"""Pictures of an evaluation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from braintumorseg._core.draw import BLACK, SKY, VERMILLION
from braintumorseg.evaluation.table import Evaluation

_BAR, _MEAN, _MEDIAN = SKY, VERMILLION, BLACK


def plot_dice(evaluation: Evaluation) -> Figure:
    """Draw the Dice of each patient, sorted, with the lines of mean and median.

    Args:
        evaluation: What :func:`evaluate` returned.

    Returns:
        A matplotlib figure, independent of pyplot: ``figure.savefig("dice.png")``.

    Examples:
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.evaluation.pictures import plot_dice
        >>> from braintumorseg.evaluation.evaluate import score
        >>> studies = [make_study(seed=seed, shape=(8, 96, 96)) for seed in range(3)]
        >>> figure = plot_dice(score([(s, Segmentation(s.volume[..., 1] > 150)) for s in studies]))
    """
    values = evaluation.table.sort_values(["dice", "name"])
    mean, median = values["dice"].mean(), values["dice"].median()
    places = np.arange(len(values))
    figure = Figure(figsize=(7, min(max(0.22 * len(values) + 1.6, 2.5), 24)), layout="constrained")
    axes = figure.subplots()
    axes.barh(places, values["dice"], color=_BAR)
    axes.axvline(mean, color=_MEAN, label=f"mean {mean:.3f}")
    axes.axvline(median, color=_MEDIAN, linestyle="--", label=f"median {median:.3f}")
    axes.set_yticks(places, values["name"], fontsize=7)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(values) - 0.4)
    axes.set_xlabel("Dice of each patient, whole volume, every slice in")
    axes.set_title(f"{evaluation.label}: {len(values)} patients")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
