"""The docs name every public name, and nothing else; the README's code runs."""

import re
from pathlib import Path

import nibabel as nib
import pytest

import braintumorseg

ROOT = Path(__file__).parents[1]


def test_reference_holds_every_public_name_once():
    pages = "\n".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
    named = re.findall(r"^::: braintumorseg\.(\w+)$", pages, re.MULTILINE)
    assert sorted(named) == sorted(set(braintumorseg.__all__) - {"__version__"})


@pytest.mark.parametrize("name", sorted(set(braintumorseg.__all__) - {"__version__", "DataError"}))
def test_public_name_has_what_its_page_shows(name):
    assert len(getattr(braintumorseg, name).__doc__.splitlines()[0]) > 10


def test_readme_s_python_runs(phantom, tmp_path):
    nib.save(nib.Nifti1Image(phantom.geometry.to_file(phantom.volume), phantom.geometry.file_affine), "patient.nii.gz")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block.replace('"patient-folder"', '"patient.nii.gz"'), {})
    assert {path.name for path in tmp_path.iterdir()} >= {"mask.nii.gz", "overlay.png"}


def test_citation_has_the_version():
    assert f"version: {braintumorseg.__version__}\n" in (ROOT / "CITATION.cff").read_text()
