"""The one form that benchmarks are printed in: what was measured, ours, a named peer, and the ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One comparison.

    Attributes:
        what: What was measured, and in which unit.
        ours: Our figure.
        peer: The peer's figure, and its name.
        ratio: How many times as good ours is.
    """

    what: str
    ours: str
    peer: str
    ratio: float


def print_table(title: str, rows: Sequence[Row]) -> None:
    print(f"{title}; the last column: more is better")
    lines = [("", "ours", "peer", "ratio"), *((*row[:3], f"{row.ratio:.2f}") for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
