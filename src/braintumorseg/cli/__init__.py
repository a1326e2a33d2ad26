"""The command line. It speaks to the public API alone, which loads what a command needs and no more."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

import braintumorseg as bts
from braintumorseg.cli._common import DATA, fail, out
from braintumorseg.cli.associate import associate
from braintumorseg.cli.classify_slices import classify_slices
from braintumorseg.cli.cross_validate import cross_validate
from braintumorseg.cli.demo import demo
from braintumorseg.cli.evaluate import evaluate
from braintumorseg.cli.explore import explore
from braintumorseg.cli.export import export
from braintumorseg.cli.predict import predict
from braintumorseg.cli.quantize import quantize
from braintumorseg.cli.report import report
from braintumorseg.cli.train import train
from braintumorseg.cli.train_slice_classifier import train_slice_classifier
from braintumorseg.cli.zoo import zoo

app = typer.Typer(
    name="braintumorseg",
    help="Find brain tumours in MRI. For research, not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; errors end in one line and an exit code, never in a traceback."""
    try:
        app()
    except bts.DataError as error:
        fail(str(error), DATA)
    except KeyboardInterrupt:
        fail("interrupted", 130)
    finally:
        gc.freeze()  # else Python looks for cycles in all that was imported before it exits: a sixth of a prediction's time


def _version(value: bool) -> None:
    if value:
        out.print(f"braintumorseg {bts.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


for command in (
    predict,
    report,
    demo,
    evaluate,
    train,
    cross_validate,
    associate,
    explore,
    quantize,
    export,
    classify_slices,
    train_slice_classifier,
):
    app.command()(command)
app.add_typer(zoo)
