"""One table of the words by which a series says whether it was acquired before or after a contrast agent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import NamedTuple


class Role(Enum):
    """How a word is read."""

    BEFORE_AGENT = "before contrast, where an agent or the end of the text follows"
    WITH_AGENT = "after contrast, where an agent or the end of the text follows"
    PLAIN = "before contrast"
    ENHANCED = "after contrast"
    AGENT = "after contrast, unless a word in front of it, or a minus, says otherwise"
    LINK = "nothing, between a word and the agent"
    NOT = "before contrast, where it follows an agent and ends the text"
    OTHER = "nothing: it is about something else than contrast"


class Row(NamedTuple):
    """One row of the table: a word, its role, and its language (ISO 639-1; "" for all).

    A space stands for any or no spaces, dots and hyphens; a star at the end for any letters.
    """

    word: str
    role: Role
    language: str


# In small letters, without accents; "|" parts the words of a line.
_TABLE = {
    (Role.BEFORE_AGENT, "en"): "without|w/o|w/out|wo|no|non|not|before|prior to|minus",
    (Role.BEFORE_AGENT, "de"): "ohne|vor|kein|keine",
    (Role.BEFORE_AGENT, "fr"): "sans|ss|avant|av|pas",
    (Role.BEFORE_AGENT, "es"): "sin|s/|antes|previo a",
    (Role.BEFORE_AGENT, "it"): "senza|prima",
    (Role.BEFORE_AGENT, "pt"): "sem|antes|previa a",
    (Role.BEFORE_AGENT, "nl"): "zonder|voor|geen",
    (Role.WITH_AGENT, ""): "+",
    (Role.WITH_AGENT, "en"): "with|w/|w|after|following|plus",
    (Role.WITH_AGENT, "de"): "mit|nach",
    (Role.WITH_AGENT, "fr"): "avec|apres",
    (Role.WITH_AGENT, "es"): "con|c/|tras|despues",
    (Role.WITH_AGENT, "it"): "con|dopo",
    (Role.WITH_AGENT, "pt"): "com|apos|depois",
    (Role.WITH_AGENT, "nl"): "met|na",
    (Role.PLAIN, ""): "pre",
    (Role.PLAIN, "en"): "plain|native|unenh*|uncontrast*|precon*|pre con|noncon*|non con|no con|w/o con|wo con|nce|nc",
    (Role.PLAIN, "de"): "nativ|nat|prae|pra|o km",
    (Role.PLAIN, "fr"): "natif|native",
    (Role.PLAIN, "es"): "simple|basal|nativo|nativa",
    (Role.PLAIN, "it"): "basale|diretta|diretto|nativo|smdc",
    (Role.PLAIN, "pt"): "basal|nativo|nativa",
    (Role.PLAIN, "nl"): "blanco|natief|blanko",
    (Role.ENHANCED, ""): "post",
    (Role.ENHANCED, "en"): "postcon*|post con|w/ con",
    (Role.ENHANCED, "de"): "m km",
    (Role.ENHANCED, "fr"): "avec iv",
    (Role.ENHANCED, "it"): "cmdc",
    (Role.ENHANCED, "es"): "pos|postcontraste",
    (Role.ENHANCED, "pt"): "pos",
    (
        Role.AGENT,
        "",
    ): "c|ce|gd|gad*|magnevist|magnegita|dotarem|dotagraf|clariscan|prohance|multihance|omniscan|optimark"
    "|vueway|elucirem|eovist|primovist|vasovist|ablavar|artirem|cyclolux|pixxoscan|feraheme|ferumoxytol",
    (Role.AGENT, "en"): "contrast*|enh|enhanc*|inject*",
    (Role.AGENT, "de"): "km|kontrast*|injektion",
    (Role.AGENT, "fr"): "pdc|inj|inject*|rehauss*|produit de contraste|contraste",
    (Role.AGENT, "es"): "civ|contrast*|inyec*|realce|medio de contraste",
    (Role.AGENT, "it"): "mdc|m d c|contrasto|iniez*|mezzo di contrasto",
    (Role.AGENT, "pt"): "contrast*|injec*|injet*|realce|meio de contraste",
    (Role.AGENT, "nl"): "contrast*|inspuiting|kontrast*",
    (Role.NOT, ""): "neg*",
    (Role.NOT, "en"): "no|none|without|w/o|wo|free",
    (Role.NOT, "de"): "ohne|nein|keins|frei",
    (Role.NOT, "fr"): "non|sans|aucun",
    (Role.NOT, "es"): "no|sin",
    (Role.NOT, "it"): "no|senza",
    (Role.NOT, "pt"): "nao|sem",
    (Role.NOT, "nl"): "nee|geen|zonder",
    (Role.LINK, ""): "i v|iv",
    (Role.LINK, "en"): "the|of|any|administration|agent|use|adding",
    (Role.LINK, "de"): "der|dem|des|von|gabe|applikation|verabreichung|i v",
    (Role.LINK, "fr"): "de|du|d'|l'|la|le|administration",
    (Role.LINK, "es"): "de|del|la|el|administracion|medio",
    (Role.LINK, "it"): "di|del|della|dell'|il|somministrazione|mezzo",
    (Role.LINK, "pt"): "de|do|da|o|a|administracao|meio",
    (Role.LINK, "nl"): "de|het|van|toediening",
    (Role.OTHER, ""): "c spine|c t spine|ct spine|c t l spine|c1|c2|c3|c4|c5|c6|c7",
    (Role.OTHER, "en"): "prescan*|pre scan*|presat*|pre sat*|preview|post process*|postprocess*|post mortem|post natal"
    "|post ictal|high contrast|low contrast|prep|prepared",
}
# What is before or after surgery and treatment is neither before nor after contrast.
_TREATMENTS = {
    "en": "op|opera*|surg*|rt|xrt|radi*|chemo*|crt|therap*|treat*|tx|biops*|resect*|embol*|gamma*|gk|litt|laser|trauma*",
    "de": "op|opera*|strahl*|radi*|chemo*|therap*|biops*|resekt*",
    "fr": "op|opera*|chir*|radi*|chimio*|trait*|biops*",
    "es": "op|qx|quirurg*|opera*|cirug*|radi*|quimio*|tratam*|biops*",
    "it": "op|opera*|chir*|radi*|chemio*|terap*|trattam*|biops*",
    "pt": "op|opera*|cirurg*|radi*|quimio*|tratam*|biops*",
    "nl": "op|opera*|chir*|bestral*|radi*|chemo*|behandel*|biops*",
}
_AROUND = "pre|post|prae|pra|pos|before|after|vor|nach|avant|apres|antes|despues|prima|dopo|apos|depois|voor|na"


def rows() -> Iterator[Row]:
    """List the table's rows."""
    for (role, language), words in _TABLE.items():
        for word in words.split("|"):
            yield Row(word, role, language)
    for language, words in _TREATMENTS.items():
        for word in words.split("|"):
            yield Row(f"pre {word}", Role.OTHER, language)
            yield Row(f"post {word}", Role.OTHER, language)


