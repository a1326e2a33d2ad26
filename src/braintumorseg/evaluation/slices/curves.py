"""How well scores tell two kinds apart, by scikit-learn: ROC, precision and recall, calibration, thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braintumorseg._core.checks import check_integer, wrong
from braintumorseg._core.optional import require

Values = NDArray[np.float64]


def sklearn(part: str) -> ModuleType:
    """Return a module of scikit-learn, such as ``"metrics"``.

    Raises:
        ImportError: If scikit-learn is not installed (extra ``research``).
    """
    return require(f"sklearn.{part}", "research")


@dataclass(frozen=True, eq=False)
class Curves:
    """Shares of positives and negatives found at every threshold, the highest first; ties are one threshold.

    Attributes:
        thresholds: ``(n,)``: a score counts as positive from here on; the first is infinite.
        sensitivity: ``(n,)``: share of the positives found (recall).
        false_alarms: ``(n,)``: share of the negatives found.
        precision: ``(n,)``: share of what is found that is positive; 1 where nothing is found.
    """

    thresholds: Values
    sensitivity: Values
    false_alarms: Values
    precision: Values

    @classmethod
    def of(cls, scores: ArrayLike, truth: ArrayLike) -> Curves:
        """Count at every threshold.

        Args:
            scores: ``(n,)``, finite; higher for positives.
            truth: ``(n,)``, whether each is positive.

        Raises:
            ImportError: If scikit-learn is not installed (extra ``research``).
            ValueError: If the two differ in shape, a score is not finite, or there is only one kind.

        Examples:
            >>> from braintumorseg.evaluation import Curves
            >>> Curves.of([0.9, 0.4, 0.6, 0.1], [True, True, False, False]).sensitivity.tolist()
            [0.0, 0.5, 0.5, 1.0, 1.0]
        """
        values, positive = checked(scores, truth)
        metrics = sklearn("metrics")
        false_alarms, sensitivity, thresholds = metrics.roc_curve(positive, values, drop_intermediate=False)
        precision, _, _ = metrics.precision_recall_curve(positive, values)  # from the lowest threshold on
        return cls(thresholds, sensitivity, false_alarms, precision[::-1])


def roc_auc(scores: ArrayLike, truth: ArrayLike) -> float:
    """Return the area under the ROC curve: the probability that a positive has the higher score, ties counted half.

    Args:
        scores: ``(n,)``, finite; higher for positives.
        truth: ``(n,)``, whether each is positive.

    Raises:
        ImportError: If scikit-learn is not installed (extra ``research``).
        ValueError: If the two differ in shape, a score is not finite, or there is only one kind.

    Examples:
        >>> from braintumorseg.evaluation import roc_auc
        >>> roc_auc([0.9, 0.4, 0.6, 0.1], [True, True, False, False])
        0.75
    """
    values, positive = checked(scores, truth)
    return float(sklearn("metrics").roc_auc_score(positive, values))


def average_precision(scores: ArrayLike, truth: ArrayLike) -> float:
    """Return the area under the steps of precision over recall.

    Args:
        scores: ``(n,)``, finite; higher for positives.
        truth: ``(n,)``, whether each is positive.

    Raises:
        ImportError: If scikit-learn is not installed (extra ``research``).
        ValueError: If the two differ in shape, a score is not finite, or there is only one kind.

    Examples:
        >>> from braintumorseg.evaluation import average_precision
        >>> print(f"{average_precision([0.9, 0.4, 0.6, 0.1], [True, True, False, False]):.3f}")
        0.833
    """
    values, positive = checked(scores, truth)
    return float(sklearn("metrics").average_precision_score(positive, values))


def best_threshold(scores: ArrayLike, truth: ArrayLike) -> float:
    """Return the threshold of the highest accuracy, half-way to the next lower score; of equally good ones the highest.

    Its accuracy on the patients that chose it is too good: choose it on validation patients, and measure on others.

    Args:
        scores: ``(n,)``, finite; higher for positives.
        truth: ``(n,)``, whether each is positive.

    Raises:
        ImportError: If scikit-learn is not installed (extra ``research``).
        ValueError: If the two differ in shape, a score is not finite, or there is only one kind.

    Examples:
        >>> from braintumorseg.evaluation import best_threshold
        >>> best_threshold([0.9, 0.8, 0.3, 0.1], [True, True, False, False])
        0.55
    """
    curves = Curves.of(scores, truth)
    _, positive = checked(scores, truth)
    share = positive.mean()
    accuracy = share * curves.sensitivity + (1 - share) * (1 - curves.false_alarms)
    best = int(np.argmax(accuracy[1:])) + 1
    threshold = curves.thresholds[best]
    return float(threshold if best + 1 == len(curves.thresholds) else (threshold + curves.thresholds[best + 1]) / 2)


def calibration(scores: ArrayLike, truth: ArrayLike, bins: int = 10) -> tuple[Values, Values, NDArray[np.int64]]:
    """Return the mean score, the share of positives and the number of scores of each bin.

    Bins have equal width. A score on the edge of two is in the lower one. Empty bins are left out.

    Raises:
        ImportError: If scikit-learn is not installed (extra ``research``).
        ValueError: If a score is not a probability, or the scores are not as for ``roc_auc``.
    """
    check_integer("bins", bins, 1)
    values, positive = checked(scores, truth)
    if values.min() < 0 or values.max() > 1:
        msg = wrong("scores", "probabilities, 0 to 1", f"{values.min():.4g} to {values.max():.4g}")
        raise ValueError(msg)
    shares, means = sklearn("calibration").calibration_curve(positive, values, n_bins=bins)
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]  # counts in scikit-learn's bins, as it returns none
    counts = np.bincount(np.searchsorted(inner_edges, values))
    return means, shares, counts[counts > 0]


def checked(scores: ArrayLike, truth: ArrayLike) -> tuple[Values, NDArray[np.bool_]]:
    """Return scores and truth as arrays.

    Raises:
        ValueError: If the two differ in shape, a score is not finite, or there is only one kind.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(truth).astype(np.bool_)
    if values.ndim != 1 or positive.shape != values.shape or not np.isfinite(values).all():
        msg = wrong("scores", "finite numbers, as many as in truth", f"shape {values.shape} against {positive.shape}")
        raise ValueError(msg)
    if positive.all() or not positive.any():
        msg = wrong("truth", "of both kinds", f"{int(positive.sum())} of {len(positive)} positive")
        raise ValueError(msg)
    return values, positive
