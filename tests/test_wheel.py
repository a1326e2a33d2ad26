"""The wheel, installed alone: it holds what it should, and does the main job."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import nibabel as nib
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "braintumorseg"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """What `make build` built, or else a wheel that is built here, without network."""
    dist = os.environ.get("BRAINTUMORSEG_DIST")
    if dist is None:
        dist = tmp_path_factory.mktemp("dist")
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, ROOT]
        subprocess.run(command, check=True, capture_output=True)
    (wheel,) = Path(ROOT, dist).glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of a new environment that holds the wheel, and sees the packages that it needs where they are.

    They are on the path as a plain folder: an editable install of this package, which is a .pth file there, is not seen.
    """
    venv = tmp_path_factory.mktemp("wheel") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    query = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip())
    (packages / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return python


def run(*command):
    """Run without what points this process at the checkout."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_wheel_holds_the_package_whole_and_nothing_else(wheel):
    files = [path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {path.relative_to(SOURCE.parent).as_posix() for path in files}
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert {f"braintumorseg/{name}" for name in ("py.typed", "__init__.pyi", "datasets/project_split.json")} <= names
    for preset in (SOURCE / "presets" / "weights").iterdir():
        for file in ("braintumorseg.json", "model.safetensors"):
            assert f"braintumorseg/presets/weights/{preset.name}/{file}" in names
    assert "braintumorseg/training/recipes/resunet-lgg.toml" in names
    assert not [name for name in names if "test" in name]
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


def test_wheel_alone_does_the_main_job(python, tmp_path):
    where = run(python, "-c", "import braintumorseg; print(braintumorseg.__file__)")
    assert Path(where.strip()).is_relative_to(python.parents[1])
    said = run(python.with_name("braintumorseg"), "demo", "-o", "demo")
    assert "Dice per patient over whole volumes" in said
    assert nib.load(tmp_path / "demo" / "phantom-0_mask.nii.gz").get_fdata().any()
    assert (tmp_path / "demo" / "phantom-0_overlay.png").is_file()
    assert run(python, "-m", "braintumorseg", "zoo", "verify").count(": as published") >= 2
