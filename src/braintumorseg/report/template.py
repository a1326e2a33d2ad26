"""Pages from the package's own templates."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from braintumorseg._version import __version__

RESEARCH = "For research, not for diagnosis: this is no medical device, and nobody has checked what it found."
GENERATOR = f"braintumorseg {__version__}"

_FOLDER = Path(__file__).parent
_PACKAGES = ("keras", "tensorflow", "openvino", "numpy", "scipy", "scikit-image")


def load(name: str) -> str:
    """Return a file of this folder."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def render(name: str, values: dict[str, str]) -> str:
    """Fill a template: each ``{{key}}`` becomes the value, which must be safe in HTML already.

    Raises:
        KeyError: If a key has no value.
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], load(name))


def as_json(record: Any) -> str:
    """Return plain data as JSON that no text in it can end the script element of."""
    return json.dumps(record, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def describe_versions() -> str:
    """Name the software that is installed, such as ``"braintumorseg 0.1, Python 3.12, numpy 2.3"``."""
    found = [GENERATOR, f"Python {python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
