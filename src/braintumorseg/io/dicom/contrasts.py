"""Which sequence a DICOM series holds: first what its description says, then what its settings say."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OTHER = re.compile(
    r"locali[sz]er|scout|survey|\bloc\b|plane|dwi|\bdti|\badc|trace|diff|perf|\bdsc|\bdce|\basl|\bswi|swan|\btof|\bmra|angio"
    r"|\bmip|phase|\bsub\b|subtr|\bmap|fmri|bold|spectro|t2\*"
)
_FLAIR = re.compile(r"flair|\btirm|dark.?fluid")
_T1 = re.compile(r"t1|mp.?rage|spgr|bravo|\btfe|\btfl|vibe")
_T2 = re.compile(r"t2|\bpd\b|proton")
_BEFORE = re.compile(r"\bpre|without|\bw/?o\b|non.?con|unenh|nativ|\bno.?(?:c\b|con|gad|gd)|[-_ ]c-")
_AFTER = re.compile(r"post|\+ ?c\b|\bc\+|\+ ?gd|\bgd|gad|\bcontrast|enhanc|\bce\b|[-_]ce\b|\bkm\b|\bwith\b|[-_]c\b")
_NO_AGENT = {"", "no", "none", "n", "without", "0"}


@dataclass(frozen=True)
class Settings:
    """What a series says of how it was acquired.

    Attributes:
        description: The series' description, or the protocol's name.
        agent: The contrast agent, as the header names it; an empty text for none.
        echo_ms: Echo time.
        repetition_ms: Repetition time.
        inversion_ms: Inversion time.
    """

    description: str = ""
    agent: str = ""
    echo_ms: float | None = None
    repetition_ms: float | None = None
    inversion_ms: float | None = None


def contrast(settings: Settings) -> str | None:
    """Tell which sequence it is: ``"flair"``, ``"t1"``, ``"t1ce"``; ``None`` if it is neither, or can't be told.

    A T1 FLAIR is a T1. After contrast is what its description says to be so, or what names a contrast agent.
    """
    text = settings.description.lower().replace("_", " ")
    if _OTHER.search(text):
        return None
    if _T1.search(text):
        return _enhancement(text, settings)
    if _FLAIR.search(text):
        return "flair"
    if _T2.search(text):
        return None
    echo, repetition, inversion = settings.echo_ms, settings.repetition_ms, settings.inversion_ms
    if echo is None:
        return None
    if echo >= 60 and inversion is not None and inversion >= 1500:
        return "flair"
    short = repetition is not None and repetition <= 1000 and not inversion
    if echo <= 30 and (short or (inversion is not None and 500 <= inversion <= 1300)):
        return _enhancement(text, settings)
    return None


def _enhancement(text: str, settings: Settings) -> str:
    if _BEFORE.search(text):
        return "t1"
    if _AFTER.search(text) or settings.agent.strip().lower() not in _NO_AGENT:
        return "t1ce"
    return "t1"
