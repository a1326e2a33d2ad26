import re
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

import braintumorseg
from braintumorseg import DataError
from braintumorseg._core.page import render, write_page

SOURCE = Path(braintumorseg.__file__).parent
TEMPLATES = sorted(SOURCE.rglob("*.html"))
PAGE = "evaluation/slices/detection.html"
HOSTILE = "</script><script>alert(1)</script><b title='x'>&amp;\""


def test_text_is_escaped_wherever_it_stands():
    page = render(PAGE, summary=[HOSTILE], pictures=[(HOSTILE, "data:,", HOSTILE)])
    assert "<script" not in page
    assert "<b " not in page
    assert page.count("&lt;b title=&#39;x&#39;&gt;&amp;amp;&#34;") == 3


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_trust_nothing_but_the_package_s_own_files(path):
    text = path.read_text(encoding="utf-8")
    trusted = re.findall(r"\{\{[^}]*\| *safe *\}\}", text)
    assert all(re.fullmatch(r'\{\{ package_file\("[\w/.]+"\) \| safe \}\}', each) for each in trusted)
    assert not re.search(r"autoescape|Markup", text)


def test_pages_without_a_script_allow_none():
    assert "script-src" not in render(PAGE, summary=[], pictures=[])


def test_a_value_that_nobody_gave_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="summary"):
        render(PAGE, pictures=[])


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "page.html"
    with pytest.raises(jinja2.UndefinedError):
        write_page(path, PAGE, overwrite=False, summary=[])
    assert list(tmp_path.iterdir()) == []
    write_page(path, PAGE, overwrite=False, summary=["é"], pictures=[])
    assert "<li>é</li>" in path.read_text(encoding="utf-8")
    with pytest.raises(DataError, match="already exists"):
        write_page(path, PAGE, overwrite=False, summary=[], pictures=[])


def test_drawing_and_pages_load_their_packages_at_first_use():
    script = (
        "import sys, braintumorseg._core.draw, braintumorseg._core.page, braintumorseg._core.tables\n"
        "print([name for name in ('jinja2', 'matplotlib', 'PIL', 'skimage', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
