"""Pictures of a run: its curves, and the slices of the validation patients that the model does worst on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from braintumorseg._core.files import replacing
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.plots import FOUND_COLOUR, TRUTH_COLOUR, draw_outline
from braintumorseg.study import Segmentation, Study

_LOSS, _MEAN, _MEDIAN = "#0072B2", "#D55E00", "#000000"  # Okabe and Ito: safe for colour-blind readers


def plot_curves(log: pd.DataFrame, title: str) -> Figure:
    """Draw a run's loss and the Dice of its validation patients over the steps.

    Args:
        log: What a run writes as ``log.csv``: columns ``step``, ``loss``, ``learning_rate``, ``val_patient_dice``,
            ``val_patient_dice_median``, and one for each validation patient.
        title: The run's name.

    Returns:
        A matplotlib figure, independent of pyplot.

    Examples:
        >>> import pandas as pd
        >>> from braintumorseg.training import plot_curves
        >>> log = pd.DataFrame({"step": [100, 200], "loss": [0.9, 0.4], "val_patient_dice": [None, 0.7]})
        >>> figure = plot_curves(log, "unet")
    """
    validated = log.dropna(subset="val_patient_dice")
    figure = Figure(figsize=(7, 5 if len(validated) else 3), layout="constrained")
    panels = figure.subplots(2 if len(validated) else 1, 1, sharex=True, squeeze=False)[:, 0]
    panels[0].plot(log["step"], log["loss"], color=_LOSS)
    panels[0].set_ylabel("training loss,\nmean of a round")
    panels[0].set_ylim(bottom=0)
    if len(validated):
        patients = validated.columns[5:]
        for name in patients:
            panels[1].plot(validated["step"], validated[name], color="0.8", linewidth=0.8)
        panels[1].plot(validated["step"], validated["val_patient_dice"], "o-", color=_MEAN, markersize=3, label="mean")
        if "val_patient_dice_median" in validated:
            median = validated["val_patient_dice_median"]
            panels[1].plot(validated["step"], median, "--", color=_MEDIAN, label="median")
        panels[1].set_ylim(0, 1)
        panels[1].set_ylabel("Dice of validation patients,\nwhole volumes, every slice in")
        handles = [*panels[1].get_legend_handles_labels()[0], Line2D([], [], color="0.8", label="each patient")]
        panels[1].legend(handles=handles, frameon=False, loc="lower right")
    panels[-1].set_xlabel("step")
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return figure


def plot_worst_slices(segmenter: Segmenter, studies: Iterable[Study], *, count: int = 12) -> Figure:
    """Draw the slices on which prediction and truth differ by most voxels, at most two of a patient.

    Args:
        segmenter: The segmenter.
        studies: Studies with masks; one is in memory at a time where they come one by one.
        count: How many slices to show at most.

    Returns:
        A matplotlib figure, independent of pyplot.

    Examples:
        >>> from braintumorseg import load_pretrained, make_study
        >>> from braintumorseg.training import plot_worst_slices
        >>> figure = plot_worst_slices(load_pretrained("resunet-lgg"), [make_study(seed=0, shape=(4, 96, 96))])
    """
    found = []
    for study in studies:
        assert study.mask is not None
        segmentation: Segmentation = segmenter.predict(study)
        differing = np.count_nonzero(segmentation.mask != study.mask, axis=(1, 2))
        image = study.sequence("flair")
        bounds = tuple(np.percentile(image, (1, 99.7)))
        for index in np.argsort(-differing, kind="stable")[:2]:
            panel = image[index], bounds, study.mask[index], segmentation.mask[index]
            found.append((int(differing[index]), f"{study.name}\nslice {index + 1}: {differing[index]} voxels", panel))
    found = sorted(found, key=lambda each: -each[0])[:count]
    columns = min(4, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.9 * rows + 0.6), facecolor="black", layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, (_, title, (image, (low, high), truth, mask)) in zip(figure.axes, found, strict=False):
        axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
        draw_outline(axes, truth, TRUTH_COLOUR)
        draw_outline(axes, mask, FOUND_COLOUR)
        axes.set_title(title, color="white", fontsize=7)
    lines = [Line2D([], [], color=FOUND_COLOUR, label="found"), Line2D([], [], color=TRUTH_COLOUR, label="truth")]
    figure.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False, labelcolor="white", fontsize=8)
    figure.suptitle(f"{segmenter.name}: the slices that differ most", color="white", fontsize=10)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, in place of an older one."""
    with replacing(path, overwrite=True) as beside:
        figure.savefig(beside, dpi=120)
