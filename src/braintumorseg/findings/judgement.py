"""Reasons to doubt a prediction: cheap enough for every one of them, and few enough to be read."""

from __future__ import annotations

from collections.abc import Mapping

from braintumorseg.findings.evidence import SURE
from braintumorseg.findings.reference import SHARES, Reference

# With a reference, in its units. Of the 77 train patients of the LGG dataset, each measured by the others, one lies farther
# away; what resunet-lgg finds stays farther below in four. Phantoms and scans from elsewhere were in view when these were set.
_FAR = 2.0
_FAINT = 1.0
# With a reference, a tumour may be so many times as large as those of all but one in twenty patients.
_LARGER = 3.0

# For every model. What is doubted here is no tumour, whoever trained the model: the largest drawn one of the 77 has a tenth of
# the head's volume.
_LEAST_CERTAINTY = 0.7
_LARGEST_SHARE = 0.4
_MOST_OUTSIDE = 0.1


def judge(evidence: Mapping[str, float], reference: Reference | None = None) -> dict[str, str]:
    """Say what there is to doubt about a prediction; most give no reason to.

    Args:
        evidence: What ``gather_evidence`` measured.
        reference: The studies that trained the model. Without one, only what holds for every model is doubted.

    Returns:
        A sentence by kind, with the figure and what is usual:

        ===================  =========================================================================================
        ``unlike-training``  the images lie far from those of the reference, whatever was found in them
        ``uncertain``        what was found is less certain and fainter than in the reference, or uncertain by itself
        ``volume``           what was found is larger than the reference's tumours, or than any
        ``place``            a part of what was found lies in air
        ===================  =========================================================================================

    Examples:
        >>> from braintumorseg.findings import judge
        >>> judge({"peak": 1.0, "tumour share": 0.05, "certainty": 0.97, "inside": 0.97, "outside": 0.0})
        {}
        >>> judge({"peak": 1.0, "tumour share": 0.9, "certainty": 0.97, "inside": 0.97, "outside": 0.0})
        {'volume': "what was found has 90 % of the head's volume: no tumour has"}
    """
    doubts = {
        "unlike-training": _unlike(evidence, reference),
        "uncertain": _uncertain(evidence, reference),
        "volume": _too_large(evidence, reference),
        "place": _outside(evidence),
    }
    return {kind: text for kind, text in doubts.items() if text}


def _unlike(evidence: Mapping[str, float], reference: Reference | None) -> str:
    if reference is None:
        return ""
    distance, feature = reference.distance(evidence)
    if distance <= _FAR:
        return ""
    low, *_, high = reference.quantiles[feature]
    return (
        f"the images are unlike those of {reference.source}, {distance:.1f} times as far from them as nearly all of them are "
        f"from each other: {feature} is {evidence[feature]:.2f}, and {low:.2f} to {high:.2f} among them"
    )


def _uncertain(evidence: Mapping[str, float], reference: Reference | None) -> str:
    if "certainty" not in evidence:
        return ""
    expected = f"by its probabilities a Dice of {evidence['certainty']:.2f} is to be expected"
    if reference is None or reference.shortfall(evidence) <= _FAINT:
        return "" if evidence["certainty"] >= _LEAST_CERTAINTY else f"what was found is uncertain: {expected}"
    if "level" in evidence:
        expected += f", and its FLAIR lies {evidence['level']:.2f} above the head's median"
    known = [name for name in SURE if name in evidence and name in reference.quantiles]
    usual = " and ".join(f"{reference.quantiles[name][0]:.2f}" for name in known)
    return f"what was found stands out little: {expected}; in {SHARES[-1] * 100:.0f} % of {reference.source} at least {usual}"


def _too_large(evidence: Mapping[str, float], reference: Reference | None) -> str:
    share = evidence["tumour share"]
    found = f"what was found has {share:.0%} of the head's volume".replace("%", " %")
    if share > _LARGEST_SHARE:
        return f"{found}: no tumour has"
    if reference is not None and "true share" in reference.quantiles:
        high = reference.quantiles["true share"][-1]
        if share > _LARGER * high:
            usual = f"{high:.0%}".replace("%", " %")
            return f"{found}; the tumours of {reference.source} mostly have {usual} at most"
    return ""


def _outside(evidence: Mapping[str, float]) -> str:
    outside = evidence.get("outside", 0.0)
    if outside <= _MOST_OUTSIDE:
        return ""
    return f"{outside:.0%} of what was found lies in air".replace("%", " %", 1)
