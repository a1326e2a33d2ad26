"""How far to trust a segmentation whose truth nobody knows: a score that ranks studies by it, and flags that say why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._core.checks import DataError, wrong
from braintumorseg._core.files import replacing
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.study import SEQUENCES, Segmentation, Study

_REFERENCE_FILE = Path(__file__).with_name("quality_reference.json")
_TOUCHING = np.ones((3, 3, 3), bool)

# Of the drawn masks of the 77 train patients of the LGG dataset, three are in two pieces, none in more, and one reaches the
# border; of the patients themselves, each measured by the others, two lie farther away than _FAR. The least agreement was
# chosen on the 13 val patients: below it lie four of the five of the lowest Dice.
_MOST_COMPONENTS = 2
_LEAST_AGREEMENT = 0.95
_FAR = 2.0
_LESS_PER_FLAG = 0.95

_PERCENTILES = (5, 25, 75, 95, 99)
_HEAD = -1.6  # what is brighter than a fifth of the head's median, in the units of Preprocessing


@dataclass(frozen=True)
class QualityFlag:
    """One reason to look twice.

    Attributes:
        name: ``"nothing-found"``, ``"border"``, ``"components"``, ``"agreement"``, ``"unlike-training"`` or ``"missing"``.
        text: What it is, in words, with the figure and the threshold.
    """

    name: Literal["nothing-found", "border", "components", "agreement", "unlike-training", "missing"]
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
        distance: How far the study lies from those that the model was trained on, in their standard deviations.
        components: How many pieces the mask has.
        touches_border: Whether the mask reaches the first or last slice, or the edge of the images.
    """

    score: float
    level: Literal["good", "check"]
    flags: tuple[QualityFlag, ...]
    agreement: float | None
    certainty: float | None
    distance: float
    components: int
    touches_border: bool


