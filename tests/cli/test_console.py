"""Streams of a process of its own: encodings that lack a character, names with spaces and letters of all scripts."""

import os
import re
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from braintumorseg import make_study


def run(*arguments, cwd, encoding="utf-8"):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "200"}
    command = [sys.executable, "-m", "braintumorseg", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=False)
    done.stdout, done.stderr = (stream.decode(encoding) for stream in (done.stdout, done.stderr))
    return done


def write_slice(folder, number=1):
    folder.mkdir(parents=True)
    image = make_study(1, shape=(2, 64, 64)).volume[0].round().astype(np.uint8)
    Image.fromarray(image).save(folder / f"{folder.name}_{number}.tif")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("name", ["患者 1", "Łukasz Žák"])
def test_a_name_outside_the_console_s_encoding_is_no_error(tmp_path, encoding, name):
    write_slice(tmp_path / "in put" / name)
    arguments = ("--preset", "resunet-lgg-small", "--report")
    done = run("predict", "in put", "-o", "out put", *arguments, cwd=tmp_path, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert name.encode(encoding, errors="replace").decode(encoding) in done.stdout
    assert nib.load(tmp_path / "out put" / f"{name}_mask.nii.gz").shape[2] == 1
    assert name in (tmp_path / "out put" / f"{name}_report.html").read_text(encoding="utf-8")
    again = run("predict", "in put", "-o", "out put", *arguments, cwd=tmp_path, encoding=encoding)
    assert (again.returncode, again.stdout, len(again.stderr.splitlines())) == (2, "", 1)
    assert "already exists" in again.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_help_and_cards_fit_into_each_encoding(tmp_path, encoding):
    for arguments in (("predict", "-h"), ("zoo", "list"), ("zoo", "show", "resunet-lgg")):
        done = run(*arguments, cwd=tmp_path, encoding=encoding)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_is_no_traceback(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write_slice(folder / os.fsdecode(b"\xff"))
    masks = run("predict", folder, "-o", "masks", cwd=tmp_path)
    assert (masks.returncode, masks.stderr) == (0, "")
    pages = run("predict", folder, "-o", "pages", "--measures", "--report", cwd=tmp_path)
    assert pages.returncode == 1
    assert re.fullmatch(r"braintumorseg: error: names must be in UTF-8; got '.*\\udcff.*'\n", pages.stderr)


def test_output_to_a_closed_pipe_is_no_traceback(tmp_path):
    command = f"{sys.executable} -m braintumorseg zoo list | true"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
