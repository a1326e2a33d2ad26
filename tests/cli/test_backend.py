"""A backend of Keras that can't be used, or not for this command, ends a command in one line."""

import os
import subprocess
import sys

import pytest

from braintumorseg.cli import _backend
from cases import write_case


def run(*arguments, cwd, backend):
    command = [sys.executable, "-m", "braintumorseg", *map(str, arguments)]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def last(text):
    return [line for line in text.splitlines() if line.startswith("braintumorseg: ")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "command", "message"),
    [
        ("openvino", "train", "KERAS_BACKEND=openvino: train runs on tensorflow, jax, torch; set KERAS_BACKEND to one"),
        (
            "numpy",
            "cross-validate",
            "KERAS_BACKEND=numpy: cross-validate runs on tensorflow, jax, torch; set KERAS_BACKEND",
        ),
        ("nonsense", "train", "KERAS_BACKEND must be tensorflow, jax or torch, or not be set; got nonsense"),
        ("nonsense", "predict", "KERAS_BACKEND must be tensorflow, jax or torch, or not be set; got nonsense"),
        ("nonsense", "evaluate", "KERAS_BACKEND must be tensorflow, jax or torch, or not be set; got nonsense"),
    ],
)
def test_a_backend_that_can_not_be_used_is_one_line(tmp_path, backend, command, message):
    pytest.importorskip("torch")
    write_case(tmp_path / "d" / "p", 0)
    data = ["d", "--engine", "keras"] if command == "predict" else ["--data", "d"]
    data += ["--engine", "keras"] if command == "evaluate" else []
    done = run(command, *data, "-o", "out", cwd=tmp_path, backend=backend)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (line,) = last(done.stderr)
    assert line.startswith(f"braintumorseg: error: {message}")
    assert not (tmp_path / "out").exists()


def test_prediction_without_keras_asks_for_no_backend(tmp_path):
    write_case(tmp_path / "d" / "p", 0)
    done = run("predict", "d", "-o", "out", "--preset", "resunet-lgg-small", cwd=tmp_path, backend="nonsense")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_wrong_with_a_backend(monkeypatch):
    monkeypatch.setattr(_backend, "find_spec", lambda name: None)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert _backend.backend_problem() == (
        "KERAS_BACKEND=jax: jax is not installed; install it, or unset KERAS_BACKEND for TensorFlow"
    )
    assert _backend.explain(ModuleNotFoundError("No module named 'jax'")) == _backend.backend_problem()
    assert _backend.explain(ValueError("precision must be 'float32'")) == "precision must be 'float32'"
    monkeypatch.delenv("KERAS_BACKEND")
    assert _backend.backend_problem() is None
    assert _backend.explain(ImportError("no onnxruntime")) == "no onnxruntime"
