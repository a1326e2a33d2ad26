"""Two segmenters on the same patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from braintumorseg._core.checks import check_in, wrong
from braintumorseg.evaluation.intervals import RESAMPLES, bootstrap_interval
from braintumorseg.evaluation.table import OVERLAPS, Evaluation


@dataclass(frozen=True)
class Comparison:
    """The second segmenter against the first, patient by patient, over whole volumes, every slice in.

    Attributes:
        first: Name of the first segmenter, with the settings of its prediction.
        second: The same of the second.
        measure: What was compared; more is better.
        patients: Number of patients.
        difference: Mean over patients of second minus first.
        low: Lower end of its 95 % bootstrap interval (percentile method, patients drawn); NaN for a single patient.
        high: Upper end.
        p_value: Of the two-sided Wilcoxon signed-rank test (patients without a difference left out); 1 if all are.
        wins: Patients on whom the second is better.
        losses: Patients on whom the first is better.
        resamples: Draws of patients behind the interval.
    """

    first: str
    second: str
    measure: str
    patients: int
    difference: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int
    resamples: int

    def __str__(self) -> str:
        ties = self.patients - self.wins - self.losses
        return (
            f"{self.second} minus {self.first}: mean difference of the per-patient {self.measure}, whole volumes, every slice "
            f"in, {self.difference:+.3f} (95 % interval {self.low:+.3f} to {self.high:+.3f}, percentile bootstrap of "
            f"{self.resamples} resamples of patients; Wilcoxon signed-rank p = {self.p_value:.2g}); better on {self.wins}, "
            f"worse on {self.losses}, equal on {ties} of {self.patients} patients"
        )


def compare(
    first: Evaluation, second: Evaluation, *, measure: str = "dice", resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare two segmenters on the same patients, paired by name.

    Args:
        first: What is compared against.
        second: What is compared.
        measure: A column that is a share: dice, iou, precision, recall, lesion_sensitivity, lesion_precision, lesion_f1.
        resamples: Draws of patients for the interval.
        seed: Of the draws.

    Raises:
        ValueError: If the patients differ, or the numbers of true voxels in their slices do; the message names them. If there
            is no such measure.

    References:
        Wilcoxon: "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1, 1945.

    Examples:
        >>> from braintumorseg import Segmentation, make_study
        >>> from braintumorseg.evaluation.comparison import compare
        >>> from braintumorseg.evaluation.evaluate import score
        >>> studies = [make_study(seed=seed, shape=(8, 96, 96)) for seed in range(3)]
        >>> bright = score([(s, Segmentation(s.volume[..., 1] > 150)) for s in studies], name="bright")
        >>> truth = score([(s, Segmentation(s.mask)) for s in studies], name="truth")
        >>> comparison = compare(bright, truth)
        >>> comparison.wins, comparison.losses
        (3, 0)
    """
    check_in("measure", measure, OVERLAPS)
    one, other = first.table.set_index("name"), second.table.set_index("name")
    differing = sorted(set(one.index) ^ set(other.index))
    if differing:
        msg = wrong("second", "an evaluation of the same patients as first", f"only in one: {', '.join(differing)}")
        raise ValueError(msg)
    truths = [_true_voxels(evaluation) for evaluation in (first, second)]
    changed = [name for name in truths[0] if truths[0][name] != truths[1][name]]
    if changed:
        msg = wrong("second", "an evaluation against the same masks as first", f"others for {', '.join(changed)}")
        raise ValueError(msg)
    differences = (other[measure] - one[measure]).to_numpy(np.float64)
    low, high = bootstrap_interval(differences, resamples=resamples, seed=seed)
    return Comparison(
        first=first.label,
        second=second.label,
        measure=measure,
        patients=len(differences),
        difference=float(differences.mean()),
        low=low,
        high=high,
        p_value=float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0,
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        resamples=resamples,
    )


def _true_voxels(evaluation: Evaluation) -> dict[str, list[int]]:
    """Count the true voxels of each patient's slices, by name."""
    slices = evaluation.slices.sort_values(["name", "slice"])
    return {str(name): counts.tolist() for name, counts in slices.groupby("name")["true"]}
