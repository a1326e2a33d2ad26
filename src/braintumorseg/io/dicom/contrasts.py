"""Which sequence a DICOM series holds: its description, contrast agent and times decide together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from braintumorseg.io.dicom.words import plain, says

_OTHER = re.compile(
    r"lo[ck]ali[sz]|scout|survey|reperage|topogram|\bloc\b|plane|\d.?pl\b|dwi|\bdti|\badc|trace|diff|perf|\bdsc|\bdce|\basl"
    r"|\bswi|swan|\btof|\bmra|angio|\bmip|phase|\bsub\b|subtra|substra|sottra|soustra|\bmap|fmri|bold|spectro|t2\*"
    r"|calib|\bcal\b|\bshim"
)
_FLAIR = re.compile(r"flair|\btirm|dark.?fluid")
_T1 = re.compile(r"t1|mp.?rage|spgr|bravo|\btfe|\btfl|vibe")
_T2 = re.compile(r"t2|\bpd\b|proton")
_NO_AGENT = {
    *("no", "none", "n", "nil", "0", "-", "n/a", "na", "without", "w/o", "nein", "ohne", "kein", "keine", "keins", "non"),
    *("aucun", "sans", "ninguno", "ninguna", "sin", "nessuno", "senza", "nenhum", "sem", "nao", "não", "geen", "zonder"),
}  # fmt: skip

Side = Literal["before", "after"]


@dataclass(frozen=True)
class Settings:
    """What a series says of how it was acquired.

    Attributes:
        description: The series' description, or the protocol's name.
        agent: The contrast agent, as the header names it; an empty text for none.
        echo_ms: Echo time.
        repetition_ms: Repetition time.
        inversion_ms: Inversion time.
        acquired_s: When its first slice was acquired, in seconds of any clock that the examination shares.
        injected_s: When the contrast agent was given, by the same clock.
    """

    description: str = ""
    agent: str = ""
    echo_ms: float | None = None
    repetition_ms: float | None = None
    inversion_ms: float | None = None
    acquired_s: float | None = None
    injected_s: float | None = None


@dataclass(frozen=True)
class Recognition:
    """Which sequence a series holds, and why.

    Attributes:
        kind: ``"flair"``, ``"t1"`` or ``"t1ce"``.
        by: What told it, in words, such as "its description".
        named: Whether its description names it, rather than its times.
        told: Whether description, agent or time say on which side of the contrast agent it lies.
        doubt: What contradicts it; the message goes on after the series. Empty if nothing does.
        words: What its description says of contrast.
    """

    kind: str
    by: str
    named: bool
    told: bool = True
    doubt: str = ""
    words: frozenset[str] = frozenset()


def recognize(settings: Settings) -> Recognition | None:
    """Tell which sequence a series holds; ``None`` if it is none of the known ones, or can't be told.

    A T1 FLAIR is a T1. Words, contrast agent and time of injection decide by majority on which side of the agent it lies;
    words win a tie.
    """
    text = plain(settings.description)
    if _OTHER.search(text):
        return None
    if _T1.search(text):
        return _side(settings, named=True)
    if _FLAIR.search(text):
        return Recognition("flair", "its description", named=True)
    if _T2.search(text):
        return None
    echo, repetition, inversion = settings.echo_ms, settings.repetition_ms, settings.inversion_ms
    if echo is None:
        return None
    if echo >= 60 and inversion is not None and inversion >= 1500:
        return Recognition("flair", "its echo and inversion times", named=False)
    short = repetition is not None and repetition <= 1000 and not inversion
    if echo <= 30 and (short or (inversion is not None and 500 <= inversion <= 1300)):
        return _side(settings, named=False)
    return None


def recognize_all(everything: Sequence[Settings]) -> list[Recognition | None]:
    """Recognise the series of one examination: nothing is without contrast after it was given, or with it before.

    A T1 whose description, agent and time of injection say nothing has contrast where another one with contrast was acquired
    earlier. A T1 with an agent in its header alone has none where one that says "before" was acquired later.
    """
    found = [recognize(settings) for settings in everything]
    after = [at for at, each in _timed(everything, found) if each.kind == "t1ce" and each.named and not each.doubt]
    before = [at for at, each in _timed(everything, found) if each.kind == "t1" and each.words == {"before"}]
    for index, (settings, each) in enumerate(zip(everything, found, strict=True)):
        at = settings.acquired_s
        if each is None or at is None or each.kind == "flair":
            continue
        if each.kind == "t1ce" and not each.words and settings.injected_s is None and before and at < max(before):
            by = f"{'its description' if each.named else each.by}, and as acquired before another T1 without contrast"
            found[index] = replace(each, kind="t1", by=by, named=False)
        elif each.kind == "t1" and after and at > min(after):
            if each.told:
                found[index] = replace(
                    each, doubt=each.doubt or "although it was acquired after another T1 with contrast"
                )
            else:
                by = f"{each.by}, and as acquired after another T1 with contrast"
                found[index] = replace(each, kind="t1ce", by=by, named=False)
    return found


def _timed(everything: Sequence[Settings], found: Sequence[Recognition | None]) -> Iterator[tuple[float, Recognition]]:
    for settings, each in zip(everything, found, strict=True):
        if each is not None and settings.acquired_s is not None:
            yield settings.acquired_s, each


def _side(settings: Settings, *, named: bool) -> Recognition:
    """Tell a T1 before contrast from one after it."""
    votes: dict[str, Side] = {}
    words = says(settings.description)
    if len(words) == 1:
        votes["its description"] = "before" if "before" in words else "after"
    agent = _agent(settings.agent)
    if agent is not None:
        votes["its contrast agent"] = agent
    if settings.acquired_s is not None and settings.injected_s is not None and agent != "before":
        votes["the time of injection"] = "before" if settings.acquired_s < settings.injected_s else "after"
        if votes["the time of injection"] == "before":
            votes.pop("its contrast agent", None)  # stated already, given later
    count = {side: sum(vote == side for vote in votes.values()) for side in ("before", "after")}
    side = "after" if count["after"] > count["before"] else "before"
    if votes and count["after"] == count["before"]:
        side = next(iter(votes.values()))
    doubt = ""
    against = [name for name, vote in votes.items() if vote != side]
    if against:
        other = "after" if side == "before" else "before"
        doubt = f"although {' and '.join(against)} {'says' if len(against) == 1 else 'say'} {other} contrast"
    elif len(words) == 2:
        doubt = "although its description says both before and after contrast"
    by = "its description" if named else "its echo and repetition times"
    reasons = [name for name, vote in votes.items() if vote == side and name != by]
    by = " and ".join([by, *reasons])
    return Recognition("t1ce" if side == "after" else "t1", by, named, bool(votes), doubt, words)


def _agent(text: str) -> Side | None:
    """Tell what the header's contrast agent says; nothing if it is empty."""
    text = text.strip().lower()
    if not text:
        return None
    return "before" if text in _NO_AGENT or says(text) == {"before"} else "after"
