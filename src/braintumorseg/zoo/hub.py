"""Presets from the Hugging Face Hub: downloaded at one commit into a cache that holds nothing unverified.

The cache holds a folder a repository, and in it a folder a commit: ``owner--name/<commit>/``, with the preset's files and
``sha256.json``, their hashes, which is written last. Files appear whole or not at all, so that any number of processes may
use the cache at once, and one that is killed leaves nothing that another would load. It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

from huggingface_hub import constants

from braintumorseg._core.checks import DataError
from braintumorseg._core.files import replacing
from braintumorseg.presets.bounds import MAX_CONFIG_BYTES, MAX_INT8_BYTES, max_weights_bytes
from braintumorseg.presets.preset import CONFIG_FILE, INT8_FILE, WEIGHTS_FILE, Preset, parse_preset
from braintumorseg.zoo.hub_client import Received, UnreachableError, download, endpoint, is_commit

RECORD_FILE = "sha256.json"
FILES = (CONFIG_FILE, WEIGHTS_FILE)
"""What every preset has."""

# Names that don't resolve and addresses that don't answer each wait on their own; a user waits this long for all of them.
_ANSWER_SECONDS = 4
if constants.HF_HUB_ETAG_TIMEOUT != constants.DEFAULT_ETAG_TIMEOUT:  # the Hub's own variable for that
    _ANSWER_SECONDS = constants.HF_HUB_ETAG_TIMEOUT


def fetch(
    repo: str,
    revision: str = "main",
    *,
    sha256: Mapping[str, str] | None = None,
    cache_dir: str | PathLike[str] | None = None,
    fresh: bool = False,
) -> Path:
    """Return the folder of a preset that lies on the Hub, each of its files verified now.

    With a commit as the revision, a cached copy is used without any request. A branch or a tag is asked for, since it may
    have moved; where the Hub can't be asked, the copy that it last named is used, with a warning.

    Args:
        repo: Such as ``"owner/name"``.
        revision: A commit, a branch or a tag.
        sha256: Hash that each file must have; if not given, the weights must have the one that the configuration states.
        cache_dir: Folder of the cache; ``$HF_HOME/assets/braintumorseg`` if not given.
        fresh: Whether to ask the Hub and download whatever the cache holds.

    Raises:
        DataError: If the preset can't be had, is none, or is damaged twice in a row; the message says what to do.
    """
    cache = _Cache(Path(cache_dir or Path(constants.HF_ASSETS_CACHE, "braintumorseg")).expanduser(), repo)
    if is_commit(revision) and not fresh and cache.holds(revision, sha256):
        return cache.folder(revision)
    try:
        return _download(cache, repo, revision, sha256, fresh=fresh)
    except UnreachableError as error:
        commit = revision if is_commit(revision) else cache.last_commit(revision)
        if not fresh and commit and commit != revision and cache.holds(commit, sha256):
            warnings.warn(
                f"hf://{repo}@{revision}: {error}; using the copy of {commit[:12]}", UserWarning, stacklevel=5
            )
            return cache.folder(commit)
        kept = "a fresh copy was asked for" if fresh else f"there is no whole copy in {cache.root}"
        msg = (
            f"hf://{repo}@{revision}: {error}, and {kept}; "
            f"once there is a network, run: braintumorseg zoo download hf://{repo}@{revision}"
        )
        raise DataError(msg) from error


def find_damage(folder: Path, sha256: Mapping[str, str]) -> str | None:
    """Return what is wrong with a preset's files, such as ``"a/model.safetensors: expected SHA-256 ..., found ..."``."""
    for file, expected in sha256.items():
        try:
            found = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        except OSError as error:
            return f"{folder / file}: can't be read ({error.strerror})"
        if found != expected:
            return f"{folder / file}: damaged: expected SHA-256 {expected}, found {found}"
    return None


def files_of(preset: Preset) -> tuple[str, ...]:
    """Return the names of the files that a preset consists of."""
    return (*FILES, INT8_FILE) if preset.int8_sha256 else FILES


