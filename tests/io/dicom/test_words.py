"""Each word of the table, and whole descriptions as scanners of seven languages have them."""

import pytest

from braintumorseg.io.dicom.words import Role, rows, says

LANGUAGES = {"", "en", "de", "fr", "es", "it", "pt", "nl"}
EXPECTED = {
    Role.BEFORE_AGENT: ("AX T1 {} gadolinium", {"before"}),
    Role.WITH_AGENT: ("AX T1 {} gadolinium", {"after"}),
    Role.PLAIN: ("AX T1 {}", {"before"}),
    Role.ENHANCED: ("AX T1 {}", {"after"}),
    Role.AGENT: ("AX T1 {}", {"after"}),
    Role.NOT: ("AX T1 gadolinium {}", {"before"}),
    Role.LINK: ("AX T1 without {} gadolinium", {"before"}),
    Role.OTHER: ("AX T1 {}", set()),
}


@pytest.mark.parametrize(
    "row", sorted(set(rows()), key=str), ids=lambda row: f"{row.language}-{row.word}-{row.role.name}"
)
def test_each_row_says_what_its_role_says(row):
    assert row.language in LANGUAGES
    text, expected = EXPECTED[row.role]
    assert says(text.format(row.word.removesuffix("*"))) == expected
    assert says(text.format(row.word.removesuffix("*").upper()).replace(" ", "_")) == expected


@pytest.mark.parametrize(
    "row", [row for row in rows() if row.role is Role.AGENT], ids=lambda row: row.language + row.word
)
def test_each_agent_follows_what_is_in_front_of_it(row):
    agent = row.word.removesuffix("*")
    for text in (
        "without {}",
        "no {}",
        "pre {}",
        "ohne {}",
        "vor {}",
        "sans {}",
        "sin {}",
        "senza {}",
        "sem {}",
        "zonder {}",
        "{}-",
    ):
        assert says("T1 " + text.format(agent)) == {"before"}, text
    for text in ("+{}", "+ {}", "{}+", "with {}", "post {}", "nach {}", "avec {}", "con {}", "com {}", "met {}"):
        assert says("T1 " + text.format(agent)) == {"after"}, text


def test_every_language_says_both():
    for language in LANGUAGES - {""}:
        roles = {row.role for row in rows() if row.language == language}
        assert {Role.BEFORE_AGENT, Role.WITH_AGENT, Role.AGENT} <= roles, language


BEFORE = """T1 non-enhanced|T1 unenhanced|T1 before contrast|T1 before contrast injection|SAG T1 PRE GAD|T1 W/O CONTRAST|T1 wo
T1 C(-)|T1 Gd (-)|T1 KM neg|T1_KM_negativ|T1 contrast: none|T1 Gd ohne|T1 av gado|T1 smdc
T1 C-|T1 -C|T1 Gd-|T1 no gd|T1 nogad|T1_MPRAGE_precontrast_prescan|T1 w/o IV contrast|T1 not enhanced|T1 noncon|AXIAL T1 WITHOUT
T1 ohne KM|T1 vor KM|T1 vor KM-Gabe|T1 vor i.v. Gabe von KM|T1 nativ|T1 tra oKM|T1 praekontrast|T1 prä KM|T1 ohne Kontrastmittel
T1 sans gado|T1 sans injection|T1 non injecté|T1 avant injection de gado|T1 pré
T1 sin contraste|T1 antes de la administración de contraste|T1 s/c|T1 senza mdc|T1 prima del mezzo di contrasto
T1 sem contraste|T1 pré-contraste|T1 zonder contrast|T1 voor contrastmiddel|T1 blanco"""
AFTER = """T1CE|T1c|T1Gd|T1_C|T1w_CE|T1wGd|MPRAGE Dotarem|AX T1 +C PREOP|T1 post gad prescan norm|t1_post_prescan_norm
T1 post op +C|T1 AX POST|AX T1 +C|T1 C+|T1-C|T1 (C+)|T1 - Gd|T1+|T1 w contrast|T1 w/ con|3D T1 GADO
T1 Gd post RT|T1 Gadovist 7ml|T1 POSTGADO
t1_mprage_sag_km|T1 nach KM-Gabe|KM+ T1|T1 mKM|T1 Postkontrast|T1 après inj|T1 injectée|T1 avec PDC
T1 tras gadolinio|T1 avec IV|T1 nach KM i.v.|T1 cmdc
T1 contrastado|T1 c/c|T1 dopo mdc|T1 con mdc|T1 m.d.c.|T1 PÓS GD|T1 após contraste|T1 na contrast
T1 tra na"""
NEITHER = """AX T1|T1W|T1 W|AX T1WI|T1 with fat sat|T1 without fatsat|T1 postop|T1 POST-OP|T1 preop|T1 post biopsy
T1 posterior fossa|SAG T1 C SPINE|T1 +/- C|T1 IR-prep|T1 pre RT|T1 nach Bestrahlung|T1 vor OP
T1 prescan normalize|CT1|T1 precession"""
BOTH = "T1 with and without contrast|T1 w/wo contrast|T1 senza e con mdc|T1 sin y con contraste|T1 pre and post gad"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(BEFORE, {"before"}), (AFTER, {"after"}), (NEITHER, set()), (BOTH, {"before", "after"})],
    ids=["before", "after", "neither", "both"],
)
def test_descriptions_say_what_a_reader_takes_them_to_say(texts, expected):
    found = {text: set(says(text)) for text in texts.replace("\n", "|").split("|")}
    assert {text: said for text, said in found.items() if said != expected} == {}


def test_long_descriptions_take_no_time():
    assert says("T1 " + "without the of " * 100_000) == set()
