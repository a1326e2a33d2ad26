"""What commands read: a study, many of them, or the files of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

import braintumorseg as bts
from braintumorseg.cli._common import USAGE, Part, fail, find_paths

_NAMES = ("t1", "flair", "t1ce")

Source = Annotated[Path | None, typer.Argument(metavar="INPUT", help="A study, or a folder of many.")]
Flair = Annotated[Path | None, typer.Option(help="The FLAIR of one study, where it is a file of its own.")]
Pre = Annotated[Path | None, typer.Option(help="T1 before contrast, beside --flair.")]
Post = Annotated[Path | None, typer.Option(help="T1 after contrast, beside --flair.")]
Sequences = Annotated[
    str | None, typer.Option(metavar="LIST", help="What a 4-D file holds, such as flair,t1,t1ce,- (- is left out).")
]
Series = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=SERIES", help="A DICOM series by number or description, such as flair=5."),
]
Align = Annotated[
    bool, typer.Option("--align/--no-align", help="Whether to undo that the patient moved between sequences.")
]


class Input(NamedTuple):
    """What is read: where it is, what it is called, and what ``read_study`` is told."""

    path: Path
    name: str
    arguments: dict[str, Any]

    @property
    def files(self) -> list[Path]:
        """What is read: files and folders."""
        return sorted(value for value in self.arguments.values() if isinstance(value, Path))


def find_inputs(
    source: Path | None, split: Part | None, *, flair: Path | None, t1: Path | None, t1ce: Path | None
) -> list[Input]:
    """Return what there is to read: one study by its files, or what is at a path."""
    files = {key: path for key, path in (("flair", flair), ("t1", t1), ("t1ce", t1ce)) if path is not None}
    if (source is None) == (not files):
        fail("expected INPUT, or files by --flair, --t1 and --t1ce", USAGE)
    if source is None:
        for path in files.values():
            if not path.exists():
                fail(f"{path}: does not exist; expected a study or a folder of studies", USAGE)
        if "flair" not in files:
            fail("expected --flair beside --t1 and --t1ce: a study lies on its grid", USAGE)
        return [Input(files["flair"], bts.io.study_name(flair=files["flair"]), dict(files))]
    paths = find_paths(source, split)
    return [Input(path, bts.io.study_name(path), {"path": path}) for path in paths]


def reading_options(sequences: str | None, series: list[str] | None, *, align: bool) -> dict[str, Any]:
    """Return what ``read_study`` is told of every study."""
    return {"sequences": _parse_sequences(sequences), "series": _parse_series(series), "align": align}


def _parse_sequences(text: str | None) -> list[str | None] | None:
    """Read ``flair,t1,t1ce,-``."""
    if text is None:
        return None
    names = [None if name.strip() == "-" else name.strip() for name in text.split(",")]
    known = [name for name in names if name is not None]
    if not known or len(set(known)) < len(known) or not set(known) <= set(_NAMES):
        fail(f"--sequences must be distinct names out of {', '.join(_NAMES)}, or - for others; got {text}", USAGE)
    return names


def _parse_series(texts: list[str] | None) -> dict[str, str] | None:
    """Read ``flair=5``, each a series of its own."""
    if not texts:
        return None
    pairs = [text.partition("=") for text in texts]
    for text, (key, _, wanted) in zip(texts, pairs, strict=True):
        if key not in _NAMES or not wanted:
            fail(f"--series must be such as flair=5, for one of {', '.join(_NAMES)}; got {text}", USAGE)
    return {key: wanted for key, _, wanted in pairs}
