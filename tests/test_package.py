"""Rules for the source tree and for what an import costs."""

import ast
import importlib
import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import braintumorseg

SOURCE = Path(braintumorseg.__file__).parent

with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
    CONTRACT = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]
# From the roof to the ground; rooms on one line do not import each other.
LAYERS = [{room.strip() for room in layer.split("|")} for layer in CONTRACT["layers"]]
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.name != "__init__.py")


def module_name(path):
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def level(module):
    """The layer of a module, from the roof; that of its room."""
    room = module.removeprefix("braintumorseg.").split(".")[0]
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms), room


def lazy_names(path):
    """Modules of this package that a file imports through ``lazy("...")``, which import-linter can't see."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "lazy":
            (argument,) = node.args
            assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: lazy takes a literal"
            if argument.value.startswith("braintumorseg"):
                yield argument.value


def test_lazy_imports_are_found():
    assert sum(len(list(lazy_names(path))) for path in FILES) > 10


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_lazy_imports_point_down(path):
    own, room = level(module_name(path))
    for name in lazy_names(path):
        importlib.import_module(name)
        other, target = level(name)
        assert other > own or target == room, f"{module_name(path)} imports {name}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_are_at_the_top(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [
        node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    ]
    inner = [node for function in functions for node in ast.walk(function)]
    assert not [ast.unparse(node) for node in inner if isinstance(node, (ast.Import, ast.ImportFrom))]


def test_public_names_exist_and_are_documented():
    assert len(braintumorseg.__all__) <= 45
    for name in braintumorseg.__all__:
        value = getattr(braintumorseg, name)
        assert name == "__version__" or value.__doc__, name


@pytest.mark.parametrize(
    "namespace", [name for name in braintumorseg.__all__ if inspect.ismodule(getattr(braintumorseg, name))]
)
def test_names_of_namespaces_exist_and_are_documented(namespace):
    module = getattr(braintumorseg, namespace)
    assert module.__all__
    for name in module.__all__:
        value = getattr(module, name)
        assert isinstance(value, (int, tuple, dict)) or value.__doc__, f"{namespace}.{name}"


def test_the_command_line_uses_public_names_alone():
    """Namespaces, and the ground floor, which has no names for users."""
    for path in (SOURCE / "cli").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        ours = [name for name in (*named, *lazy_names(path)) if name.startswith("braintumorseg.")]
        private = [name for name in ours if name.split(".")[1] not in ("cli", "_core", "_version")]
        assert [name for name in private if name.removeprefix("braintumorseg.") not in braintumorseg.__all__] == [], (
            path
        )


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_import_loads_neither_tensorflow_nor_keras():
    loaded = run(
        "import sys, braintumorseg\n"
        "from braintumorseg import Study, Preprocessing, read_study, load_pretrained, list_pretrained\n"
        "load_pretrained(list_pretrained().index[0])\n"
        "print([name for name in ('tensorflow', 'keras', 'torch', 'jax') if name in sys.modules])"
    )
    assert loaded.strip() == "[]"


def test_a_prediction_starts_without_what_it_needs_at_its_end_or_never(tmp_path):
    """Each takes longer to import than a study to read; SciPy and nibabel come while the network is compiled."""
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "slice.png")
    loaded = run(
        "import sys\n"
        "from braintumorseg import load_pretrained, predict_many, read_study\n"
        f"read_study({str(tmp_path / 'slice.png')!r})\n"
        "load_pretrained('resunet-lgg').prediction()\n"
        "print([name for name in ('scipy', 'nibabel', 'pandas', 'matplotlib', 'jinja2') if name in sys.modules])"
    )
    assert loaded.strip() == "[]"


def test_import_is_quick():
    """In seconds of the processor, which other processes that run meanwhile do not stretch."""
    assert min(_seconds("-c", "import braintumorseg") for _ in range(3)) < 0.3


def test_help_is_quick():
    assert min(_seconds("-m", "braintumorseg", "--help") for _ in range(3)) < 0.5


def _seconds(*arguments):
    """Seconds of the processor that Python takes from its start to its end."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])  # children, in user and in system mode


def test_every_module_can_be_imported_on_its_own():
    for path in FILES:
        if path.stem == "__main__":
            continue
        importlib.import_module(f"braintumorseg.{module_name(path)}")
