"""The pages as a reader meets them, in a headless Chromium: input, looks, access, and that nothing leaves the file."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from braintumorseg import Segmentation, load_pretrained, make_study, write_report
from braintumorseg.cohort import associate, write_association
from braintumorseg.evaluation import (
    classify_slices,
    find_disagreements,
    write_disagreements,
    write_slice_classification,
)
from braintumorseg.report import IndexEntry, write_index
from browser import browser  # noqa: F401 - a fixture

NAME = 'case <b>&"1"'
PHONE = (390, 844)
PICTURES = ("disagreements.html", "association.html", "detection.html")

# Texts whose contrast with what is behind them is below 4.5 to 1 (WCAG 2.2 AA), those over images left out.
CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (colour) => {
  const [r, g, b] = colour.slice(0, 3).map((value) => {
    value /= 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = parse(getComputedStyle(each).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const low = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = texts.nextNode(); text; text = texts.nextNode()) {
  const element = text.parentElement;
  if (!text.data.trim() || !element.checkVisibility() || element.closest(".viewer, script, .unseen")) continue;
  const pair = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < 4.5) low.push(`${text.data.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
}
return low;
"""


def make_case():
    study = make_study(seed=3, shape=(10, 96, 96))
    probabilities = np.clip(ndimage.gaussian_filter(study.mask.astype(np.float32), (0, 1.5, 1.5)), 0, 1)
    segmentation = Segmentation(
        probabilities > 0.4,
        probabilities,
        geometry=study.geometry,
        name=NAME,
        notes=("slice 3 is missing",),
        uncertainty=4 * probabilities * (1 - probabilities),
        agreement={"mirrored": 0.97, "without t1": 0.81},
    )
    return study, segmentation


@pytest.fixture(scope="module")
def case():
    return make_case()


