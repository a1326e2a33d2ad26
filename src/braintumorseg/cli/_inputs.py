"""Studies that ``predict`` and ``report`` read: one, a folder of many, or the files of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

import braintumorseg as bts
from braintumorseg._core.choices import Part
from braintumorseg.cli._console import DATA, USAGE, fail

Source = Annotated[Path | None, typer.Argument(metavar="INPUT", help="A study, or a folder of studies.")]
Flair = Annotated[Path | None, typer.Option(help="The FLAIR of one study, if each sequence is a file of its own.")]
T1 = Annotated[Path | None, typer.Option(help="T1 before contrast, beside --flair.")]
T1ce = Annotated[Path | None, typer.Option(help="T1 after contrast, beside --flair.")]
Sequences = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="Sequences of a 4-D file in order, such as flair,t1,t1ce,- (- is skipped)."),
]
Series = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=SERIES", help="A DICOM series by number or description, such as flair=5."),
]
Align = Annotated[bool, typer.Option("--align/--no-align", help="Undo movement of the patient between sequences.")]
Split = Annotated[Part | None, typer.Option(help="Read only this part of the LGG dataset.")]


class Input(NamedTuple):
    """A study to read: its path, its name, and the arguments of ``read_study``."""

    path: Path
    name: str
    arguments: dict[str, Any]

    @property
    def files(self) -> list[Path]:
        """Files and folders of the study."""
        return sorted(value for value in self.arguments.values() if isinstance(value, Path))


def find_inputs(
    source: Path | None, split: Part | None, *, flair: Path | None, t1: Path | None, t1ce: Path | None
) -> list[Input]:
    """Return the studies to read: one by its files, or those at a path."""
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
    paths = _find_paths(source, split)
    return [Input(path, bts.io.study_name(path), {"path": path}) for path in paths]


def _find_paths(source: Path, split: Part | None) -> list[Path]:
    """Find the studies of a folder, or those in one part of the LGG split; no study at all ends the command."""
    if not source.exists():
        fail(f"{source}: does not exist; expected a study or a folder of studies", USAGE)
    paths = bts.find_studies(source)
    if split is not None:
        members = bts.datasets.lgg_split(split)
        paths = [path for path in paths if path.name in members]
        if not paths:
            fail(f"{source}: holds no patient of the {split} part of the LGG split", DATA)
    return paths


def reading_options(sequences: str | None, series: list[str] | None, *, align: bool) -> dict[str, Any]:
    """Return the arguments of ``read_study`` that are the same for every study."""
    return {"sequences": _parse_sequences(sequences), "series": _parse_series(series), "align": align}


def _parse_sequences(text: str | None) -> list[str | None] | None:
    """Read ``flair,t1,t1ce,-``."""
    if text is None:
        return None
    names = [None if name.strip() == "-" else bts.io.sequence_name(name.strip()) for name in text.split(",")]
    known = [name for name in names if name is not None]
    if not known or len(set(known)) < len(known) or not set(known) <= set(bts.io.SEQUENCES):
        fail(
            f"--sequences must be distinct names out of {', '.join(bts.io.SEQUENCES)}, or - for others; got {text}",
            USAGE,
        )
    return names


def _parse_series(texts: list[str] | None) -> dict[str, str] | None:
    """Read ``flair=5``, each a series of its own; ``read_study`` translates names of other conventions."""
    if not texts:
        return None
    pairs = [text.partition("=") for text in texts]
    for text, (key, _, wanted) in zip(texts, pairs, strict=True):
        if bts.io.sequence_name(key) not in bts.io.SEQUENCES or not wanted:
            fail(f"--series must be such as flair=5, for one of {', '.join(bts.io.SEQUENCES)}; got {text}", USAGE)
    return {key: wanted for key, _, wanted in pairs}
