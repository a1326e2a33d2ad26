"""Published results of others on the LGG dataset, to read the scores of cards beside; none was measured here."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One published result.

    Attributes:
        result: Whose, with which model.
        split: How the patients, or slices, were divided.
        dice: The numbers as published, on the scale from 0 to 1.
        convention: How they were counted, as far as the publication says.
    """

    result: str
    split: str
    dice: str
    convention: str


DATASET = "LGG dataset"
"""The data of a score that these may stand beside."""

PUBLISHED = (
    Published(
        "Buda et al. 2019, U-Net and skull stripping",
        "by patient, 22-fold cross-validation over 110 patients",
        "mean 0.836, median 0.873 (abstract: 0.82 and 0.85)",
        "over patients, whole volumes",
    ),
    Published(
        "brain-segmentation-pytorch, U-Net with batch normalisation",
        "by patient, 10 patients on whom the model was chosen",
        "mean 0.91, median 0.92",
        "over patients, whole volumes, the largest component alone",
    ),
    Published(
        "the same author's model on FLAIR alone",
        "by patient, 5 test patients",
        "mean 0.884",
        "over patients, whole volumes",
    ),
    Published(
        "the student project that this one grew from, ResUNet with focal Tversky loss",
        "slices at random, so that patients leak",
        "0.69; 0.81",
        "mean over all slices; over slices with tumour",
    ),
    Published("two expert raters against each other", "-", "0.84 ± 0.02", "as reported"),
)
