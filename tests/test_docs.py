"""The docs name every public name, and nothing else; no page shows code or commands that can't be; the README's code runs."""

import ast
import importlib
import inspect
import operator
import re
import shlex
from functools import cache
from pathlib import Path
from textwrap import dedent

import nibabel as nib
import pytest
import typer

import braintumorseg
from braintumorseg import list_pretrained, load_pretrained
from braintumorseg.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_reference_holds_every_public_name_once():
    pages = "\n".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
    named = re.findall(r"^::: braintumorseg\.([\w.]+)$", pages, re.MULTILINE)
    assert sorted(named) == sorted(public_names())


def public_names():
    """Every class and function at the top, and those of the namespaces that are not at the top too."""
    top = {name: getattr(braintumorseg, name) for name in set(braintumorseg.__all__) - {"__version__"}}
    yield from (name for name, value in top.items() if not inspect.ismodule(value))
    for namespace, module in top.items():
        for name in module.__all__ if inspect.ismodule(module) else ():
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isfunction(value)) and not any(
                value is each for each in top.values()
            ):
                yield f"{namespace}.{name}"


@pytest.mark.parametrize("name", sorted(public_names()))
def test_public_name_has_a_first_line(name):
    value = operator.attrgetter(name)(braintumorseg)
    assert len(inspect.getdoc(value).splitlines()[0]) > 10


def blocks(page, language):
    found = re.findall(rf"^( *)```{language}\b[^\n]*\n(.*?)^\1```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [dedent(block) for _, block in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_of_a_page_imports_what_there_is(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("braintumorseg"):
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_can_be_parsed(page):
    for line in "\n".join(blocks(page, "console")).replace("\\\n", " ").splitlines():
        _, ours, arguments = line.partition("$ braintumorseg ")
        if not ours:
            continue
        words = shlex.split(re.sub(r"\[([^]]*)\]", r"\1", arguments).replace("@revision", ""), comments=True)
        command = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("braintumorseg", words)  # fails on options and arguments that are not there


MESSAGES = re.findall(r"^### (`.+)$", (ROOT / "docs/how-to/troubleshooting.md").read_text(), re.MULTILINE)
OTHERS = ("Could not find cuda drivers on your machine", "GPU memory")  # TensorFlow's


@pytest.mark.parametrize("heading", [text for text in MESSAGES if not any(other in text for other in OTHERS)])
def test_troubleshooting_quotes_messages_that_there_are(heading):
    """Every piece between what differs stands in the source, as text that an error is made of."""
    for piece in re.split(r"…| must be |; got ", heading.strip("`")):
        words = piece.strip(" :;()")
        assert len(words) < 6 or words in texts_of_source(), words


@cache
def texts_of_source():
    """All texts of the package, holes of f-strings as one character, adjacent texts joined."""
    texts = []
    for path in Path(braintumorseg.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_readme_s_python_runs(phantom, tmp_path):
    nib.save(nib.Nifti1Image(phantom.geometry.to_file(phantom.volume), phantom.geometry.file_affine), "patient.nii.gz")
    python = blocks(ROOT / "README.md", "python")
    assert len(python) == 2
    for block in python:
        exec(block.replace('"patient-folder"', '"patient.nii.gz"'), {})
    assert {path.name for path in tmp_path.iterdir()} >= {"mask.nii.gz", "overlay.png"}


@pytest.mark.parametrize("name", list_pretrained().index)
def test_readme_s_figures_are_those_of_the_cards(name):
    mean, median = (score.value for score in load_pretrained(name).card.scores[:2])
    (row,) = re.findall(rf"^\| `{name}` \|.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert f"| mean {mean:.3f}, median {median:.3f} |" in row


def test_citation_has_the_version():
    assert f"version: {braintumorseg.__version__}\n" in (ROOT / "CITATION.cff").read_text()
