"""Where a pretrained model lies: with the package, in a folder, or on the Hugging Face Hub."""

from __future__ import annotations

import re
import warnings
from os import PathLike
from pathlib import Path
from typing import Literal

from braintumorseg._core.checks import DataError, check_in, wrong
from braintumorseg._core.optional import lazy
from braintumorseg.presets.bundled import bundled_presets, known_names
from braintumorseg.presets.pins import PINS
from braintumorseg.presets.preset import CONFIG_FILE

_hub = lazy("braintumorseg.zoo.hub")

Source = Literal["auto", "hub", "bundled"]
_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>\S+))?")


def locate(
    name: str | PathLike[str],
    *,
    revision: str | None = None,
    source: Source = "auto",
    cache_dir: str | PathLike[str] | None = None,
) -> Path:
    """Return the folder of a preset, fetched from the Hub if need be; the arguments are those of ``load_pretrained``."""
    check_in("source", source, ("auto", "hub", "bundled"))
    if str(name) in known_names():
        return _locate_preset(str(name), revision, source, cache_dir)
    if str(name).startswith("hf://"):
        return _locate_address(str(name), revision, source, cache_dir)
    if not (Path(name) / CONFIG_FILE).is_file():
        allowed = f"one of {', '.join(known_names())}, hf://owner/repo[@revision], or a folder that holds {CONFIG_FILE}"
        msg = wrong("name", allowed, repr(str(name)))
        raise ValueError(msg)
    _refuse_hub(f"the folder {name}", revision, source)
    return Path(name)


def _locate_preset(name: str, revision: str | None, source: Source, cache_dir: str | PathLike[str] | None) -> Path:
    presets = bundled_presets()
    if name not in PINS:
        _refuse_hub(f"{name}, which comes with the package and is not on the Hub", revision, source)
        return presets[name]
    pin, bundled = PINS[name], presets.get(name)
    if revision is not None:
        _refuse_bundled(f"a revision of {name}", source)
        return Path(_hub.fetch(pin.repo, revision, cache_dir=cache_dir, fresh=source == "hub"))
    if bundled is None:
        _refuse_bundled(f"{name}, which is on the Hub alone", source)
    elif source != "hub":
        damage = _hub.find_damage(bundled, pin.sha256)
        if damage is None:
            return bundled
        if source == "bundled":
            raise DataError(damage)
        warnings.warn(f"{damage}; using the copy of hf://{pin.repo}", UserWarning, stacklevel=4)
    return Path(_hub.fetch(pin.repo, pin.commit, sha256=pin.sha256, cache_dir=cache_dir, fresh=source == "hub"))


def _locate_address(name: str, revision: str | None, source: Source, cache_dir: str | PathLike[str] | None) -> Path:
    parts = _ADDRESS.fullmatch(name)
    if parts is None:
        msg = wrong("name", "hf://owner/repo or hf://owner/repo@revision", repr(name))
        raise ValueError(msg)
    if revision is not None and parts["revision"] is not None:
        msg = wrong("revision", f"None, as {name} names one", repr(revision))
        raise ValueError(msg)
    _refuse_bundled(name, source)
    return Path(
        _hub.fetch(parts["repo"], revision or parts["revision"] or "main", cache_dir=cache_dir, fresh=source == "hub")
    )


def _refuse_hub(what: str, revision: str | None, source: Source) -> None:
    if source == "hub":
        msg = wrong("source", f"'auto' or 'bundled' for {what}", repr(source))
        raise ValueError(msg)
    if revision is not None:
        msg = wrong("revision", f"None for {what}", repr(revision))
        raise ValueError(msg)


def _refuse_bundled(what: str, source: Source) -> None:
    if source == "bundled":
        msg = wrong("source", f"'auto' or 'hub' for {what}", repr(source))
        raise ValueError(msg)
