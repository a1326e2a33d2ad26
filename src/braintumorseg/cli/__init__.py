"""The command line. It speaks to the public API alone, which loads what a command needs and no more."""

from __future__ import annotations

import gc
import sys
from typing import Annotated, Any

import typer

import braintumorseg as bts
from braintumorseg._core.optional import NotInstalledError
from braintumorseg.cli._backend import backend_problem
from braintumorseg.cli._console import DATA, USAGE, fail, replace_unencodable, say, warnings_in_one_line
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
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# The base of the errors for wrong options: typer's own class in new versions, click's in older ones.
_UsageError: type[Any] = typer.BadParameter.__mro__[1]


def main() -> None:
    """Run the command line; errors end in one line and an exit code, never in a traceback."""
    replace_unencodable()
    try:
        with warnings_in_one_line():
            code = app(prog_name="braintumorseg", standalone_mode=False)
    except _UsageError as error:
        _fail_usage(error)
    except bts.DataError as error:
        fail(str(error), DATA)
    except NotInstalledError as error:
        fail(str(error), USAGE)
    except UnicodeEncodeError as error:  # a file's name in an old encoding, which pages and tables can't hold
        fail(f"names must be in UTF-8; got {error.object[max(error.start - 20, 0) : error.end + 20]!a}", DATA)
    except (ImportError, ValueError):  # Keras at its import: of all other errors, a traceback tells more
        problem = backend_problem()
        if problem is None:
            raise
        fail(problem, USAGE)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), DATA)
    finally:
        gc.freeze()  # else Python looks for cycles in all that was imported before it exits: a sixth of a prediction's time
    sys.exit(code if isinstance(code, int) else 0)


def _fail_usage(error: Any) -> None:
    """Say in one line what is wrong with the command; a command without arguments shows its help instead."""
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{message}\n")
        sys.exit(USAGE)
    fail(f"{message} (see {error.ctx.command_path} --help)" if error.ctx else message, USAGE)


def _version(value: bool) -> None:
    if value:
        say(f"braintumorseg {bts.__version__}")
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
