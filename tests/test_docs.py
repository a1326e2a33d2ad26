"""The docs name every public name, and nothing else; the README's code runs."""

import inspect
import operator
import re
from pathlib import Path

import nibabel as nib
import pytest

import braintumorseg
from braintumorseg import list_pretrained, load_pretrained

ROOT = Path(__file__).parents[1]


def test_reference_holds_every_public_name_once():
    pages = "\n".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
    named = re.findall(r"^::: braintumorseg\.([\w.]+)$", pages, re.MULTILINE)
    assert sorted(named) == sorted(public_names())


def public_names():
    """Every name of the face, and of the modules in it; constants are told in the docstrings of what takes them."""
    for name in set(braintumorseg.__all__) - {"__version__"}:
        value = getattr(braintumorseg, name)
        if not inspect.ismodule(value):
            yield name
            continue
        for inner, member in vars(value).items():
            ours = getattr(member, "__module__", "").startswith(value.__name__)
            if ours and not inner.startswith("_") and (inspect.isclass(member) or inspect.isfunction(member)):
                yield f"{name}.{inner}"


@pytest.mark.parametrize("name", sorted(public_names()))
def test_public_name_has_a_first_line(name):
    value = operator.attrgetter(name)(braintumorseg)
    assert len(inspect.getdoc(value).splitlines()[0]) > 10


def test_readme_s_python_runs(phantom, tmp_path):
    nib.save(nib.Nifti1Image(phantom.geometry.to_file(phantom.volume), phantom.geometry.file_affine), "patient.nii.gz")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block.replace('"patient-folder"', '"patient.nii.gz"'), {})
    assert {path.name for path in tmp_path.iterdir()} >= {"mask.nii.gz", "overlay.png"}


@pytest.mark.parametrize("name", list_pretrained().index)
def test_readme_s_figures_are_those_of_the_cards(name):
    mean, median = (figure.value for figure in load_pretrained(name).card.figures[:2])
    (row,) = re.findall(rf"^\| `{name}` \|.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert f"| mean {mean:.3f}, median {median:.3f} |" in row


def test_citation_has_the_version():
    assert f"version: {braintumorseg.__version__}\n" in (ROOT / "CITATION.cff").read_text()
