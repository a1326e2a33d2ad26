"""Readers of layers' settings: each takes a value from anywhere and returns it in one form, or says what is allowed."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from braintumorseg._core.checks import wrong

MAX_CHANNELS = 2**14
MAX_SIDE = 4096
MAX_STEP = 64
"""Of kernels, strides, dilations and factors of upsampling."""

Read = Callable[[Any], Any]
"""From a value to the same in one form; a ``ValueError`` of one clause, what is allowed, if it is none."""

REQUIRED = object()

_SHOWN = 120  # characters of a value in a message


@dataclass(frozen=True)
class Setting:
    """How one setting of a layer is read.

    Attributes:
        read: The reader.
        default: What the setting is where it is not given.
    """

    read: Read
    default: Any = REQUIRED


def read_settings(
    layer: str, given: dict[str, Any], settings: dict[str, Setting], fixed: dict[str, tuple[Any, ...]]
) -> dict[str, Any]:
    """Return the settings of a layer, checked and whole.

    Args:
        layer: Its name, for messages.
        given: Values by name.
        settings: The settings that the layer has.
        fixed: Settings of which a preset takes one value alone, with what may be given; they are left out of the result.

    Raises:
        ValueError: If a setting is unknown, missing, or not as allowed.
    """
    if unknown := sorted(given.keys() - settings.keys() - fixed.keys()):
        msg = wrong(f"settings of the layer {layer!r}", f"among {', '.join(settings) or 'none'}", shown(unknown[0]))
        raise ValueError(msg)
    for name, allowed in fixed.items():
        # By type too, as True equals 1 and a file may hold either.
        if name in given and not any(_same(given[name], value) for value in allowed):
            msg = wrong(f"{name} of the layer {layer!r}", shown(allowed[0]), shown(given[name]))
            raise ValueError(msg)
    read: dict[str, Any] = {}
    for name, setting in settings.items():
        value = given.get(name, setting.default)
        try:
            if value is REQUIRED:
                raise ValueError("given")  # noqa: EM101 - the clause of the message below
            read[name] = setting.read(value)
        except ValueError as error:
            got = "nothing" if value is REQUIRED else shown(value)
            msg = wrong(f"{name} of the layer {layer!r}", str(error), got)
            raise ValueError(msg) from error
    return read


def shown(value: Any) -> str:
    """Return a value for a message, shortened: it may come from a file of any size."""
    text = reprlib.repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _same(value: Any, allowed: Any) -> bool:
    return type(value) is type(allowed) and bool(value == allowed)


def integer(low: int, high: int) -> Read:
    """Read an integer."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            msg = f"an integer from {low} to {high}"
            raise ValueError(msg)
        return value

    return read


def number(low: float = -1e9, high: float = 1e9) -> Read:
    """Read a finite number."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            msg = f"a number from {low:g} to {high:g}"
            raise ValueError(msg)
        return float(value)

    return read


def flag(value: Any) -> bool:
    """Read a truth value."""
    if not isinstance(value, bool):
        msg = "True or False"
        raise ValueError(msg)
    return value


def choice(*names: str) -> Read:
    """Read one of some names."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            msg = "one of " + ", ".join(map(repr, names))
            raise ValueError(msg)
        return value

    return read


def pair(low: int, high: int) -> Read:
    """Read two integers, one for the height and one for the width, or one for both."""
    one = integer(low, high)

    def read(value: Any) -> tuple[int, int]:
        both = value if isinstance(value, (list, tuple)) else (value, value)
        try:
            height, width = both
            return one(height), one(width)
        except ValueError as error:
            msg = f"two integers from {low} to {high}"
            raise ValueError(msg) from error

    return read


def margins(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Read ``((top, bottom), (left, right))``."""
    sides = pair(0, MAX_SIDE)
    try:
        (top, bottom), (left, right) = value
        return sides((top, bottom)), sides((left, right))
    except (TypeError, ValueError) as error:
        msg = f"((top, bottom), (left, right)), integers from 0 to {MAX_SIDE}"
        raise ValueError(msg) from error


def optional(read: Read) -> Read:
    """Read ``None`` or what another reader takes."""

    def either(value: Any) -> Any:
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            msg = f"None or {error}"
            raise ValueError(msg) from error

    return either


def numbers(value: Any) -> float | tuple[float, ...]:
    """Read a number, or a list of one for each channel."""
    one = number()
    if not isinstance(value, (list, tuple)):
        return float(one(value))
    if not 0 < len(value) <= MAX_CHANNELS:
        msg = f"a number or up to {MAX_CHANNELS} of them"
        raise ValueError(msg)
    return tuple(one(each) for each in value)


def sizes(least: int, most: int) -> Read:
    """Read a shape of so many lengths; ``None`` is any."""
    one = optional(integer(1, MAX_CHANNELS))

    def read(value: Any) -> tuple[int | None, ...]:
        if not isinstance(value, (list, tuple)) or not least <= len(value) <= most:
            msg = f"a list of {least} lengths" if least == most else f"a list of {least} to {most} lengths"
            raise ValueError(msg)
        return tuple(one(each) for each in value)

    return read
