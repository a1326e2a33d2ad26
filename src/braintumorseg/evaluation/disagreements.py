"""Where a confident prediction and the mask disagree: slices whose labels are worth a second look."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError, check_integer, check_range, wrong
from braintumorseg._core.files import replacing
from braintumorseg.plots import FOUND_COLOUR, TRUTH_COLOUR, draw_outline
from braintumorseg.study import Segmentation, Study

PAGE, TABLE = "disagreements.html", "disagreements.csv"


@dataclass(frozen=True, eq=False)
class Disagreement:
    """One slice on which a confident prediction and the mask disagree.

    Attributes:
        name: The study's name.
        slice: Which slice of the study, from 0.
        slice_name: Name of the slice's file without suffix, or the study's name with the slice's number, from 1.
        confidence: From which probability on a prediction counted as confident.
        unmarked: Voxels outside the mask with a probability of at least ``confidence``.
        unconfirmed: Voxels of the mask with a probability of at most ``1 - confidence``.
        flair: Float32 array ``(height, width)``, the FLAIR as the study has it.
        bounds: The study's 1st and 99.7th percentile of the FLAIR, black and white of the picture.
        truth: Boolean array ``(height, width)``, the mask.
        found: Boolean array ``(height, width)``, the prediction.
        aspect: Height of a voxel by its width.
    """

    name: str
    slice: int
    slice_name: str
    confidence: float
    unmarked: int
    unconfirmed: int
    flair: NDArray[np.float32]
    bounds: tuple[float, float]
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]
    aspect: float = 1.0

    @property
    def voxels(self) -> int:
        """Voxels on which the two disagree: what slices are ranked by."""
        return self.unmarked + self.unconfirmed

    def plot(self) -> Figure:
        """Draw the FLAIR alone, and beside it with the outlines of the mask and of the prediction.

        Returns:
            A matplotlib figure, independent of pyplot.
        """
        height, width = self.flair.shape
        figure = Figure(figsize=(8, 4 * self.aspect * height / width + 0.4), facecolor="black", layout="constrained")
        low, high = self.bounds
        for axes in figure.subplots(1, 2):
            axes.imshow(self.flair, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=self.aspect)
            axes.set_axis_off()
        draw_outline(figure.axes[1], self.truth, TRUTH_COLOUR)
        draw_outline(figure.axes[1], self.found, FOUND_COLOUR)
        lines = [Line2D([], [], color=FOUND_COLOUR, label="found"), Line2D([], [], color=TRUTH_COLOUR, label="mask")]
        figure.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False, labelcolor="white", fontsize=8)
        return figure


def find_disagreements(
    pairs: Iterable[tuple[Study, Segmentation]], *, count: int = 20, per_patient: int = 2, confidence: float = 0.9
) -> list[Disagreement]:
    """Find the slices on which confident predictions and masks disagree by most voxels.

    A voxel counts where its probability is at least ``confidence`` outside the mask, or at most ``1 - confidence`` in it;
    what the model is unsure of does not. The more such voxels a slice has, the higher it stands. That is one of two things:
    a mistake of the model, or a doubtful label. A reader's eye decides; the number only says where to look first. The model
    must not have been trained on the masks, or it may have learnt their mistakes: take out-of-fold predictions.

    Neighbouring slices show the same lesion, so that one patient could fill the list; at most ``per_patient`` of each come
    in, those with most voxels.

    Args:
        pairs: Each study, with FLAIR and mask, and what was found in it, with probabilities, on the same grid; one pair is
            held at a time.
        count: How many slices at most. Slices without such a voxel are not listed.
        per_patient: How many of one study at most.
        confidence: From which probability on a prediction is confident; above 0.5.

    Returns:
        The slices, those with most voxels first; where equal, by name and number.

    Raises:
        DataError: If a study has no mask or no FLAIR, or a segmentation has no probabilities; the message names it.
        ValueError: If two of a pair are not on the same grid, or an argument is not as stated.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.evaluation import find_disagreements
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> nothing = np.zeros(study.shape)
        >>> found = Segmentation(nothing > 0, probabilities=nothing)
        >>> [first, second] = find_disagreements([(study, found)])
        >>> first.unmarked, first.unconfirmed, int(study.mask[first.slice].sum())
        (0, 422, 422)
    """
    check_integer("count", count, 1)
    check_integer("per_patient", per_patient, 1)
    check_range("confidence", confidence, 0.5, 1, low_open=True)
    kept: list[Disagreement] = []
    for study, segmentation in pairs:
        kept = sorted([*kept, *_worst(study, segmentation, per_patient, confidence)], key=_rank)[:count]
    return kept


def write_disagreements(disagreements: Sequence[Disagreement], folder: str | PathLike[str]) -> Path:
    """Write the slices as a table and as one page that holds their pictures.

    Args:
        disagreements: What ``find_disagreements`` found.
        folder: Gets ``disagreements.csv`` and ``disagreements.html``; older ones are replaced.

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
    columns = ("name", "slice", "slice_name", "voxels", "unmarked", "unconfirmed")
    table = pd.DataFrame([[getattr(each, key) for key in columns] for each in disagreements], columns=list(columns))
    with replacing(folder / TABLE, overwrite=True) as beside:
        table.to_csv(beside, index=False)
    with replacing(folder / PAGE, overwrite=True) as beside:
        beside.write_text(_page(disagreements), encoding="utf-8")
    return folder / PAGE


