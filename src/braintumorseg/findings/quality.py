"""How far to trust a segmentation whose truth nobody knows: a score that ranks studies by it, and flags that say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._core.checks import wrong
from braintumorseg.study import SEQUENCES, Segmentation, Study

_TOUCHING = np.ones((3, 3, 3), bool)

# Of the drawn masks of the 77 train patients of the LGG dataset, three are in two pieces, none in more, and one reaches the
# border. The least agreement was chosen on the 13 val patients: below it lie four of the five of the lowest Dice.
_MOST_COMPONENTS = 2
_LEAST_AGREEMENT = 0.95
_LESS_PER_FLAG = 0.95


@dataclass(frozen=True)
class QualityFlag:
    """One reason to look twice.

    Attributes:
        name: ``"nothing-found"``, ``"border"``, ``"components"``, ``"agreement"``, ``"missing"``, or the kind of one of the
            segmentation's doubts, such as ``"unlike-training"``: see ``judge``.
        text: What it is, in words, with the figure and the threshold.
    """

    name: str
    text: str


@dataclass(frozen=True)
class Quality:
    """How far to trust one segmentation.

    Attributes:
        score: 0 to 1, for ranking studies: the higher, the higher the Dice to be expected. It is no Dice itself, and scores
            of different presets, or with and without variants, are not to be compared.
        level: ``"check"`` where there is a flag, else ``"good"``.
        flags: Reasons to look twice.
        agreement: Mean Dice of the variants' masks with the mask; ``None`` where no variants were predicted.
        certainty: Dice that the mask would have if the model's probabilities were true; ``None`` where there are none.
        distance: How far the study lies from those that the model was trained on, see ``Reference.distance``; ``None`` where
            nobody measured them.
        components: How many pieces the mask has.
        touches_border: Whether the mask reaches the first or last slice, or the edge of the images.
    """

    score: float
    level: Literal["good", "check"]
    flags: tuple[QualityFlag, ...]
    agreement: float | None
    certainty: float | None
    distance: float | None
    components: int
    touches_border: bool


def assess_quality(study: Study, segmentation: Segmentation) -> Quality:
    """Say how far to trust a segmentation, from what can be known without the truth.

    The score is the agreement of test-time variants (predict with ``uncertainty=True``); without variants it is the Dice that
    the mask would have if the model's probabilities were true, and 1 where there are no probabilities either. Each flag but
    the agreement's own takes a twentieth of it. Where nothing was found the score is 0.

    Args:
        study: The study.
        segmentation: What was found in it, on the same grid.

    Raises:
        ValueError: If the two are not on the same grid.

    Examples:
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.findings import assess_quality
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> [flag.name for flag in assess_quality(study, Segmentation(study.mask & False)).flags]
        ['nothing-found']
    """
    if study.shape != segmentation.shape:
        msg = wrong("segmentation", f"on the study's grid {study.shape}", f"one of shape {segmentation.shape}")
        raise ValueError(msg)
    mask = segmentation.mask
    components = int(ndimage.label(mask, _TOUCHING)[1])
    touches = any(mask.take(end, axis).any() for axis in range(3) for end in (0, -1) if mask.shape[axis] > 1)
    agreement = float(np.mean(list(segmentation.agreement.values()))) if segmentation.agreement else None
    certainty = None if segmentation.probabilities is None else _expected_dice(mask, segmentation.probabilities)
    flags = [QualityFlag(name, text) for name, text in segmentation.doubts.items()]
    if not components:
        flags.append(QualityFlag("nothing-found", "nothing was found"))
    if touches:
        flags.append(QualityFlag("border", "the tumour reaches the border of the volume, and may go on beyond it"))
    if components > _MOST_COMPONENTS:
        text = f"the tumour is in {components} pieces (flagged above {_MOST_COMPONENTS})"
        flags.append(QualityFlag("components", text))
    missing = [name for name in SEQUENCES if name not in _imaged(study)]
    if missing:
        flags.append(QualityFlag("missing", f"{' and '.join(missing)} missing: filled with a copy of flair"))
    score = 1.0 if certainty is None else certainty
    score = (score if agreement is None else agreement) * _LESS_PER_FLAG ** len(flags) if components else 0.0
    if agreement is not None and agreement < _LEAST_AGREEMENT:
        by = f"a mean Dice of {agreement:.3f} only (flagged below {_LEAST_AGREEMENT:g})"
        flags.append(QualityFlag("agreement", f"variants of the study agree with the mask by {by}"))
    return Quality(
        score=score,
        level="check" if flags else "good",
        flags=tuple(flags),
        agreement=agreement,
        certainty=certainty,
        distance=(segmentation.evidence or {}).get("distance"),
        components=components,
        touches_border=touches,
    )


def _expected_dice(mask: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> float:
    """Return the Dice of a mask with a truth that has each voxel with its probability (ratio of expectations)."""
    both = float(mask.sum()) + float(probabilities.sum(dtype=np.float64))
    return 2 * float(probabilities[mask].sum(dtype=np.float64)) / both if both else 1.0


def _imaged(study: Study) -> tuple[str, ...]:
    """Name the sequences that a study has; the LGG dataset holds copies of the FLAIR in the place of those it lacks."""
    if "flair" not in study.sequences:
        return tuple(name for name in SEQUENCES if name in study.sequences)
    flair = study.sequence("flair")
    others = (name for name in study.sequences if name != "flair" and not np.array_equal(study.sequence(name), flair))
    present = {"flair", *others}
    return tuple(name for name in SEQUENCES if name in present)