@pytest.fixture(scope="module")
def pages(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    study, segmentation = case
    write_report(study, segmentation, folder / "report.html", segmenter=load_pretrained("resunet-lgg-small"))
    entries = [IndexEntry.of(study, segmentation, report="report.html")]
    for seed, name in ((1, "case 10"), (2, "case 2")):
        other = make_study(seed=seed, shape=(6, 64, 64))
        mask = other.mask if seed == 1 else other.mask & False
        entries.append(
            IndexEntry.of(other, Segmentation(mask, geometry=other.geometry, name=name), report=f"{seed}.html")
        )
    write_index(entries, folder / "index.html", title="A batch")
    write_disagreements(find_disagreements([(study, segmentation)], confidence=0.6), folder)
    random = np.random.default_rng(0)
    features = pd.DataFrame({NAME: random.random(40), "bevr": random.random(40)})
    clusters = pd.DataFrame({"RNASeqCluster": random.integers(1, 4, 40), "COCCluster": random.integers(1, 3, 40)})
    write_association(associate(features, clusters, permutations=9), folder, source=NAME, published=True)
    scored = [(study, segmentation.probabilities.max(axis=(1, 2)) * random.random(10))]
    write_slice_classification(classify_slices(scored, by=NAME), folder, overwrite=True)
    return folder


@pytest.fixture
def report(browser, pages):  # noqa: F811
    browser.resize(1280, 1000)
    browser.theme("light")
    browser.open(pages / "report.html")
    return browser


@pytest.fixture
def index(browser, pages):  # noqa: F811
    browser.resize(1280, 1000)
    browser.theme("light")
    browser.open(pages / "index.html")
    return browser


def where(page):
    return page.run("return Number(document.getElementById('slice').value) - 1")


def slide(page, index):
    page.run(
        "const s = document.getElementById('slice'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))",
        index + 1,
    )


def shown(page):
    """What is on the screen: alternative text, image, outline, map."""
    return page.run(
        "const at = (id) => document.getElementById(id);"
        "return {alt: at('image').alt, image: at('image').src, found: at('found').getAttribute('d'),"
        " truth: at('truth').getAttribute('d'), map: at('map').hidden ? null : at('map').src,"
        " opacity: at('map').style.opacity, ramp: at('ramp').checkVisibility() ? at('ramp').textContent : null,"
        " width: at('image').naturalWidth, lines: document.querySelectorAll('#across line').length}"
    )


def focus(page, selector):
    page.run("document.querySelector(arguments[0]).focus()", selector)


def test_it_starts_where_the_tumour_is_largest(report, case):
    areas = case[1].mask.sum(axis=(1, 2))
    start = int(areas.argmax())
    assert where(report) == start
    assert shown(report)["alt"].startswith(f"FLAIR, slice {start + 1} of 10, tumour area ")
    assert shown(report)["width"] == 96
    assert shown(report)["found"].startswith("M")


def test_everything_works_without_an_error_and_without_a_request(report):
    """Every slice, sequence and map is shown; nothing but the file itself and what it holds is asked for."""
    decoded = report.run(
        """
        const slider = document.getElementById("slice");
        const pictures = ["image", "map"].map((id) => document.getElementById(id));
        const boxes = [...document.querySelectorAll("input[type=checkbox]")];
        return (async () => {
          let decoded = 0;
          for (const radio of document.querySelectorAll("input[type=radio]")) {
            radio.click();
            for (const box of boxes) box.click();
            for (let slice = 1; slice <= 10; slice += 1) {
              slider.value = slice;
              slider.dispatchEvent(new Event("input"));
              for (const picture of pictures.filter((each) => !each.hidden)) {
                await picture.decode();
                decoded += 1;
              }
            }
          }
          return decoded;
        })()
        """
    )
    assert decoded >= 30
    assert [entry for entry in report.log("browser") if entry["level"] != "INFO"] == []
    requests = report.requests()
    assert requests[0].startswith("file://")
    assert {url.partition(":")[0] for url in requests[1:]} <= {"data"}


def test_slider(report, case):
    slide(report, 1)
    assert where(report) == 1
    assert "slice 2 of 10" in shown(report)["alt"]
    assert report.run("return document.getElementById('where').textContent") == "slice 2 of 10"
    focus(report, "#slice")
    report.press("Right", "Right")
    assert where(report) == 3
    assert "slice 4 of 10" in shown(report)["alt"]


def test_the_outline_is_the_mask_s(report, case):
    """It encloses the centres of the mask's voxels and no others, slice by slice."""
    _, segmentation = case
    for index, mask in enumerate(segmentation.mask):
        slide(report, index)
        path = shown(report)["found"]
        assert bool(path) == bool(mask.any())
        grid = report.run(
            "const p = new Path2D(document.getElementById('found').getAttribute('d')), c = document.createElement('canvas');"
            "const x = c.getContext('2d'), rows = [];"
            "for (let r = 0; r < 96; r++) { let row = ''; for (let k = 0; k < 96; k++)"
            " row += x.isPointInPath(p, k, r, 'evenodd') ? 1 : 0; rows.push(row); } return rows"
        )
        inside = np.array([[int(value) for value in row] for row in grid], bool)
        np.testing.assert_array_equal(inside, mask)


def test_keys_on_the_image(report):
    focus(report, "#viewer")
    start = where(report)
    report.press("Right")
    assert where(report) == start + 1
    report.press("Left", "Left")
    assert where(report) == start - 1
    report.press("Home")
    assert where(report) == 0
    report.press("Left")
    assert where(report) == 0
    report.press("End")
    assert where(report) == 9
    report.press("1")
    assert shown(report)["alt"].startswith("T1 before contrast, slice 10")
    report.press("p")
    assert report.run("return document.getElementById('show-probabilities').checked")
    report.press("m")
    assert shown(report)["found"] == ""


def test_keys_elsewhere_do_nothing(report):
    start = where(report)
    focus(report, "input[name=sequence]:checked")
    report.press("m", "p")
    assert where(report) == start
    assert shown(report)["found"] != ""
    assert shown(report)["map"] is None


def test_sequences(report):
    images = set()
    for value, label in (("t1", "T1 before contrast"), ("flair", "FLAIR"), ("t1ce", "T1 after contrast")):
        report.click(f"label:has([value={value}])")
        assert shown(report)["alt"].startswith(f"{label}, slice")
        images.add(shown(report)["image"])
    assert len(images) == 3


def test_toggles_and_opacity(report):
    before = shown(report)
    assert (before["map"], before["ramp"], before["lines"]) == (None, None, 0)
    assert before["truth"] != ""
    assert report.run("return document.getElementById('opacity').disabled")
    report.click("label:has(#show-probabilities)")
    probability = shown(report)
    assert probability["map"].startswith("data:image/png")
    assert "probability" in probability["ramp"]
    assert probability["opacity"] == "0.6"
    focus(report, "#opacity")
    report.press("End")
    assert shown(report)["opacity"] == "1"
    report.click("label:has(#show-uncertainty)")
    uncertainty = shown(report)
    assert "uncertainty" in uncertainty["ramp"]
    assert uncertainty["map"] != probability["map"]
    assert not report.run("return document.getElementById('show-probabilities').checked")
    report.click("label:has(#show-uncertainty)")
    report.click("label:has(#show-mask)")
    report.click("label:has(#show-truth)")
    after = shown(report)
    assert (after["map"], after["ramp"], after["found"], after["truth"]) == (None, None, "", "")
    assert after["image"] == before["image"]


def test_diameters_are_drawn_on_their_slice(report):
    report.click("label:has(#show-diameters)")
    place = report.run("return JSON.parse(document.getElementById('data').textContent).diameters.slice")
    for index, lines in ((place, 2), (0, 0)):
        slide(report, index)
        assert shown(report)["lines"] == lines


def test_a_finger_moves_through_the_slices(report):
    report.resize(*PHONE, phone=True)
    start = where(report)
    box = report.run(
        "const b = document.getElementById('viewer').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]"
    )
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2

    def touch(kind, dx):
        points = [] if kind == "touchEnd" else [{"x": x + dx, "y": y}]
        report.protocol("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    touch("touchStart", 0)
    for dx in (10, 30, 60, round(2 * box[2] / 10)):
        touch("touchMove", dx)
    touch("touchEnd", 0)
    assert where(report) == start + 2


@pytest.mark.parametrize("page", ["report.html", "index.html", *PICTURES])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_looks(browser, pages, page, theme):  # noqa: F811
    """In both themes and on a phone: enough contrast, no text cut off at the side, targets large enough for a finger."""
    browser.theme(theme)
    browser.open(pages / page)
    for size in ((1280, 1000), PHONE):
        browser.resize(*size, phone=size is PHONE)
        assert browser.run(CONTRAST) == []
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        small = browser.run(
            "return [...document.querySelectorAll('input[type=range], .choice, select, button, a')]"
            ".filter((e) => e.checkVisibility({visibilityProperty: true}) && e.getBoundingClientRect().height < 24)"
            ".map((e) => e.outerHTML.slice(0, 80))"
        )
        assert small == []
    back = browser.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(back) > 600) == (theme == "light")


@pytest.mark.parametrize("page", ["report.html", "index.html"])
def test_everything_that_takes_input_has_a_name_and_shows_the_focus(browser, pages, page):  # noqa: F811
    browser.resize(1280, 1000)
    browser.open(pages / page)
    browser.protocol("Accessibility.enable")
    nodes = browser.protocol("Accessibility.getFullAXTree")["nodes"]
    taking = {"slider", "radio", "checkbox", "button", "link", "combobox"}
    named = [
        (each["role"]["value"], each["name"]["value"]) for each in nodes if each.get("role", {}).get("value") in taking
    ]
    assert len(named) >= 8
    assert all(name for _, name in named)
    if page == "report.html":
        assert ("slider", "Slice") in named
    focused = set()
    for _ in range(len(named) + 3):
        browser.press("Tab")
        ring = browser.run(
            "const e = document.activeElement, s = getComputedStyle(e);"
            "return [e.id || e.textContent || e.value, s.outlineStyle, parseFloat(s.outlineWidth), e === document.body]"
        )
        if not ring[3]:
            assert ring[1] != "none", ring
            assert ring[2] >= 1, ring
            focused.add(ring[0])
    assert len(focused) >= (6 if page == "report.html" else 11)


@pytest.mark.parametrize("page", PICTURES)
def test_pages_of_pictures_show_them_and_ask_for_nothing(browser, pages, page):  # noqa: F811
    browser.resize(1280, 1000)
    browser.open(pages / page)
    shown = browser.run(
        "return [...document.images].map((each) => [each.complete && each.naturalWidth > 300, each.alt])"
    )
    assert shown
    assert all(complete and alt for complete, alt in shown)
    assert browser.run("return document.querySelectorAll('b, script').length") == 0
    assert [entry for entry in browser.log("browser") if entry["level"] != "INFO"] == []
    assert {url.partition(":")[0] for url in browser.requests()[1:]} <= {"data"}


@pytest.mark.parametrize(("page", "selector"), [("report.html", "h1"), ("index.html", "tbody a[href='report.html']")])
def test_names_are_text(browser, pages, page, selector):  # noqa: F811
    browser.open(pages / page)
    assert browser.run("return document.querySelector(arguments[0]).textContent", selector) == NAME
    assert browser.run("return document.querySelectorAll('b').length") == 0


def rows(page):
    return page.run("return [...document.querySelectorAll('tbody tr')].map((row) => row.cells[0].innerText.trim())")


def test_index_is_sorted_by_any_column(index):
    quality = ["case 2", NAME, "case 10"]
    assert rows(index) == quality  # nothing found, variants that disagree, nothing to say
    index.click("thead button[data-column='0']")
    assert [name for name in rows(index) if name != NAME] == ["case 2", "case 10"]  # numbers by their value
    assert index.run("return document.querySelector('[aria-sort]').textContent.trim()") == "Study"
    first = rows(index)
    index.click("thead button[data-column='0']")
    assert rows(index) == first[::-1]
    index.click("thead button[data-column='4']")  # longest diameter: none of what was not found
    assert rows(index)[-1] == "case 2"
    index.click("thead button[data-column='4']")
    assert rows(index)[-1] == "case 2"
    focus(index, "thead button[data-column='1']")
    index.press("Enter")
    assert rows(index)[0] == "case 2"
    assert "sorted by Size, ascending" in index.run("return document.getElementById('said').textContent")
    assert index.log("browser") == []
    assert {url.partition(":")[0] for url in index.requests()[1:]} <= {"data"}


def test_index_on_a_phone(index):
    index.resize(*PHONE, phone=True)
    index.run(
        "const s = document.getElementById('order'); s.value = '6 descending'; s.dispatchEvent(new Event('change'))"
    )
    assert rows(index) == ["case 10", NAME, "case 2"]
    assert index.run("return document.getElementById('order').checkVisibility()")


def test_index_leads_to_the_report(index):
    index.click("tbody a[href='report.html']")
    assert index.run("return document.querySelector('h1').textContent") == NAME
