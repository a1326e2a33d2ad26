"""The one door to packages that may be absent, or that are too heavy to import before they are needed."""

from __future__ import annotations

import importlib
from contextlib import suppress
from threading import Thread
from types import ModuleType
from typing import Any


class NotInstalledError(ImportError):
    """An optional package is absent; the message says how to install it."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Name of the module, such as ``"pydicom"``.
        extra: The extra of braintumorseg that installs it, such as ``"dicom"``.

    Raises:
        NotInstalledError: If it is not installed; the message says which extra to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = f"{module} is not installed; run: pip install 'braintumorseg[{extra}]'"
        raise NotInstalledError(msg) from error


def import_ahead(module: str) -> None:
    """Import in a thread what will be needed soon, while other code waits for something that needs no Python."""

    def run() -> None:
        with suppress(Exception):  # two threads that import at once can fail; who needs the module imports it again
            importlib.import_module(module)

    Thread(target=run, name=f"import {module}").start()


# Our own, as lazy_loader.load warns of dotted names such as "braintumorseg.models", and imports their parent at once.
class lazy(ModuleType):  # noqa: N801 - it reads like a statement
    """A module that is imported at the first use of one of its names.

    It keeps ``import braintumorseg`` quick: ``models = lazy("braintumorseg.models")`` at the top of a file states the
    dependency where a reader looks for it, and pays for it only when a name of ``models`` is used.
    """

    def __getattr__(self, name: str) -> Any:
        """Import the module and hand over its attribute."""
        if name.startswith("__"):  # inspection (doctest, pickle, debuggers) must not trigger a heavy import
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)