@dataclass(frozen=True)
class QualityReference:
    """What the studies that a model was trained on look like: means and deviations of features of their images.

    Features are percentiles of each sequence's intensities over the head after ``Preprocessing``, how rough it is there, how
    it goes with the FLAIR, and how much of the square and of the slices the head fills. No single patient is in it.

    Attributes:
        source: Which studies.
        studies: How many.
        means: Mean of each feature, by its name.
        deviations: Standard deviation of each feature.
    """

    source: str
    studies: int
    means: dict[str, float]
    deviations: dict[str, float]

    @classmethod
    def fit(cls, studies: Iterable[Study], source: str) -> QualityReference:
        """Measure studies.

        Args:
            studies: At least three; each is in memory alone.
            source: What to call them together.

        Raises:
            ValueError: If there are fewer than three.
        """
        rows = [_describe(study) for study in studies]
        if len(rows) < 3:
            msg = wrong("studies", "at least three", len(rows))
            raise ValueError(msg)
        means, deviations = {}, {}
        for name in sorted(set().union(*rows)):
            values = [row[name] for row in rows if name in row]
            if len(values) >= 3:
                means[name] = float(np.mean(values))
                deviations[name] = max(float(np.std(values, ddof=1)), 1e-3)
        return cls(source, len(rows), means, deviations)

    def distance(self, study: Study) -> float:
        """Return how far a study lies from these: the root mean square of its features' deviations, in standard deviations.

        Sequences that the study lacks are left out. A study like those that were measured lies near 1.
        """
        row = _describe(study)
        scores = [(row[name] - mean) / self.deviations[name] for name, mean in self.means.items() if name in row]
        return float(np.sqrt(np.mean(np.square(scores))))

    def to_json(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write it as a file, with four digits after the point.

        Raises:
            DataError: If the file exists and may not be replaced, or can't be written.
        """
        path = Path(path)
        record = asdict(self)
        for key in ("means", "deviations"):
            record[key] = {name: round(value, 4) for name, value in record[key].items()}
        with replacing(path, overwrite=overwrite) as beside:
            beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> QualityReference:
        """Read what :meth:`to_json` wrote.

        Raises:
            DataError: If the file can't be read, or is none of those.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            msg = f"{path}: can't be read ({error.strerror or error})"
            raise DataError(msg) from error
        except (ValueError, TypeError) as error:
            msg = f"{path}: expected a reference as QualityReference.to_json writes it ({error})"
            raise DataError(msg) from error


def assess_quality(study: Study, segmentation: Segmentation, *, reference: QualityReference | None = None) -> Quality:
    """Say how far to trust a segmentation, from what can be known without the truth.

    The score is the agreement of test-time variants (predict with ``uncertainty=True``); without variants it is the Dice that
    the mask would have if the model's probabilities were true, and 1 where there are no probabilities either. Each flag but
    the agreement's own takes a twentieth of it. Where nothing was found the score is 0.

    Args:
        study: The study.
        segmentation: What was found in it, on the same grid.
        reference: The studies that the model was trained on; the 77 train patients of the LGG dataset if not given.

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
    reference = reference or _packaged_reference()
    mask = segmentation.mask
    components = int(ndimage.label(mask, _TOUCHING)[1])
    touches = any(mask.take(end, axis).any() for axis in range(3) for end in (0, -1) if mask.shape[axis] > 1)
    agreement = float(np.mean(list(segmentation.agreement.values()))) if segmentation.agreement else None
    certainty = None if segmentation.probabilities is None else _expected_dice(mask, segmentation.probabilities)
    distance = reference.distance(study)
    flags = []
    if not components:
        flags.append(QualityFlag("nothing-found", "nothing was found"))
    if touches:
        flags.append(QualityFlag("border", "the tumour reaches the border of the volume, and may go on beyond it"))
    if components > _MOST_COMPONENTS:
        text = f"the tumour is in {components} pieces (flagged above {_MOST_COMPONENTS})"
        flags.append(QualityFlag("components", text))
    if distance > _FAR:
        text = f"the images are {distance:.1f} standard deviations from {reference.source} (flagged above {_FAR:g})"
        flags.append(QualityFlag("unlike-training", text))
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
        distance=distance,
        components=components,
        touches_border=touches,
    )


def _expected_dice(mask: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> float:
    """Return the Dice of a mask with a truth that has each voxel with its probability (ratio of expectations)."""
    both = float(mask.sum()) + float(probabilities.sum(dtype=np.float64))
    return 2 * float(probabilities[mask].sum(dtype=np.float64)) / both if both else 1.0


@cache
def _packaged_reference() -> QualityReference:
    return QualityReference.from_json(_REFERENCE_FILE)


def _imaged(study: Study) -> tuple[str, ...]:
    """Name the sequences that a study has; the LGG dataset holds copies of the FLAIR in the place of those it lacks."""
    if "flair" not in study.sequences:
        return tuple(name for name in SEQUENCES if name in study.sequences)
    flair = study.sequence("flair")
    others = (name for name in study.sequences if name != "flair" and not np.array_equal(study.sequence(name), flair))
    present = {"flair", *others}
    return tuple(name for name in SEQUENCES if name in present)


def _describe(study: Study) -> dict[str, float]:
    """Return the features of a study's images by name; those of sequences that it lacks are not there."""
    names = _imaged(study)
    images = Preprocessing(sequences=names).apply(study).images
    head = images[..., names.index("flair") if "flair" in names else 0] > _HEAD
    shares = head.mean(axis=(1, 2))
    row = {"head share": float(shares.max()), "slices": float(np.mean(shares > 0.5 * shares.max()))}
    flair = images[..., names.index("flair")][head] if "flair" in names else None
    for channel, name in enumerate(names):
        image = images[..., channel]
        values = image[head]
        levels = np.percentile(values, _PERCENTILES)
        row |= {f"{name} p{share}": float(level) for share, level in zip(_PERCENTILES, levels, strict=True)}
        steps = np.abs(np.diff(image, axis=2))[head[:, :, 1:] & head[:, :, :-1]]
        row[f"{name} roughness"] = float(np.median(steps)) if steps.size else 0.0
        if flair is not None and name != "flair" and values.std() > 0 and flair.std() > 0:
            row[f"{name} with flair"] = float(np.corrcoef(values, flair)[0, 1])
    return row
