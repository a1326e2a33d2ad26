"""``braintumorseg zoo``: the pretrained models, their cards and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

import braintumorseg as bts
from braintumorseg.cli import _options as options
from braintumorseg.cli._console import DATA, USAGE, fail, out, say, silent_native_code
from braintumorseg.cli._loading import load
from braintumorseg.cli._places import check_free
from braintumorseg.cli.zoo_publish import publish

zoo = typer.Typer(
    name="zoo",
    help="List, show, download, verify and publish pretrained models.",
    short_help="Find, check and publish pretrained models.",
    no_args_is_help=True,
)

Pattern = Annotated[str, typer.Argument(metavar="PATTERN", help="Only names that match, such as '*-small'.")]


def list_(pattern: Pattern = "*") -> None:
    """List the pretrained models."""
    _check_pattern(pattern)
    for name, row in bts.list_pretrained(pattern).iterrows():
        interval = f" (95 % {row['interval']})" if row["interval"] else ""
        dice = f"{row['dice']:.3f}{interval}: {row['convention']}; {row['measured_on']}"
        table = Table.grid(padding=(0, 2))
        table.title, table.title_justify, table.title_style = escape(str(name)), "left", "bold"
        for fact, text in {
            "  task": row["task"],
            "  parameters": "not known here"
            if row.isna()["parameters"]
            else f"{row['parameters']:,} ({row['megabytes']:g} MB)",
            "  input": row["input"],
            "  Dice": dice if row["convention"] else "not measured",
            "  licence": row["licence"],
            "  source": row["source"],
        }.items():
            table.add_row(fact, escape(text))
        out.print(table, highlight=False)


def show(name: options.Name) -> None:
    """Show the card of a model."""
    segmenter = load(name, "NAME")
    preprocessing = segmenter.preprocessing
    lines = [
        segmenter.name,
        f"input: {', '.join(preprocessing.sequences)} at {preprocessing.size}x{preprocessing.size}",
        f"threshold: {segmenter.threshold:g}, in components of {segmenter.min_voxels}+ voxels, smaller holes filled",
        *str(segmenter.card).splitlines(),
    ]
    say("\n".join(lines))


def download(
    name: options.Name,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder that gets a copy.")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Fetch a model, so that it loads offline."""
    segmenter = load(name, "NAME")
    if output is not None:
        check_free([output / bts.presets.CONFIG_FILE], overwrite=overwrite)
        with silent_native_code():
            _ = segmenter.model
        segmenter.save(output, overwrite=overwrite)
        said = f"{segmenter.name}: verified, and written to {output}"
    elif name in bts.presets.bundled_presets():
        said = f"{name}: comes with the package, and is verified; -o FOLDER makes a copy"
    else:
        said = f"{name}: is on this machine, and verified"
    say(said)


def verify(pattern: Pattern = "*") -> None:
    """Check the files that come with the package by their SHA-256."""
    _check_pattern(pattern)
    damages = bts.presets.verify_pretrained(pattern)
    for name, damage in damages.items():
        say(f"{name}: {damage or 'as published'}")
    damaged = [damage for damage in damages.values() if damage]
    if damaged:
        fail(f"{len(damaged)} of {len(damages)} presets damaged; install the package again: {damaged[0]}", DATA)


def _check_pattern(pattern: str) -> None:
    if not bts.presets.bundled_presets(pattern):
        fail(f"PATTERN must match one of {', '.join(bts.presets.bundled_presets())}; got {pattern}", USAGE)


zoo.command(name="list")(list_)
for command in (show, download, verify, publish):
    zoo.command()(command)
