"""Presets from the Hugging Face Hub: one commit in the Hub's own cache, verified on every use.

The cache has the Hub's layout: ``models--owner--name/snapshots/<commit>/`` holds the preset's files, and ``refs/<branch>`` the
commit that a branch was when it was last loaded. Beside the files lies ``sha256.json``, their hashes. It is written last, so
that a copy without it counts as none, whatever was killed or ran out of disk. The cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

from huggingface_hub import constants, try_to_load_from_cache

from braintumorseg._core.checks import DataError
from braintumorseg._core.files import replacing
from braintumorseg.presets.bounds import MAX_CONFIG_BYTES, MAX_INT8_BYTES, max_weights_bytes
from braintumorseg.presets.preset import CONFIG_FILE, INT8_FILE, WEIGHTS_FILE, Preset, parse_preset
from braintumorseg.zoo import hub_client
from braintumorseg.zoo.hub_client import UnreachableError, is_commit

RECORD_FILE = "sha256.json"
FILES = (CONFIG_FILE, WEIGHTS_FILE)
"""The files of every preset."""


def fetch(
    repo: str,
    revision: str = "main",
    *,
    sha256: Mapping[str, str] | None = None,
    cache_dir: str | PathLike[str] | None = None,
    fresh: bool = False,
) -> Path:
    """Return the folder of a preset that lies on the Hub, each of its files verified now.

    A cached commit is used without any request. A branch or a tag may have moved, so the Hub is asked; where it can't be
    asked, the copy of the commit that it last named is used, with a warning.

    Args:
        repo: Such as ``"owner/name"``.
        revision: A commit, a branch or a tag.
        sha256: Hash that each file must have; if not given, the weights must have the one that the configuration states.
        cache_dir: Folder of the cache; the Hub's own, ``$HF_HOME/hub``, if not given.
        fresh: Whether to ask the Hub and download whatever the cache holds.

    Raises:
        DataError: If the preset can't be had, is none, or is damaged twice in a row; the message says what to do.
    """
    cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser()
    folder = None if fresh else _find_copy(cache, repo, revision, sha256)
    if folder and is_commit(revision):
        return folder
    try:
        commit = str(hub_client.ask(repo, revision, CONFIG_FILE).commit_hash)
        if folder is None or folder.name != commit:
            folder = _download(cache, repo, commit, sha256 or {}, fresh=fresh)
            if not is_commit(revision) and ".." not in Path(revision).parts:
                _note(folder.parents[1] / "refs" / revision, commit)  # the client would, before all files are there
    except UnreachableError as error:
        if folder is None:
            kept = "a fresh copy was asked for" if fresh else f"there is no whole copy in {cache}"
            msg = (
                f"hf://{repo}@{revision}: {error}, and {kept}; "
                f"once there is a network, run: braintumorseg zoo download hf://{repo}@{revision}"
            )
            raise DataError(msg) from error
        message = f"hf://{repo}@{revision}: {error}; using the copy of {folder.name[:12]}"
        warnings.warn(message, UserWarning, stacklevel=5)
    return folder


def find_damage(folder: Path, sha256: Mapping[str, str]) -> str | None:
    """Return what is wrong with a preset's files, such as ``"a/model.safetensors: damaged: expected SHA-256 ..."``."""
    for file, expected in sha256.items():
        try:
            damage = hub_client.find_damage(folder / file, str(expected))
        except OSError as error:
            return f"{folder / file}: can't be read ({error.strerror})"
        if damage:
            return f"{folder / file}: damaged: {damage}"
    return None


def files_of(preset: Preset) -> tuple[str, ...]:
    """Return the names of the files that a preset consists of."""
    return (*FILES, INT8_FILE) if preset.int8_sha256 else FILES


def _find_copy(cache: Path, repo: str, revision: str, sha256: Mapping[str, str] | None) -> Path | None:
    """Return the folder of an undamaged copy, if there is one; a damaged one is named in a warning."""
    try:
        config = try_to_load_from_cache(repo, CONFIG_FILE, cache, revision)
        folder = Path(str(config)).parent
        recorded: Any = json.loads((folder / RECORD_FILE).read_bytes())
    except (OSError, ValueError):  # missing, or notes of the cache that are damaged
        return None
    if not isinstance(recorded, dict) or not set(FILES) <= set(recorded) <= {*FILES, INT8_FILE}:
        return None
    damage = find_damage(folder, sha256 or recorded)
    if damage:
        warnings.warn(f"{damage}; it is fetched again", UserWarning, stacklevel=6)
    return None if damage else folder


def _download(cache: Path, repo: str, commit: str, sha256: Mapping[str, str], *, fresh: bool) -> Path:
    """Download what is missing of a commit, and then write the hashes without which it counts for nothing."""

    def get(file: str, limit: int, expected: str | None) -> Path:
        return hub_client.download(repo, commit, file, sha256.get(file, expected), limit, cache, fresh=fresh)

    config = get(CONFIG_FILE, MAX_CONFIG_BYTES, None)
    preset = parse_preset(config.read_bytes(), f"hf://{repo}@{commit}/{CONFIG_FILE}")
    get(WEIGHTS_FILE, max_weights_bytes(preset.parameters), preset.sha256)
    if preset.int8_sha256:
        get(INT8_FILE, MAX_INT8_BYTES, preset.int8_sha256)
    record = {file: hashlib.sha256((config.parent / file).read_bytes()).hexdigest() for file in files_of(preset)}
    _note(config.parent / RECORD_FILE, json.dumps(record, indent=1))
    return config.parent


def _note(path: Path, text: str) -> None:
    with suppress(DataError), replacing(path, overwrite=True) as beside:  # a cache may be read-only
        beside.write_text(text, encoding="utf-8")
