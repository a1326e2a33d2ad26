"""The command line as a user meets it: its streams and exit codes, in this process."""

import contextlib
import io
import os
import sys
from types import SimpleNamespace
from unittest import mock

import pytest

from braintumorseg.cli import main


def run(*arguments, cwd="."):
    """Run the command line here: TensorFlow takes seconds to start, and one start serves all tests."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", ["braintumorseg", *map(str, arguments)]),
        mock.patch.dict(os.environ, {"COLUMNS": "200"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return SimpleNamespace(returncode=end.value.code or 0, stdout=out.getvalue(), stderr=err.getvalue())
