"""Standard output, standard error and exit codes."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")

DATA, USAGE = 1, 2
"""Exit codes: data that can't be used, a command that is wrong."""

out = Console()
err = Console(stderr=True)
_muted = threading.local()


def replace_unencodable() -> None:
    """Print a question mark for each character that the encoding of standard output lacks.

    Python raises an error for these by default, such as for a patient's name on a Windows console in code page 1252.
    Standard error needs no change: Python writes such characters as escapes there.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Print warnings of this package as lines of the command, without the place in its code."""
    kept = warnings.showwarning
    own = Path(__file__).parents[1]

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *others: Any) -> None:
        if issubclass(category, UserWarning) and Path(filename).is_relative_to(own):
            if not getattr(_muted, "on", False):
                complain(str(message), "warning")
        else:
            kept(message, category, filename, lineno, *others)

    warnings.showwarning = show  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.showwarning = kept


@contextmanager
def without_warnings() -> Iterator[None]:
    """Print no warnings of this package in this thread; ``warnings.catch_warnings`` would silence all threads."""
    _muted.on = True
    try:
        yield
    finally:
        _muted.on = False


def say(text: str) -> None:
    """Print text as it is, without markup, colours or wrapping."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def inform(text: str) -> None:
    """Print one line on standard error, beside the results."""
    err.print(text, highlight=False, markup=False, soft_wrap=True)


def complain(message: str, kind: str = "error") -> None:
    """Print one line on standard error."""
    inform(f"braintumorseg: {kind}: {' '.join(message.split())}")


def fail(message: str, code: int) -> NoReturn:
    """End the command with one line on standard error and an exit code."""
    line = " ".join(message.split())
    sys.stderr.write(f"braintumorseg: error: {line}\n")
    sys.exit(code)


@contextmanager
def silent_native_code() -> Iterator[None]:
    """Drop what native code writes to standard error; Python's own errors are raised, not written, and so survive."""
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)


class _Rate(ProgressColumn):
    """Items per minute."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{60 * task.speed:.1f}/min")


def track(items: Iterable[T], total: int, doing: str) -> Iterator[T]:
    """Yield items under a progress bar, which only a terminal shows."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield from progress.track(items, total=total, description=doing)
