"""One file of the Hugging Face Hub, by the Hub's own client: bounded, verified, and never asked for more than twice."""

from __future__ import annotations

import hashlib
import os
import re
from typing import NamedTuple

import httpx2
from huggingface_hub import constants, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, but not in its __all__

from braintumorseg._core.checks import DataError
from braintumorseg._version import __version__

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNAVAILABLE = (408, 429, 500, 502, 503, 504)


class UnreachableError(DataError):
    """The Hub can't be asked now; what is in the cache will do."""


class _DamagedError(DataError):
    """A file came cut short or changed; asked for again, it may come whole."""


class Received(NamedTuple):
    """A file of the Hub, and the commit that it is of."""

    content: bytes
    commit: str


def is_commit(revision: str) -> bool:
    """Say whether a revision is the full hash of a commit, which can't move."""
    return _COMMIT.fullmatch(revision) is not None


def endpoint() -> str:
    """Return the Hub's address: ``HF_ENDPOINT`` as it is now, where that is set."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def download(repo: str, revision: str, file: str, *, limit: int, sha256: str | None = None) -> Received:
    """Download one file, verified; if it comes damaged, once more.

    Args:
        repo: Such as ``"owner/name"``.
        revision: A commit, a branch or a tag.
        file: Its name in the repository.
        limit: Bytes that it may have at most.
        sha256: What it must hash to; if not given, the hash that the Hub itself states must fit.

    Raises:
        UnreachableError: If the Hub does not answer, or asks to come back later.
        DataError: If it has no such file, or one that is too large, or sends it damaged twice.
    """
    try:
        return _download_once(repo, revision, file, limit, sha256)
    except _DamagedError:
        return _download_once(repo, revision, file, limit, sha256)


def _download_once(repo: str, revision: str, file: str, limit: int, sha256: str | None) -> Received:
    url = hf_hub_url(repo, file, revision=revision, endpoint=endpoint())
    headers = build_hf_headers(library_name="braintumorseg", library_version=__version__)
    headers["Accept-Encoding"] = "identity"  # lengths are the file's own
    try:
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            content = _read(response, url, limit)
    except HfHubHTTPError as error:
        raise _explain(error, repo, revision, file) from error
    except (httpx2.HTTPError, OfflineModeIsEnabled) as error:
        offline = isinstance(error, OfflineModeIsEnabled)
        msg = "HF_HUB_OFFLINE is set" if offline else f"{endpoint()} can't be reached ({error or type(error).__name__})"
        raise UnreachableError(msg) from error
    commit, tag = _identity(response, url)
    found = hashlib.sha256(content).hexdigest()
    stated = tag if _SHA256.fullmatch(tag) else None
    if found != (sha256 := sha256 or stated or found):
        msg = f"{url}: came damaged: expected SHA-256 {sha256}, found {found}"
        raise _DamagedError(msg)
    if is_commit(tag) and tag != (oid := _git_hash(content)):  # what the Hub states of small files
        msg = f"{url}: came damaged: expected the git hash {tag}, found {oid}"
        raise _DamagedError(msg)
    return Received(content, commit)


def _read(response: httpx2.Response, url: str, limit: int) -> bytes:
    """Return the body, of which little more than ``limit`` bytes are ever received."""
    content = bytearray()
    try:
        for chunk in response.iter_raw():  # as sent: nothing swells on the way
            content += chunk
            if len(content) > limit:
                msg = f"{url}: expected at most {limit} bytes, got more"
                raise DataError(msg)
    except httpx2.HTTPError as error:
        msg = f"{url}: came cut after {len(content)} bytes ({error or type(error).__name__})"
        raise _DamagedError(msg) from error
    return bytes(content)


def _identity(response: httpx2.Response, url: str) -> tuple[str, str]:
    """Return commit and tag of a file, which the Hub states itself, before it sends clients on to where the file lies."""
    for answer in (response, *reversed(response.history)):
        commit = answer.headers.get(constants.HUGGINGFACE_HEADER_X_REPO_COMMIT, "")
        if is_commit(commit):
            tag = answer.headers.get(constants.HUGGINGFACE_HEADER_X_LINKED_ETAG) or answer.headers.get("ETag")
            return commit, (tag or "").removeprefix("W/").strip('"')
    msg = f"{url}: the answer names no commit; expected a Hugging Face Hub at {endpoint()}"
    raise DataError(msg)


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _explain(error: HfHubHTTPError, repo: str, revision: str, file: str) -> DataError:
    status = error.response.status_code
    if status in _UNAVAILABLE:
        wait = error.response.headers.get("Retry-After")
        then = f", try again in {wait} s" if wait else ""
        return UnreachableError(f"{endpoint()} answered {status} {error.response.reason_phrase}{then}")
    code = error.response.headers.get("X-Error-Code")
    if code == "RevisionNotFound":
        return DataError(f"hf://{repo}: has no branch, tag or commit {revision}")
    if code == "EntryNotFound":
        return DataError(f"hf://{repo}@{revision}: holds no {file}; expected a preset of braintumorseg")
    if status in (401, 403, 404):
        return DataError(
            f"hf://{repo}: no such repository at {endpoint()}, or one that you may not read ({status}); "
            "for the latter, run: hf auth login, or set HF_TOKEN"
        )
    return DataError(f"hf://{repo}@{revision}/{file}: {endpoint()} answered {status} {error.response.reason_phrase}")
