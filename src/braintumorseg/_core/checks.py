"""Argument checks with one message form: which argument, what is allowed, what came."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any


class DataError(ValueError):
    """A file, a study or a result that cannot be used; the message names it and says what was expected."""


def wrong(name: str, allowed: str, got: object) -> str:
    """Return the one form that every argument error has: ``name must be allowed; got got``."""
    text = got if isinstance(got, str) else repr(got)
    return f"{name} must be {allowed}; got {text}"


def check_in(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        msg = wrong(name, "one of " + ", ".join(repr(item) for item in allowed), repr(value))
        raise ValueError(msg)


def check_range(
    name: str,
    value: Any,
    low: float | None = None,
    high: float | None = None,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> None:
    """Raise ``ValueError`` unless ``value`` is a number within the bounds (closed unless ``*_open``)."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    above = low is None or (number and (value > low if low_open else value >= low))
    below = high is None or (number and (value < high if high_open else value <= high))
    if not (number and above and below):
        left = "any number" if low is None else f"{'more than' if low_open else 'at least'} {low}"
        right = (
            ""
            if high is None
            else f"{' and ' if low is not None else ' '}{'less than' if high_open else 'at most'} {high}"
        )
        msg = wrong(name, left + right, repr(value))
        raise ValueError(msg)


def check_integer(name: str, value: Any, low: int) -> None:
    """Raise ``ValueError`` unless ``value`` is an ``int`` of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        msg = wrong(name, f"an integer of at least {low}", repr(value))
        raise ValueError(msg)
