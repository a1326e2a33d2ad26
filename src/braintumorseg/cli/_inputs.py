"""What commands read: a study, many of them, or the files of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import braintumorseg as bts
from braintumorseg.cli._common import USAGE, Part, fail, find_paths

_NAMES = ("pre", "flair", "post")


class Input(NamedTuple):
    """What is read: where it is, what it is called, and what ``read_study`` is told."""

    path: Path
    name: str
    arguments: dict[str, Any]

    @property
    def files(self) -> list[Path]:
        """What is read: files and folders."""
        return sorted(value for value in self.arguments.values() if isinstance(value, Path))


def find_inputs(source: Path | None, files: dict[str, Path], split: Part | None) -> list[Input]:
    """Return what there is to read: one study by its files, or what is at a path."""
    if (source is None) == (not files):
        fail("expected INPUT, or files by --flair, --pre and --post", USAGE)
    if source is None:
        for path in files.values():
            if not path.exists():
                fail(f"{path}: does not exist; expected a study or a folder of studies", USAGE)
        if "flair" not in files:
            fail("expected --flair beside --pre and --post: a study lies on its grid", USAGE)
        return [Input(files["flair"], bts.study_name(flair=files["flair"]), dict(files))]
    paths = find_paths(source, split)
    return [Input(path, bts.study_name(path), {"path": path}) for path in paths]


def parse_sequences(text: str | None) -> list[str | None] | None:
    """Read ``flair,pre,post,-``."""
    if text is None:
        return None
    names = [None if name.strip() == "-" else name.strip() for name in text.split(",")]
    known = [name for name in names if name is not None]
    if not known or len(set(known)) < len(known) or not set(known) <= set(_NAMES):
        fail(f"--sequences must be distinct names out of {', '.join(_NAMES)}, or - for others; got {text}", USAGE)
    return names


def parse_series(texts: list[str] | None) -> dict[str, str] | None:
    """Read ``flair=5``, each a series of its own."""
    if not texts:
        return None
    pairs = [text.partition("=") for text in texts]
    for text, (key, _, wanted) in zip(texts, pairs, strict=True):
        if key not in _NAMES or not wanted:
            fail(f"--series must be such as flair=5, for one of {', '.join(_NAMES)}; got {text}", USAGE)
    return {key: wanted for key, _, wanted in pairs}
