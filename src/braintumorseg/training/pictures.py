"""Pictures of a run: its curves, and the validation slices with the largest errors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from braintumorseg._core.draw import BLACK, BLUE, FOUND_COLOUR, TRUTH_COLOUR, VERMILLION, Panel, find_window, montage
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.study import Segmentation, Study
from braintumorseg.training.log import patient_columns

_LOSS, _MEAN, _MEDIAN = BLUE, VERMILLION, BLACK


def plot_curves(log: pd.DataFrame, title: str) -> Figure:
    """Draw a run's loss and the Dice of its validation patients over the steps.

    Args:
        log: The table in a run's ``log.csv``: ``step``, ``loss`` and ``val_patient_dice``; if there is one,
            ``val_patient_dice_median`` is drawn too. ``learning_rate`` is not drawn. Every other column is the Dice of one
            validation patient. Columns are found by name, in any order.
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
        patients = patient_columns(log)
        for name in patients:
            panels[1].plot(validated["step"], validated[name], color="0.8", linewidth=0.8)
        panels[1].plot(validated["step"], validated["val_patient_dice"], "o-", color=_MEAN, markersize=3, label="mean")
        if "val_patient_dice_median" in validated:
            median = validated["val_patient_dice_median"]
            panels[1].plot(validated["step"], median, "--", color=_MEDIAN, label="median")
        panels[1].set_ylim(0, 1)
        panels[1].set_ylabel("Dice of validation patients,\nwhole volumes, every slice in")
        handles = list(panels[1].get_legend_handles_labels()[0])
        if patients:
            handles.append(Line2D([], [], color="0.8", label="each patient"))
        panels[1].legend(handles=handles, frameon=False, loc="lower right")
    panels[-1].set_xlabel("step")
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return figure


def plot_worst_slices(segmenter: Segmenter, studies: Iterable[Study], *, count: int = 12) -> Figure:
    """Draw the slices on which prediction and truth differ by most voxels, at most two per patient.

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
        window = find_window(image)
        _, row, column = study.spacing or (1.0, 1.0, 1.0)
        for index in np.argsort(-differing, kind="stable")[:2]:
            outlines = ((study.mask[index], TRUTH_COLOUR), (segmentation.mask[index], FOUND_COLOUR))
            title = f"{study.name}\nslice {index + 1}: {differing[index]} voxels"
            panel = Panel(image[index].copy(), window, outlines, title, row / column)  # a view would hold the volume
            found.append((int(differing[index]), panel))
    found = sorted(found, key=lambda each: -each[0])[:count]
    key = {"found": FOUND_COLOUR, "truth": TRUTH_COLOUR}
    title = f"{segmenter.name}: the slices that differ most"
    return montage([panel for _, panel in found], side=2.6, key=key, title=title, font=7)
