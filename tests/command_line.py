"""Command lines as a user meets them: their streams and exit codes, in this process."""

import contextlib
import io
import os
import sys
from types import SimpleNamespace
from unittest import mock

from braintumorseg.cli import main


def run(*arguments, cwd="."):
    """Run ``braintumorseg`` with these arguments."""
    return call(main, "braintumorseg", *arguments, cwd=cwd)


def call(function, *arguments, cwd="."):
    """Run what a command line starts here: TensorFlow takes seconds to start, and one start serves all tests."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", list(map(str, arguments))),
        mock.patch.dict(os.environ, {"COLUMNS": "200"}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            function()
        except SystemExit as end:
            code = end.code or 0
        else:
            code = 0
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())
