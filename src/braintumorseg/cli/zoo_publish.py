"""``braintumorseg zoo publish``."""

from __future__ import annotations

from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._common import USAGE, fail, load, out


def publish(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A pretrained model, or the folder of a trained one.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/REPO", help="Where to; made if need be.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository one that you alone see.")] = False,
    revision: Annotated[str, typer.Option(help="The branch.")] = "main",
    message: Annotated[str | None, typer.Option("-m", "--message", help="What the commit says.")] = None,
) -> None:
    """Publish a model on the Hugging Face Hub, and verify what was published."""
    segmenter = load(name)
    try:
        pin = bts.zoo.push_to_hub(segmenter, repo, private=private, revision=revision, commit_message=message)
    except bts.DataError:
        raise
    except ValueError as error:
        fail(str(error), USAGE)
    out.print(
        f"published and verified: {segmenter.name}\n"
        + "".join(f"{file}: SHA-256 {sha256}\n" for file, sha256 in pin.sha256.items())
        + f'load it with: load_pretrained("hf://{pin.repo}@{pin.commit}")',
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
