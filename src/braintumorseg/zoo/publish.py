"""Publish a preset on the Hugging Face Hub, and look whether what lies there is what was meant."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from braintumorseg._core.checks import DataError, wrong
from braintumorseg._version import __version__
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.presets.card import Card
from braintumorseg.presets.pins import Pin
from braintumorseg.presets.reader import read_network, read_preset
from braintumorseg.zoo.hub import fetch, files_of
from braintumorseg.zoo.hub_card import render_hub_card
from braintumorseg.zoo.hub_client import endpoint

README_FILE = "README.md"

_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_UNKNOWN = ("", "not stated")


def push_to_hub(
    segmenter: Segmenter,
    repo: str,
    *,
    private: bool = False,
    revision: str = "main",
    commit_message: str | None = None,
) -> Pin:
    """Publish a segmenter, from where ``load_pretrained("hf://owner/repo")`` loads it, and verify what was published.

    Uploaded in one commit: ``braintumorseg.json`` (architecture, preprocessing, threshold, card, SHA-256 of the weights),
    ``model.safetensors`` (and ``int8.safetensors`` of a preset that has one), and the card as ``README.md``, with licence and
    scores in the metadata that the Hub reads. Other files of the repository stay. All of it is then downloaded again and
    compared.

    Args:
        segmenter: One whose card states a licence and has scores, such as after ``write_card``.
        repo: ``"owner/name"``; made if need be.
        private: Whether a repository that is made is seen by its owner alone.
        revision: Branch; made from ``main`` if need be.
        commit_message: ``"Publish <name>"`` if not given.

    Returns:
        Repository, commit and hashes. ``load_pretrained(f"hf://{pin.repo}@{pin.commit}")`` loads this and nothing else.

    Raises:
        ValueError: If the card has no licence or no scores, or ``repo`` is not as stated.
        DataError: If the Hub can't be reached or refuses, or what it gives back is not what was sent.

    Examples:
        >>> from braintumorseg import Preprocessing, Segmenter, build_unet
        >>> from braintumorseg.zoo import push_to_hub
        >>> push_to_hub(Segmenter(build_unet(filters=(4, 8)), Preprocessing(size=64)), "me/mine")
        Traceback (most recent call last):
        ValueError: segmenter must be one whose card states a licence and has scores; got no card
    """
    if not _REPO.fullmatch(repo):
        msg = wrong("repo", "owner/name", repr(repo))
        raise ValueError(msg)
    _check_card(segmenter.card)
    with TemporaryDirectory() as scratch:
        folder, cache = Path(scratch, "preset"), Path(scratch, "cache")
        segmenter.save(folder)
        preset = read_preset(folder)
        (folder / README_FILE).write_text(render_hub_card(preset, repo), encoding="utf-8")
        commit = _upload(folder, repo, revision, commit_message or f"Publish {segmenter.name}", private=private)
        sha256 = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files_of(preset)}
        published = fetch(repo, commit, sha256=sha256, cache_dir=cache, fresh=True)
        read_network(published, read_preset(published))
    return Pin(repo, commit, sha256)


def _check_card(card: Card | None) -> None:
    """Refuse weights that nobody may use, or of which nobody knows how good they are."""
    lacking = "no card" if card is None else ""
    if card is not None and card.licence.strip().lower() in _UNKNOWN:
        lacking = "a card without licence"
    elif card is not None and not card.scores:
        lacking = "a card without scores"
    if lacking:
        msg = wrong("segmenter", "one whose card states a licence and has scores", lacking)
        raise ValueError(msg)


def _upload(folder: Path, repo: str, revision: str, message: str, *, private: bool) -> str:
    """Send all files of a folder in one commit; return the commit."""
    api = HfApi(endpoint=endpoint(), library_name="braintumorseg", library_version=__version__)
    files = [CommitOperationAdd(path.name, path) for path in sorted(folder.iterdir())]
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        if revision != "main":
            api.create_branch(repo, branch=revision, exist_ok=True)
        return api.create_commit(repo, files, commit_message=message, revision=revision).oid
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = "; run: hf auth login, or set HF_TOKEN to a token that may write" if status in (401, 403, 404) else ""
        msg = f"hf://{repo}: {endpoint()} refused to publish ({status} {error.server_message or ''}){hint}"
        raise DataError(msg) from error
    except Exception as error:  # of the client, of httpx2, of proxies, of JSON, of certificates
        msg = f"hf://{repo}: can't be published at {endpoint()} ({error})"
        raise DataError(msg) from error
