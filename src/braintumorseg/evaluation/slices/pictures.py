"""Figures of a detection. Colours are safe for colour-blind readers (Okabe and Ito)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from braintumorseg._core.draw import BLUE, VERMILLION
from braintumorseg.evaluation.slices.classification import SliceClassification
from braintumorseg.evaluation.slices.curves import Curves, calibration

_LINE, _MARK = BLUE, VERMILLION


def plot_curves_of(detection: SliceClassification) -> Figure:
    """Draw the ROC curve, and precision over recall, with a mark at the threshold."""
    curves = Curves.of(detection.table["score"], detection.table["truth"])
    at = int((curves.thresholds >= detection.threshold).sum()) - 1
    figure = Figure(figsize=(8, 4), layout="constrained")
    first, second = figure.subplots(1, 2)
    first.plot(curves.false_alarms, curves.sensitivity, color=_LINE)
    first.plot([0, 1], [0, 1], color="#999999", linestyle=":", linewidth=1)
    first.plot(
        curves.false_alarms[at], curves.sensitivity[at], "o", color=_MARK, label=f"threshold {detection.threshold:.3g}"
    )
    first.set_xlabel("share of slices without tumour called positive")
    first.set_ylabel("share of slices with tumour found")
    first.set_title(f"ROC, area {detection.auc:.3f}")
    second.step(curves.sensitivity, curves.precision, where="post", color=_LINE)
    second.plot(curves.sensitivity[at], curves.precision[at], "o", color=_MARK)
    second.axhline(float(detection.table["truth"].mean()), color="#999999", linestyle=":", linewidth=1)
    second.set_xlabel("recall")
    second.set_ylabel("precision")
    second.set_title(f"precision and recall, average {detection.average_precision:.3f}")
    for axes in (first, second):
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_aspect("equal")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", frameon=False)
    return figure


def plot_calibration(detection: SliceClassification) -> Figure:
    """Draw how often there is tumour where the score says how probable it is; for scores from 0 to 1."""
    means, shares, counts = calibration(detection.table["score"], detection.table["truth"])
    figure = Figure(figsize=(4.4, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linestyle=":", linewidth=1)
    axes.plot(means, shares, color=_LINE, marker="o")
    for mean, share, count in zip(means, shares, counts, strict=True):
        axes.annotate(str(count), (mean, share), (4, -10), textcoords="offset points", fontsize=7)
    axes.set_xlabel("score")
    axes.set_ylabel("share of slices with tumour")
    axes.set_title("calibration; numbers count slices", fontsize=10)
    axes.set_xlim(-0.02, 1.05)
    axes.set_ylim(-0.02, 1.05)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_confusion(detection: SliceClassification) -> Figure:
    """Draw how many slices of each kind are judged how."""
    counts = detection.confusion
    shares = counts.to_numpy() / np.maximum(counts.to_numpy().sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(2):
        for column in range(2):
            share = float(shares[row, column])
            text = f"{counts.to_numpy()[row, column]}\n{share:.1%}"
            axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.6 else "black")
    axes.set_xticks([0, 1], counts.columns.tolist())
    axes.set_yticks([0, 1], counts.index.tolist())
    axes.set_xlabel("found")
    axes.set_ylabel("truth")
    axes.set_title(f"slices; accuracy {detection.accuracy:.3f}", fontsize=10)
    return figure
