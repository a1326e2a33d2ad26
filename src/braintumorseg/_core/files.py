"""Write files whole or not at all: beside their place first, then renamed into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident

from braintumorseg._core.checks import DataError


@contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a path to write to; once the block has ended well, the file is at ``path``, else nothing is.

    The folder of ``path`` is made if need be. The path given ends as ``path`` does, since formats go by suffixes.

    Raises:
        DataError: If ``path`` exists and may not be overwritten, or can't be written.
    """
    check_free(path, overwrite=overwrite)
    beside = path.with_name(f".{os.getpid()}-{get_ident()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.replace(path)
    except OSError as error:
        msg = f"{path}: can't be written ({error.strerror or error})"
        raise DataError(msg) from error
    finally:
        with suppress(OSError):  # renamed, or never made
            beside.unlink()


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise ``DataError`` if there is something at ``path`` that may not be overwritten."""
    if path.exists() and not overwrite:
        msg = f"{path}: already exists; pass overwrite=True (CLI: --overwrite) to replace it"
        raise DataError(msg)
