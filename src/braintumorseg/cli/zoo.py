"""``braintumorseg zoo``: which pretrained models there are, what they are, and whether their files are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

import braintumorseg as bts
from braintumorseg.cli._common import DATA, USAGE, Overwrite, fail, out, silent_native_code
from braintumorseg.cli.zoo_publish import publish

zoo = typer.Typer(name="zoo", help="List, show, copy, check and publish pretrained models.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A name that list gives, hf://owner/repo, or the folder of a trained model."),
]


def list_(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="Only names that fit, such as '*-small'.")] = "*",
) -> None:
    """List the pretrained models."""
    presets = bts.list_pretrained(pattern)
    if presets.empty:
        fail(f"no preset is called {pattern}; there are {', '.join(bts.list_pretrained().index)}", USAGE)
    for name, row in presets.iterrows():
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


def show(name: Name) -> None:
    """Show the card of a model."""
    segmenter = _load(name)
    preprocessing = segmenter.preprocessing
    lines = [
        segmenter.name,
        f"input: {', '.join(preprocessing.sequences)} at {preprocessing.size}x{preprocessing.size}",
        f"threshold: {segmenter.threshold:g}, in components of {segmenter.min_voxels}+ voxels, smaller holes filled",
        *str(segmenter.card).splitlines(),
    ]
    out.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def download(
    name: Name,
    output: Annotated[Path | None, typer.Option("-o", "--out", help="Folder that gets a copy.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Fetch a model, so that it loads offline."""
    segmenter = _load(name)
    if output is not None:
        if (output / "braintumorseg.json").exists() and not overwrite:
            fail(f"{output}: holds a preset already; add --overwrite to replace it", USAGE)
        with silent_native_code():
            _ = segmenter.model
        segmenter.save(output, overwrite=overwrite)
        said = f"{segmenter.name}: verified, and written to {output}"
    elif name in bts.list_pretrained().index:
        said = f"{name}: comes with the package, and is verified; -o FOLDER makes a copy"
    else:
        said = f"{name}: is on this machine, and verified"
    out.print(said, highlight=False, markup=False, soft_wrap=True)


def verify() -> None:
    """Check the packaged files by their SHA-256."""
    damages = bts.presets.verify_pretrained()
    for name, damage in damages.items():
        out.print(f"{name}: {damage or 'as published'}", highlight=False, markup=False, soft_wrap=True)
    damaged = [damage for damage in damages.values() if damage]
    if damaged:
        fail(f"{len(damaged)} of {len(damages)} presets damaged; install the package again: {damaged[0]}", DATA)


def _load(name: str) -> bts.Segmenter:
    try:
        return bts.load_pretrained(name)
    except bts.DataError:
        raise
    except ValueError as error:
        fail(str(error), USAGE)


zoo.command(name="list")(list_)
for command in (show, download, verify, publish):
    zoo.command()(command)
