"""Names of sequences: those that are known everywhere, and what any other may be called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from braintumorseg._core.checks import wrong

SEQUENCES = ("t1", "flair", "t1ce")
"""The sequences of the LGG dataset, in its order; every argument's default: T1 before contrast, FLAIR, T1 after contrast."""

KNOWN = (*SEQUENCES, "t2")
"""The sequences whose names readers recognise in files of BraTS, BIDS and DICOM."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_TAKEN = ("mask", "seg", "labels")
NAMES = f"distinct names such as {', '.join(KNOWN)} or adc: lower-case letters, digits, _ and -"
"""What names of sequences may be, for messages."""


def are_sequences(names: Sequence[object]) -> bool:
    """Tell whether these are distinct names that sequences may have, and at least one."""
    valid = all(isinstance(name, str) and _NAME.fullmatch(name) and name not in _TAKEN for name in names)
    return bool(names) and valid and len(set(names)) == len(names)


def check_sequences(argument: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of sequences as a tuple.

    Raises:
        ValueError: If they are not distinct names that sequences may have.
    """
    if isinstance(names, str) or not are_sequences(tuple(names)):
        raise ValueError(wrong(argument, NAMES, names if isinstance(names, str) else tuple(names)))
    return tuple(names)


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with the known ones first, in their order; the others follow as they came."""
    return (*(name for name in KNOWN if name in names), *(name for name in names if name not in KNOWN))