class _Cache:
    """The part of the cache that belongs to one repository."""

    def __init__(self, root: Path, repo: str) -> None:
        self.root = root
        self._home = root / repo.replace("/", "--")

    def folder(self, commit: str) -> Path:
        return self._home / commit

    def holds(self, commit: str, sha256: Mapping[str, str] | None) -> bool:
        """Say whether there is an undamaged copy; a damaged one is named in a warning."""
        recorded = _read_json(self.folder(commit) / RECORD_FILE)
        if not set(FILES) <= set(recorded) <= {*FILES, INT8_FILE}:
            return False
        damage = find_damage(self.folder(commit), sha256 or recorded)
        if damage:
            warnings.warn(f"{damage}; it is fetched again", UserWarning, stacklevel=6)
        return damage is None

    def store(self, commit: str, contents: Mapping[str, bytes]) -> None:
        """Write files and then their hashes, without which they count for nothing."""
        record = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
        for file, content in {**contents, RECORD_FILE: json.dumps(record, indent=1).encode()}.items():
            with replacing(self.folder(commit) / file, overwrite=True) as beside:
                beside.write_bytes(content)

    def last_commit(self, revision: str) -> str | None:
        """Return the commit that a branch or a tag was when it was last asked for."""
        commit = _read_json(self._reference(revision)).get("commit")
        return commit if isinstance(commit, str) and is_commit(commit) else None

    def remember(self, revision: str, commit: str) -> None:
        if is_commit(revision) or self.last_commit(revision) == commit:
            return
        reference = self._reference(revision)
        with suppress(DataError), replacing(reference, overwrite=True) as beside:  # of use without a network alone
            beside.write_text(json.dumps({"commit": commit}), encoding="utf-8")

    def _reference(self, revision: str) -> Path:
        return self._home / "refs" / f"{quote(revision, safe='')}.json"


def _read_json(path: Path) -> dict[str, Any]:
    """Return a table of ours; an empty one where it is missing or damaged."""
    try:
        table = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def _download(cache: _Cache, repo: str, revision: str, sha256: Mapping[str, str] | None, *, fresh: bool) -> Path:
    pinned = sha256 or {}
    ask = partial(download, repo, revision, CONFIG_FILE, limit=MAX_CONFIG_BYTES, sha256=pinned.get(CONFIG_FILE))
    config = _within(_ANSWER_SECONDS, ask)
    commit = config.commit
    if is_commit(revision) and commit != revision:
        msg = f"hf://{repo}@{revision}: {endpoint()} sent the files of another commit, {commit}"
        raise DataError(msg)
    if fresh or not cache.holds(commit, sha256):
        preset = parse_preset(config.content, f"hf://{repo}@{commit}/{CONFIG_FILE}")
        limit, expected = max_weights_bytes(preset.parameters), pinned.get(WEIGHTS_FILE, preset.sha256)
        contents = {WEIGHTS_FILE: download(repo, commit, WEIGHTS_FILE, limit=limit, sha256=expected).content}
        if preset.int8_sha256:
            expected = pinned.get(INT8_FILE, preset.int8_sha256)
            int8 = download(repo, commit, INT8_FILE, limit=MAX_INT8_BYTES, sha256=expected)
            contents[INT8_FILE] = int8.content
        try:
            cache.store(commit, {**contents, CONFIG_FILE: config.content})
        except DataError as error:
            msg = f"{error}; give another cache_dir, or set HF_HOME to a folder with room"
            raise DataError(msg) from error
    cache.remember(revision, commit)
    return cache.folder(commit)


def _within(seconds: float, work: Callable[[], Received]) -> Received:
    outcome: Future[Received] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError as error:
        msg = f"{endpoint()} did not answer within {seconds:g} s (HF_HUB_ETAG_TIMEOUT=30 waits longer)"
        raise UnreachableError(msg) from error
