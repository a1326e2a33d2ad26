"""``braintumorseg zoo publish``."""

from __future__ import annotations

from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import USAGE, fail, say
from braintumorseg.cli._loading import load


def publish(
    name: options.Name,
    repo: Annotated[str, typer.Argument(metavar="OWNER/REPO", help="The repository, made if need be.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[str, typer.Option(help="The branch.")] = "main",
    message: Annotated[str | None, typer.Option("-m", "--message", help="The commit message.")] = None,
) -> None:
    """Publish a model on the Hugging Face Hub. The published files are verified."""
    segmenter = load(name, "NAME")
    try:
        pin = bts.zoo.push_to_hub(segmenter, repo, private=private, revision=revision, commit_message=message)
    except bts.DataError:
        raise
    except ValueError as error:
        fail(str(error), USAGE)
    say(
        f"published and verified: {segmenter.name}\n"
        + "".join(f"{file}: SHA-256 {sha256}\n" for file, sha256 in pin.sha256.items())
        + f'load it with: load_pretrained("hf://{pin.repo}@{pin.commit}")'
    )
