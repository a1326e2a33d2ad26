"""What each command says of folders that are absent or can't be written to, and of wrong options."""

import os

import pytest

from braintumorseg import Preprocessing, Segmenter, build_resunet
from braintumorseg.datasets import lgg_split
from cases import write_case
from command_line import run

SMALL = ("--preset", "resunet-lgg-small")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The LGG dataset's folder with a few patients, a folder of studies, a preset, and a file."""
    place = tmp_path_factory.mktemp("places")
    for seed, name in enumerate((lgg_split("train")[0], lgg_split("val")[0])):
        write_case(place / "lgg" / name, seed, slices=2)
    (place / "lgg" / "data.csv").write_text("Patient\n")
    write_case(place / "studies" / "a b", 1, slices=2)
    Segmenter(build_resunet(filters=(4, 8)), Preprocessing(size=32), name="mine").save(place / "mine")
    (place / "file").write_text("")
    return place


def output(*arguments):
    """A command line that writes to OUTPUT."""
    return (*arguments, "-o", "OUTPUT")


WRITING = [
    output("predict", "studies", *SMALL),
    output("report", "studies", *SMALL),
    output("demo", *SMALL),
    output("evaluate", "--data", "studies", *SMALL),
    output("train", "--data", "lgg"),
    output("cross-validate", "--data", "studies"),
    output("associate", "--data", "lgg"),
    output("explore", "--data", "lgg"),
    output("export", "--format", "saved_model", *SMALL),
    output("classify-slices", "--data", "lgg", *SMALL),
    output("train-slice-classifier", "--data", "lgg", *SMALL),
    output("zoo", "download", "resunet-lgg-small"),
]


def assert_one_line(done, code, message):
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert done.stderr.startswith("braintumorseg: error: ")


@pytest.mark.parametrize("command", WRITING, ids=lambda command: command[0])
def test_an_output_in_a_file_s_place_is_told_before_the_work(place, command):
    done = run(*(part.replace("OUTPUT", "file/out/x") for part in command), cwd=place)
    assert_one_line(done, 1, "can't be written (")
    assert "file is no folder)" in done.stderr


@pytest.mark.parametrize("command", WRITING, ids=lambda command: command[0])
def test_a_read_only_output_is_told_before_the_work(place, tmp_path, monkeypatch, command):
    """The right to write is patched, since the superuser may write everywhere."""
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and allowed(path, mode))
    done = run(*(part.replace("OUTPUT", str(tmp_path / "new" / "x")) for part in command), cwd=place)
    assert_one_line(done, 1, "allows no writing)")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "command",
    [
        output("predict", "absent", *SMALL),
        output("report", "absent", *SMALL),
        output("evaluate", "--data", "absent", *SMALL),
        output("train", "--data", "absent"),
        output("train", "--data", "studies", "--validation", "absent"),
        output("cross-validate", "--data", "absent"),
        output("associate", "--data", "absent"),
        output("explore", "--data", "absent"),
        output("classify-slices", "--data", "absent"),
        output("train-slice-classifier", "--data", "absent"),
        ("quantize", "--preset", "mine", "--data", "absent"),
        ("quantize", "--preset", "absent", "--data", "lgg"),
        output("export", "--format", "onnx", "--preset", "absent"),
        output("demo", "--preset", "absent"),
        output("zoo", "download", "absent"),
        ("zoo", "show", "absent"),
        ("zoo", "publish", "absent", "owner/repo"),
    ],
    ids=" ".join,
)
def test_a_missing_folder_is_named(place, tmp_path, command):
    done = run(*(part.replace("OUTPUT", str(tmp_path / "new")) for part in command), cwd=place)
    assert_one_line(done, 2, "absent")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict studies", "Missing option '-o' / '--output'. (see braintumorseg predict --help)"),
        ("predict studies -o x --out y", "No such option: --out"),
        ("predict studies -o x --engine gpu", "'gpu' is not one of 'auto', 'keras', 'openvino', 'onnxruntime'"),
        ("predict studies -o x --preset", "--preset"),
        ("evaluate --data lgg -o x --split all", "'all' is not one of 'train', 'val', 'test'"),
        ("train --data lgg -o x --strategy several", "'several' is not one of 'none', 'mirrored'"),
        ("associate --data lgg -o x --bins 1", "Invalid value for '--bins'"),
        ("explore --data lgg -o x --examples 0", "Invalid value for '--examples'"),
        ("quantize --data lgg", "Missing option '--preset'"),
        ("export -o x.onnx --format tflite", "'tflite' is not one of 'onnx', 'openvino', 'litert', 'saved_model'"),
        ("classify-slices --data lgg -o x --by area", "'area' is not one of 'segmenter', 'slice-classifier'"),
        ("zoo publish resunet-lgg", "Missing argument 'OWNER/REPO'"),
        ("zoo check", "No such command 'check'"),
        ("detect", "No such command 'detect'"),
    ],
)
def test_a_wrong_command_is_one_line(place, command, message):
    assert_one_line(run(*command.split(), cwd=place), 2, message)
