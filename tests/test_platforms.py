"""Other systems: their line ends and byte order marks, narrow consoles, read-only folders, names in any script."""

import ast
import ctypes
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from braintumorseg import (
    DataError,
    LGGDataset,
    load_pretrained,
    read_study,
    save_overlay,
    write_report,
    write_segmentation,
)
from braintumorseg.study import Segmentation
from braintumorseg.training import TrainConfig
from cases import write_case

ROOT = Path(__file__).parents[1]
CODE = sorted(path for folder in ("src", "tools", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
NAME = "Pätient 1 € 患者"


def as_windows(path):
    """Rewrite a text file as an editor on Windows leaves it: a byte order mark, and two characters at the end of a line."""
    text = path.read_text(encoding="utf-8")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())


def test_text_files_are_read_and_written_as_utf_8():
    """The default encoding is another one on some systems. Ruff checks paths that it knows as such; this, all."""
    assert CODE
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("read_text", "write_text"):
                named = [keyword.arg for keyword in node.keywords]
                assert "encoding" in named, f"{path}:{node.lineno}"


def test_configuration_edited_on_windows(tmp_path):
    config = TrainConfig.read("resunet-lgg")
    as_windows(config.write(tmp_path / "mine.toml"))
    assert TrainConfig.read(tmp_path / "mine.toml") == config


def test_clinical_table_edited_on_windows(tmp_path):
    write_case(tmp_path / "TCGA_CS_4941_19960909", seed=0)
    table = tmp_path / "data.csv"
    table.write_text("Patient,RNASeqCluster,tumor_location\nTCGA_CS_4941,2,2\n", encoding="utf-8")
    before = LGGDataset(tmp_path).table
    as_windows(table)
    pd.testing.assert_frame_equal(LGGDataset(tmp_path).table, before)
    assert len(before) == 1


def test_preset_checked_out_on_windows(tmp_path):
    """Its texts have other line ends there if Git rewrites them."""
    original = load_pretrained("resunet-lgg-small")
    folder = original.save(tmp_path / "copy")
    texts = [path for path in folder.iterdir() if path.suffix in (".json", ".md")]
    assert texts
    for path in texts:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    copy = load_pretrained(folder)
    assert copy.card == load_pretrained("resunet-lgg-small").card
    assert copy.preprocessing == original.preprocessing


@pytest.fixture(scope="module")
def patient(phantom, tmp_path_factory):
    """A study on disk whose path has spaces, an umlaut, a euro sign and Chinese characters."""
    folder = tmp_path_factory.mktemp("Ordner mit Ü 目录") / NAME
    folder.mkdir()
    path = folder / f"{NAME}.nii.gz"
    nib.save(nib.Nifti1Image(phantom.geometry.to_file(phantom.volume), phantom.geometry.file_affine), path)
    return path


def test_names_in_any_script_on_a_narrow_console(patient, tmp_path):
    """A console of western Windows can't show Chinese: nothing fails for that, and files keep their names."""
    output = tmp_path / "Ergebnisse für 患者"
    command = [sys.executable, "-m", "braintumorseg", "predict", patient, "-o", output, "--overlay", "--report"]
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode("cp1252")
    assert "Pätient 1 € " in done.stdout.decode("cp1252")
    names = {path.name for path in output.iterdir()}
    assert names >= {f"{NAME}_mask.nii.gz", f"{NAME}_overlay.png", f"{NAME}_report.html"}
    assert NAME in (output / f"{NAME}_report.html").read_text(encoding="utf-8")


def test_dataset_with_a_name_in_another_script(tmp_path):
    root = tmp_path / "データ セット"
    write_case(root / "TCGA_CS_4941_19960909", seed=0)
    (study,) = LGGDataset(root)
    assert study.mask.any()


@contextmanager
def bound_by_permissions():
    """Let permissions bind the superuser too, who else writes past them; reading past them stays.

    So the checkout may lie in a folder that others may not enter, and what is imported meanwhile is found.
    """
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("the superuser can't be bound here")
    version, dac_override = 0x20080522, 1 << 1  # linux/capability.h
    header, sets = (ctypes.c_uint32 * 2)(version, 0), (ctypes.c_uint32 * 6)()
    kernel = ctypes.CDLL(None)
    assert kernel.capget(header, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~dac_override
    assert kernel.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert kernel.capset(header, sets) == 0


@pytest.fixture
def locked(tmp_path):
    """A folder that can be read and entered, but not written to."""
    if os.name == "nt":
        pytest.skip("Windows has no such permission for folders")
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    with bound_by_permissions():
        with pytest.raises(PermissionError):
            (folder / "file").touch()
        yield folder
    folder.chmod(0o755)


WRITERS = {
    "mask.nii.gz": lambda study, found, path: write_segmentation(found, path),
    "overlay.png": save_overlay,
    "report.html": write_report,
    "mine.toml": lambda study, found, path: TrainConfig.read("resunet-lgg").write(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_read_only_folder_is_named(locked, phantom, name):
    found = Segmentation(phantom.mask, phantom.mask.astype(np.float32), phantom.spacing, geometry=phantom.geometry)
    with pytest.raises(DataError, match=rf"{name}: can't be written \(Permission denied\)"):
        WRITERS[name](phantom, found, locked / name)
    assert list(locked.iterdir()) == []


def test_studies_are_read_from_a_read_only_folder(phantom):
    with TemporaryDirectory() as name:
        path = Path(name) / "patient.nii.gz"
        nib.save(nib.Nifti1Image(phantom.geometry.to_file(phantom.volume), phantom.geometry.file_affine), path)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        study = read_study(path)
        assert [each.name for each in path.parent.iterdir()] == ["patient.nii.gz"]  # nothing was left beside it
        path.parent.chmod(0o755)
        path.chmod(0o644)
    np.testing.assert_array_equal(study.volume, phantom.volume)
