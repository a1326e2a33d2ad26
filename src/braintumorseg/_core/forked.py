"""Forked processes: which runtimes they can't use.

A fork copies memory, and of all threads only the one that forked. A runtime that computes with threads would wait forever for
those that stayed behind. No runtime here promises that it can start anew in such a process.
"""

from __future__ import annotations

import os
import sys

_THREADED = ("openvino", "onnxruntime", "tensorflow", "jax", "torch")

_stranded: set[str] = set()


def check_not_stranded(runtime: str) -> None:
    """Refuse a runtime whose threads stayed behind in the process that this one was forked from.

    Args:
        runtime: Name of its module, such as ``"openvino"``.

    Raises:
        RuntimeError: If it was loaded before the fork. Whether it has computed by then can't be seen from outside.
    """
    if runtime in _stranded:
        msg = (
            f"{runtime} was loaded before this process was forked, and can't run in it: start processes by spawn, "
            'with multiprocessing.get_context("spawn")'
        )
        raise RuntimeError(msg)


def _note_loaded() -> None:
    _stranded.update(name for name in _THREADED if name in sys.modules)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_note_loaded)
