"""Pages from templates, each a single file that needs no other and no network.

Templates lie beside the code of their room and extend the shell, ``_core/templates/shell.html``. Whatever a template prints
is escaped; only the package's own files, which ``package_file`` reads, are marked as safe. No page loads anything from
elsewhere, and only those whose template allows it run a script.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from braintumorseg._core.files import replacing
from braintumorseg._core.optional import lazy
from braintumorseg._version import __version__

_jinja = lazy("jinja2")

_ROOT = Path(__file__).parents[1]
_GENERATOR = f"braintumorseg {__version__}"
_PACKAGES = ("keras", "tensorflow", "openvino", "numpy", "scipy", "scikit-image")


def write_page(path: Path, template: str, *, overwrite: bool, **values: Any) -> Path:
    """Write a page whole or not at all.

    Args:
        path: Where to write.
        template: The template's path below the package, such as ``"report/study.html"``.
        overwrite: Whether a file there may be replaced.
        **values: What the template prints.

    Returns:
        The path.

    Raises:
        DataError: If the file exists and may not be replaced, or can't be written.
    """
    page = render(template, **values)
    with replacing(path, overwrite=overwrite) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def render(template: str, **values: Any) -> str:
    """Return a page; a value that the template names and nobody gave is an error."""
    page: str = _environment().get_template(template).render(values)
    return page


def describe_versions() -> str:
    """Name the installed software, such as ``"braintumorseg 0.1, Python 3.12, numpy 2.3"``."""
    found = [_GENERATOR, f"Python {python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


@cache
def _environment() -> Any:
    environment = _jinja.Environment(
        loader=_jinja.FileSystemLoader(_ROOT),
        autoescape=True,
        undefined=_jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Not a number is not JSON: a browser would refuse the whole record.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.globals |= {"package_file": _read, "generator": _GENERATOR, "versions": describe_versions}
    return environment


def _read(name: str) -> str:
    """Return one of the package's own files, such as a style sheet."""
    return (_ROOT / name).read_text(encoding="utf-8")
