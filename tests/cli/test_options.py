"""One name per thing in every command, short help, shell completion, and choices that are the library's."""

import os
from typing import get_args
from unittest import mock

import pytest
import typer

from braintumorseg import list_pretrained
from braintumorseg._core import choices
from braintumorseg.cli import app
from command_line import run


def commands(group=None, path=()):
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands())
PARAMETERS = {
    (command, parameter.name): parameter for command, each in COMMANDS.items() for parameter in each.params
}  # fmt: skip


def named(name):
    return {command: parameter for (command, called), parameter in PARAMETERS.items() if called == name}


def test_output_is_o_and_output_in_each_command():
    assert {tuple(parameter.opts) for parameter in named("output").values()} == {("-o", "--output")}
    read_only = {"zoo list", "zoo show", "zoo verify", "zoo publish", "quantize"}
    assert set(COMMANDS) - set(named("output")) == read_only
    assert not [key for key, parameter in PARAMETERS.items() if "--out" in parameter.opts]


@pytest.mark.parametrize("name", ["preset", "data", "overwrite", "split", "threshold", "engine", "validation", "cache"])
def test_options_of_one_name_are_one_option(name):
    found = named(name)
    assert len(found) > 1
    assert {tuple(parameter.opts) for parameter in found.values()} == {(f"--{name}",)}


def test_studies_are_input_where_they_are_no_dataset():
    assert set(named("source")) == {"predict", "report"}
    assert {parameter.metavar for parameter in named("source").values()} == {"INPUT"}
    assert not {"predict", "report"} & set(named("data"))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_h_is_help(command):
    short, long = (run(*command.split(), flag) for flag in ("-h", "--help"))
    assert (short.returncode, short.stderr, short.stdout) == (0, "", long.stdout)
    assert "Usage: braintumorseg" in short.stdout


def test_first_sentences_fit_into_the_list_of_commands():
    assert "..." not in run("--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        ("predict", "engine", choices.Engine),
        ("predict", "precision", choices.Precision),
        ("evaluate", "split", choices.Part),
        ("export", "format", choices.ExportFormat),
        ("train", "precision", choices.TrainingPrecision),
        ("cross-validate", "strategy", choices.Strategy),
        ("classify-slices", "score", choices.SliceScore),
    ],
)
def test_choices_are_those_of_the_library(command, name, words):
    assert PARAMETERS[command, name].opts == [f"--{name}"]
    assert f"--{name} <{'|'.join(get_args(words))}>" in run(command, "-h").stdout


def complete(*words):
    """What bash is offered for the last of the words."""
    asked = {
        "_BRAINTUMORSEG_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("braintumorseg", *words)),
        "COMP_CWORD": str(len(words)),
    }
    with mock.patch.dict(os.environ, asked):
        return run().stdout.split()


def test_shells_complete_names_of_presets_choices_options_and_commands():
    names = list(list_pretrained().index)
    assert complete("predict", "--preset", "res") == [name for name in names if name.startswith("res")]
    assert complete("zoo", "show", "unet") == [name for name in names if name.startswith("unet")]
    assert complete("predict", "--engine", "o") == ["openvino", "onnxruntime"]
    assert complete("classify-slices", "--by", "s") == ["segmenter", "slice-classifier"]
    assert complete("report", "--thre") == ["--threshold"]
    assert complete("zoo", "ver") == ["verify"]


def test_completion_can_be_shown_and_installed():
    text = run("--help").stdout
    assert "--install-completion" in text
    assert "--show-completion" in text
    with mock.patch.dict(os.environ, {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}):
        shown = run("--show-completion", "bash")
    assert "_BRAINTUMORSEG_COMPLETE=complete_bash" in shown.stdout