def says(text: str) -> frozenset[str]:
    """Tell what a description says of contrast: ``"before"``, ``"after"``, both or neither.

    Examples:
        >>> sorted(says("t1_mprage_tra ohne KM")), sorted(says("AX T1 POST GD, prescan norm"))
        (['before'], ['after'])
    """
    return frozenset(str(found.lastgroup) for found in _pattern().finditer(plain(text)) if found.lastgroup != "other")


def plain(text: str) -> str:
    """Return a text in small letters, without accents and underscores; "T1w" is "t1"."""
    decomposed = unicodedata.normalize("NFKD", text[:_LONGEST].lower().replace("_", " "))
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return re.sub(r"t1(?:wi?|[ -]weighted)(?![a-z]{3})", "t1 ", bare)


_LONGEST = 256  # letters of a description; DICOM allows 64
_GAP = r"[\s.\-]*"
_BREAK = r"[\s.,;:()\[\]/&\-]*"


def _one_of(words: Iterator[str] | list[str]) -> str:
    """Return a pattern for any of the words, the longer ones first; a digit may touch a word, a letter may not."""
    patterns = []
    for word in sorted(set(words), key=len, reverse=True):
        pattern = re.escape(word.removesuffix("*")).replace(r"\ ", _GAP)
        if word.endswith("*"):
            pattern += "[a-z]*"
        elif word[-1].isalpha():
            pattern += "(?![a-z])"
        patterns.append((r"(?<![a-z])" if word[0].isalpha() else "") + pattern)
    return "(?:" + "|".join(patterns) + ")"