def _rank(each: Disagreement) -> tuple[int, str, int]:
    return (-each.voxels, each.name, each.slice)


def _worst(study: Study, segmentation: Segmentation, per_patient: int, confidence: float) -> list[Disagreement]:
    """Return the slices of one study that disagree most."""
    if study.mask is None or "flair" not in study.sequences:
        msg = f"{study.name}: has no {'mask' if study.mask is None else 'FLAIR'}; disagreements need both"
        raise DataError(msg)
    if segmentation.probabilities is None:
        msg = f"{study.name}: its segmentation has no probabilities; expected those of Segmenter.predict"
        raise DataError(msg)
    if study.shape != segmentation.shape:
        msg = wrong("pairs", f"on one grid, {study.name} on {study.shape}", f"a segmentation of {segmentation.shape}")
        raise ValueError(msg)
    tumour, none = segmentation.probabilities >= confidence, segmentation.probabilities <= 1 - confidence
    unmarked = np.count_nonzero(tumour & ~study.mask, axis=(1, 2))
    unconfirmed = np.count_nonzero(none & study.mask, axis=(1, 2))
    flair = study.sequence("flair")
    low, high = np.percentile(flair, (1, 99.7))
    _, row, column = study.spacing or (1.0, 1.0, 1.0)
    worst = np.argsort(-(unmarked + unconfirmed), kind="stable")[:per_patient]
    return [
        Disagreement(
            name=study.name,
            slice=int(index),
            slice_name=study.slice_names[index] if study.slice_names else f"{study.name}, slice {index + 1}",
            confidence=confidence,
            unmarked=int(unmarked[index]),
            unconfirmed=int(unconfirmed[index]),
            flair=flair[index].copy(),  # a view would hold the whole volume
            bounds=(float(low), float(high)),
            truth=study.mask[index].copy(),
            found=segmentation.mask[index].copy(),
            aspect=row / column,
        )
        for index in worst
        if unmarked[index] + unconfirmed[index]
    ]


def _page(disagreements: Sequence[Disagreement]) -> str:
    """Return the page, its pictures in it."""
    entries = "\n".join(_entry(place, each) for place, each in enumerate(disagreements, 1))
    return _PAGE.format(entries=entries or "<p>No slice has a voxel that counts.</p>")


def _entry(place: int, each: Disagreement) -> str:
    buffer = BytesIO()
    each.plot().savefig(buffer, format="png", dpi=100)
    counted = (
        f"{each.unmarked} voxels outside the mask with a probability of at least {each.confidence:g}, "
        f"{each.unconfirmed} voxels of the mask with one of at most {1 - each.confidence:g}"
    )
    alt = f"FLAIR of {each.slice_name}, alone and with the outlines of the mask and of the prediction"
    return (
        f"<section>\n<h2>{place}. {escape(each.slice_name)}</h2>\n<p>{counted}.</p>\n"
        f'<img src="data:image/png;base64,{b64encode(buffer.getvalue()).decode()}" alt="{escape(alt)}">\n</section>'
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doubtful labels</title>
<style>
body {{ font-family: system-ui, sans-serif; line-height: 1.5; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }}
h2 {{ font-size: 1.1rem; margin-bottom: 0; overflow-wrap: anywhere; }}
p {{ margin: 0.2rem 0 0.5rem; }}
img {{ max-width: 100%; height: auto; }}
</style>
</head>
<body>
<h1>Doubtful labels</h1>
<p>Slices on which a confident prediction and the mask disagree by most voxels, a few of each patient at most. Each is
either a mistake of the model or a doubtful label; the pictures are there to decide which. For research, not for diagnosis.</p>
{entries}
</body>
</html>
"""
