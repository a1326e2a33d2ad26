"""Files of the Hugging Face Hub, by the Hub's own client and in its own cache.

``hf_hub_download`` does the work: proxies, tokens, mirrors, redirects, locks, transfers that were cut, and files that appear
whole or not at all. This module adds only what it lacks:

- A quick answer. Without network and cache it tries for 23 s. Here the Hub is asked once, and has 4 s to answer.
- One kind of error. Failures come as exceptions of several packages, a SOCKS proxy's as ``ImportError``. All become
  ``DataError``.
- Bounds. It takes files of any size. Here the size that the Hub states decides before a byte is sent.
- Hashes. Over HTTP it compares sizes alone, and accepts a file with a flipped byte.
"""

from __future__ import annotations

import hashlib
import os
import re
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

from huggingface_hub import HfFileMetadata, constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)

from braintumorseg._core.checks import DataError

_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNAVAILABLE = (408, 429, 500, 502, 503, 504)
_ANSWER_SECONDS = 4
if constants.HF_HUB_ETAG_TIMEOUT != constants.DEFAULT_ETAG_TIMEOUT:  # the Hub's own variable for that
    _ANSWER_SECONDS = constants.HF_HUB_ETAG_TIMEOUT


class UnreachableError(DataError):
    """The Hub can't be asked now; a copy in the cache will do."""


def is_commit(revision: str) -> bool:
    """Say whether a revision is the full hash of a commit, which can't move."""
    return _COMMIT.fullmatch(revision) is not None


def endpoint() -> str:
    """Return the Hub's address: ``HF_ENDPOINT`` as it is now, where that is set."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def ask(repo: str, revision: str, file: str) -> HfFileMetadata:
    """Ask the Hub, once, for commit, size and hash of a file.

    Raises:
        UnreachableError: If the Hub does not answer within 4 s, or asks to come back later.
        DataError: If it has no such repository, revision or file.
    """
    try:
        stated = _within(_ANSWER_SECONDS, hf_hub_url(repo, file, revision=revision, endpoint=endpoint()))
    except Exception as error:
        raise _explain(error, repo, revision, file) from error
    commit = stated.commit_hash
    if commit is None or stated.etag is None:
        msg = f"the answer names no commit; expected a Hugging Face Hub at {endpoint()}"
        raise UnreachableError(msg)
    if not is_commit(commit) or (is_commit(revision) and commit != revision):
        msg = f"hf://{repo}@{revision}: {endpoint()} answered with another commit, {commit}"
        raise DataError(msg)
    return stated


def download(repo: str, commit: str, file: str, sha256: str | None, limit: int, cache: Path, *, fresh: bool) -> Path:
    """Return a file's path in the cache, verified; it is downloaded if need be, and once more if it is damaged.

    Args:
        repo: Such as ``"owner/name"``.
        commit: Full hash of a commit.
        file: Its name in the repository.
        sha256: What it must hash to; if not given, the hash that the Hub states.
        limit: Bytes that it may have at most.
        cache: Folder of the Hub's cache.
        fresh: Whether to download it even if it is there.

    Raises:
        UnreachableError: If the Hub does not answer.
        DataError: If there is no such file, or one that is too large, comes damaged twice or can't be written.
    """
    stated = ask(repo, commit, file)
    if stated.size is None or stated.size > limit:
        msg = f"{stated.location}: expected at most {limit} bytes, got {stated.size}"
        raise DataError(msg)
    get = partial(hf_hub_download, repo, file, revision=commit, cache_dir=cache, endpoint=endpoint())
    for force in (fresh, True):
        try:
            path = Path(get(force_download=force))
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                hint = "give another cache_dir, or set HF_HOME to a folder with room"
                msg = f"{error.filename or cache}: can't be written ({error.strerror}); {hint}"
                raise DataError(msg) from error
            raise _explain(error, repo, commit, file) from error
        damage = find_damage(path, sha256 or str(stated.etag))
        if damage is None:
            return path
        with suppress(OSError):  # the client would take it for whole, as it has the right size
            path.resolve().unlink()
            path.unlink(missing_ok=True)
    msg = f"hf://{repo}@{commit}/{file}: came damaged: {damage}"
    raise DataError(msg)


def find_damage(path: Path, expected: str) -> str | None:
    """Return what is wrong with a file, given its SHA-256 or, as the Hub states it of small files, its git hash.

    Raises:
        OSError: If it can't be read.
    """
    content = path.read_bytes()
    if is_commit(expected):
        kind, found = "git hash", hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    else:
        kind, found = "SHA-256", hashlib.sha256(content).hexdigest()
    return None if found == expected else f"expected {kind} {expected}, found {found}"


def _explain(error: Exception, repo: str, revision: str, file: str) -> DataError:
    """Return the one error that says what an error means, be it the client's, its HTTP library's or a proxy's."""
    if isinstance(error, DataError):
        return error
    if isinstance(error, LocalEntryNotFoundError | ValueError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # of which the client says only that the connection should be checked
    if isinstance(error, OfflineModeIsEnabled):
        return UnreachableError("HF_HUB_OFFLINE is set")
    if isinstance(error, HFValidationError):
        return DataError(f"hf://{repo}: {error}")
    if isinstance(error, RevisionNotFoundError):
        return DataError(f"hf://{repo}: has no branch, tag or commit {revision}")
    if isinstance(error, RemoteEntryNotFoundError):
        return DataError(f"hf://{repo}@{revision}: holds no {file}; expected a preset of braintumorseg")
    if not isinstance(error, HfHubHTTPError):
        return UnreachableError(f"{endpoint()} can't be reached for {file} ({error or type(error).__name__})")
    status = error.response.status_code
    answered = f"{endpoint()} answered {status} {error.response.reason_phrase}"
    if status in _UNAVAILABLE:
        wait = error.response.headers.get("Retry-After")
        return UnreachableError(f"{answered}, try again in {wait} s" if wait else answered)
    if status in (401, 403, 404):
        return DataError(
            f"hf://{repo}: no such repository at {endpoint()}, or one that you may not read ({status}); "
            "for the latter, run: hf auth login, or set HF_TOKEN"
        )
    return DataError(f"hf://{repo}@{revision}/{file}: {answered}")


def _within(seconds: float, url: str) -> HfFileMetadata:
    """Ask in a thread that can be given up: no timeout of the client holds while a name is looked up."""
    outcome: Future[HfFileMetadata] = Future()

    def run() -> None:
        try:
            # The client's own timeout only ends the thread. At the same moment as ours, it would now and then word the error.
            outcome.set_result(get_hf_file_metadata(url, timeout=2 * seconds))
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError as error:
        msg = f"{endpoint()} did not answer within {seconds:g} s (HF_HUB_ETAG_TIMEOUT=30 waits longer)"
        raise UnreachableError(msg) from error
