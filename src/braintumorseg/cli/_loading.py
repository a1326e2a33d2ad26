"""Load a preset, and start the program that runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import braintumorseg as bts
from braintumorseg._core.checks import check_range
from braintumorseg.cli._backend import explain
from braintumorseg.cli._console import USAGE, fail, silent_native_code

if TYPE_CHECKING:
    from braintumorseg import Segmentation, Segmenter
    from braintumorseg._core.choices import Engine, Precision
    from braintumorseg.inference import Prediction


def load(preset: str, called: str = "--preset") -> Segmenter:
    """Load a preset; ``called`` is the argument's name, for the error message."""
    try:
        return bts.load_pretrained(preset)
    except bts.DataError:
        raise
    except ValueError as error:
        fail(f"{called}{str(error).removeprefix('name')}" if str(error).startswith("name ") else str(error), USAGE)


def start(
    segmenter: Segmenter, engine: Engine = "auto", precision: Precision | None = None, *, uncertainty: bool = False
) -> Prediction:
    """Choose and start the runtime now, so that its messages at the start do not bury the results."""
    try:
        with silent_native_code():
            return segmenter.prediction(uncertainty=uncertainty, engine=engine, precision=precision)
    except bts.DataError:
        raise
    except (ValueError, ImportError) as error:
        fail(explain(error), USAGE)


def set_threshold(segmenter: Segmenter, value: float | None) -> tuple[str, ...]:
    """Give a segmenter another threshold, which its fingerprint then includes.

    Returns:
        The note that tells a reader, where the threshold is not the preset's own.
    """
    default = segmenter.threshold
    if value is None or value == default:
        return ()
    try:
        check_range("--threshold", value, 0, 1, low_open=True)
    except ValueError as error:
        fail(str(error), USAGE)
    segmenter.threshold = value
    return (f"threshold {value:g} instead of the preset's {default:g}",)


def with_notes(segmentation: Segmentation, notes: tuple[str, ...]) -> Segmentation:
    """Return the segmentation with notes at the end."""
    return replace(segmentation, notes=(*segmentation.notes, *notes)) if notes else segmentation
