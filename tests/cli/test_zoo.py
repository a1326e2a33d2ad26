"""``braintumorseg zoo`` as a user meets it."""

import re
import shutil
from pathlib import Path

import pytest

from braintumorseg import list_pretrained, load_pretrained
from braintumorseg.presets import bundled
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE
from command_line import run


def flat(text):
    return " ".join(text.split())


def test_list_has_every_preset_with_its_figure_and_convention():
    done = run("zoo", "list")
    assert (done.returncode, done.stderr) == (0, "")
    for name, row in list_pretrained().iterrows():
        assert name in done.stdout
        for fact in ("task", "input", "convention", "measured_on", "licence", "source"):
            assert row[fact] in flat(done.stdout)
        assert f"{row['dice']:.3f}" in done.stdout
        assert f"{row['parameters']:,}" in done.stdout


def test_list_by_pattern():
    done = run("zoo", "list", "resunet-l*")
    assert (done.returncode, done.stderr) == (0, "")
    assert "resunet-lgg" in done.stdout
    nothing = run("zoo", "list", "x*")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert nothing.stderr.startswith("braintumorseg: error: PATTERN must match one of resunet-lgg")


def test_a_preset_that_nobody_measured_is_listed(tmp_path, monkeypatch):
    segmenter = load_pretrained("resunet-lgg")
    segmenter.card = None
    segmenter.save(tmp_path / "presets" / "mine")
    monkeypatch.setattr(bundled, "BUNDLED", tmp_path / "presets")
    done = run("zoo", "list")
    assert "not measured" in done.stdout
    assert "nan" not in done.stdout


def test_show_prints_the_card():
    done = run("zoo", "show", "resunet-lgg")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(load_pretrained("resunet-lgg").card) in done.stdout
    assert "input: t1, flair, t1ce at 192x192" in done.stdout


def test_show_takes_a_folder(tmp_path):
    segmenter = load_pretrained("resunet-lgg")
    segmenter.name = "mine"
    segmenter.save(tmp_path / "folder")
    assert run("zoo", "show", tmp_path / "folder").stdout.splitlines()[0] == "mine"


@pytest.mark.parametrize("command", ["show", "download"])
def test_unknown_name_lists_the_known(command):
    done = run("zoo", command, "resnet")
    assert (done.returncode, done.stdout) == (2, "")
    assert "NAME must be one of " in done.stderr
    assert "resunet-lgg" in done.stderr
    assert "got 'resnet'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_download_of_what_is_in_the_package_says_so():
    done = run("zoo", "download", "resunet-lgg")
    assert (done.returncode, done.stderr) == (0, "")
    assert "resunet-lgg: comes with the package, and is verified" in done.stdout


def test_download_to_a_folder_copies(tmp_path):
    done = run("zoo", "download", "resunet-lgg", "-o", "copy", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "written to copy" in done.stdout
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        assert (tmp_path / "copy" / file).read_bytes() == (bundled.BUNDLED / "resunet-lgg" / file).read_bytes()
    again = run("zoo", "download", "resunet-lgg", "-o", "copy", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith(f"braintumorseg: error: {Path('copy', CONFIG_FILE)}: already exists; ")
    assert len(again.stderr.splitlines()) == 1
    assert run("zoo", "download", "resunet-lgg", "-o", "copy", "--overwrite", cwd=tmp_path).returncode == 0
    of_the_copy = run("zoo", "download", "copy", cwd=tmp_path)
    assert "copy: is on this machine, and verified" in of_the_copy.stdout


def test_download_to_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("zoo", "download", "resunet-lgg", "-o", tmp_path / "file" / "copy")
    assert (done.returncode, done.stdout) == (1, "")
    assert "can't be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_verify_of_whole_files():
    done = run("zoo", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name}: as published" for name in list_pretrained().index]


@pytest.mark.parametrize("file", [CONFIG_FILE, WEIGHTS_FILE])
def test_verify_names_the_damaged_file(tmp_path, monkeypatch, file):
    for name in ("a", "b"):
        shutil.copytree(bundled.BUNDLED / "resunet-lgg", tmp_path / "presets" / name)
    monkeypatch.setattr(bundled, "BUNDLED", tmp_path / "presets")
    path = tmp_path / "presets" / "b" / file
    path.write_bytes(path.read_bytes()[:-100])
    done = run("zoo", "verify")
    assert done.returncode == 1
    assert "a: as published" in done.stdout
    assert done.stderr.startswith("braintumorseg: error: 1 of 2 presets damaged; install the package again: ")
    assert str(path) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_verify_by_pattern():
    assert run("zoo", "verify", "unet*").stdout == "unet-lgg: as published\n"
    nothing = run("zoo", "verify", "x*")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "PATTERN must match one of resunet-lgg" in nothing.stderr


def test_help_names_the_commands():
    text = run("zoo", "--help").stdout
    says = re.search(r"^ *(.+) pretrained models\.$", text, re.MULTILINE)[1]
    commands = re.findall(r"^  (\w+) ", text.partition("Commands:")[2], re.MULTILINE)
    assert re.split(", | and ", says.lower()) == commands == ["list", "show", "download", "verify", "publish"]


@pytest.mark.parametrize("command", ["show", "download", "publish"])
def test_a_model_is_called_name_in_each_command(command):
    assert "NAME <str> The model. A name that zoo list prints, hf://" in flat(run("zoo", command, "-h").stdout)
