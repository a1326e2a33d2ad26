"""Import modules of this package at the moment another package is imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from braintumorseg._core.optional import lazy

if TYPE_CHECKING:
    from importlib.abc import Loader

_util = lazy("importlib.util")


def import_after(package: str, modules: Sequence[str]) -> None:
    """Import modules now if a package is imported already, else right after its import.

    Keras finds the classes of a saved model in a registry, which our modules fill when they are imported. Importing them
    unasked would import Keras, which takes seconds. So they wait until the user's code imports Keras itself.

    Args:
        package: Name of the package to wait for, such as ``"keras"``.
        modules: Names of the modules to import then.
    """
    if package in sys.modules:
        _import_all(modules)
    elif not any(isinstance(finder, _Finder) and finder.package == package for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(package, modules))


def _import_all(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(module)


class _Finder:
    """Finds one package as others do, and adds to its import what has to follow.

    No base class: importing ``importlib.abc`` takes longer than the rest of ``import braintumorseg``.
    """

    def __init__(self, package: str, modules: Sequence[str]) -> None:
        self.package, self.modules = package, modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the package's own spec, its loader wrapped; ``None`` for all other names."""
        if fullname != self.package:
            return None
        if self in sys.meta_path:  # another thread may have been faster
            sys.meta_path.remove(self)
        spec: ModuleSpec | None = _util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = cast("Loader", _Loader(spec.loader, self))
        return spec


class _Loader:
    """Loads a package by its own loader, then imports what has to follow."""

    def __init__(self, loader: Any, finder: _Finder) -> None:
        self.loader, self.finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave the making of the module to its own loader."""
        module: ModuleType | None = self.loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the package's code, then import what has to follow; after a failed import, wait for the next attempt."""
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        module.__loader__ = self.loader
        try:
            self.loader.exec_module(module)
        except BaseException:
            sys.meta_path.insert(0, self.finder)
            raise
        _import_all(self.finder.modules)