@cache
def _pattern() -> re.Pattern[str]:
    """Compile the table at its first use: that takes as long as reading a small study, and few studies are DICOM."""
    by_role = {role: [row.word for row in rows() if row.role is role] for role in Role}
    without, with_agent = _one_of(by_role[Role.BEFORE_AGENT]), _one_of(by_role[Role.WITH_AGENT])
    plain_words, enhanced = _one_of(by_role[Role.PLAIN]), _one_of(by_role[Role.ENHANCED])
    link = _one_of(by_role[Role.LINK])
    # Within a compound ("precontrast", "nogad") a letter does touch an agent.
    glued = _one_of(by_role[Role.AGENT]).replace("(?<![a-z])", "")
    agent = rf"(?:(?<![a-z]){glued})"
    agents = rf"{agent}(?:{_BREAK}(?:{link}{_GAP})*{agent})*"
    alone = rf"(?:(?:(?<=t1)|(?<![a-z0-9]))c(?![a-z0-9])|(?!c(?![a-z])){agent})"
    reach = rf"{_BREAK}(?:{link}{_GAP})*{agents}"
    joined = rf"(?=[\s.,;()/&\-]*(?:(?:and|und|et|y|e|en|u|ou|or|vs)\s+|&\s*|/\s*)(?:{without}|{with_agent}))"
    last = r"(?=[\s.,;:()\]\-]*$)"
    w = r"(?<![a-z])w(?![a-z/])"  # at the end it is the w of "T1 W"
    treatments = _one_of([word for words in _TREATMENTS.values() for word in words.split("|")]).replace(
        "(?<![a-z])", ""
    )
    other = rf"(?<![a-z])(?:{_AROUND}){_GAP}{treatments}|{_one_of(by_role[Role.OTHER])}|\+\s*/\s*-{_BREAK}{agents}"
    before = "|".join((
        rf"{without}(?:{reach}|{last}|{joined})",
        rf"(?<![a-z])(?:non|no|un){glued}(?:{reach})?",
        rf"(?<![a-z])(?:pre|prae|pra){glued}(?:{reach})?",
        rf"{plain_words}(?:{reach})?",
        rf"(?<=\s)-(?=\S){agents}",
        rf"{agent}\s?-(?=[\s)]|$)",
        rf"{agent}\s?\(-\)",
        rf"{agent}{_BREAK}{_one_of(by_role[Role.NOT])}{last}",
    ))  # fmt: skip
    after = "|".join((
        rf"{with_agent}{reach}",
        rf"(?!{w}){with_agent}(?:{last}|{joined})",
        rf"(?<![a-z])(?:post|pos){glued}(?:{reach})?",
        rf"{enhanced}(?:{reach})?",
        rf"{agent}\s?\+",
        rf"{alone}(?:{_BREAK}(?:{link}{_GAP})*{agent})*",
    ))  # fmt: skip
    return re.compile(rf"(?P<other>{other})|(?P<before>{before})|(?P<after>{after})")
