"""What a layout finds in a folder, and the names of sequences in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from braintumorseg._core.checks import DataError
from braintumorseg.datasets.case import Case
from braintumorseg.io import sequence_name
from braintumorseg.study import NAMES, are_sequences


@dataclass(frozen=True, eq=False)
class Found:
    """The studies of a folder.

    Attributes:
        layout: Name of the layout, for readers.
        cases: The studies.
        expected_mask: Where the layout has the mask of a study, in words.
        table: The clinical table, indexed by the study's name.
        labels: Value of each label in the masks, or the values of each region, by its name, where the dataset states them.
        notes: Files that were left out, each with the reason.
    """

    layout: str
    cases: tuple[Case, ...]
    expected_mask: str
    table: pd.DataFrame | None = None
    labels: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Channels(NamedTuple):
    """Sequences of a dataset's channels, in their order; ``None`` for a channel that is left out."""

    names: tuple[str | None, ...]
    notes: tuple[str, ...]


def name_sequence(text: str) -> str:
    """Return a sequence's name of any convention as this package has it; unknown ones become lower-case identifiers.

    Examples:
        >>> from braintumorseg.datasets.layouts.found import name_sequence
        >>> [name_sequence(text) for text in ("FLAIR", "T1w", "t1gd", "T1 Gd", "T2w", "ADC map")]
        ['flair', 't1', 't1ce', 't1ce', 't2', 'adc_map']
    """
    return sequence_name(re.sub(r"\W+", "_", text.strip().lower()).strip("_"))


def is_read(sequence: str) -> bool:
    """Tell whether a sequence may have this name."""
    return are_sequences((sequence,))


def name_channels(path: Path, texts: Iterable[str]) -> Channels:
    """Return the sequences that channels hold, of the names that a file states for them.

    Raises:
        DataError: If two have one name, or none has one that a sequence may have.
    """
    names = [name_sequence(text) for text in texts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        msg = f"{path}: names the sequence {twice} twice; expected each channel to be another sequence"
        raise DataError(msg)
    left = [name for name in names if not is_read(name)]
    if len(left) == len(names):
        msg = f"{path}: names the channels {', '.join(names) or 'none'}; expected {NAMES}"
        raise DataError(msg)
    return Channels(tuple(name if is_read(name) else None for name in names), left_out(left))


def left_out(names: Iterable[str]) -> tuple[str, ...]:
    """Say which sequences are not read."""
    left = sorted(set(names))
    return (f"{', '.join(left)} left out: expected {NAMES}",) if left else ()


def check_names(root: Path, cases: Iterable[Case]) -> tuple[Case, ...]:
    """Return cases in the order of their names.

    Raises:
        DataError: If two studies have one name.
    """
    ordered = sorted(cases, key=lambda case: case.name)
    for name, members in groupby(ordered, key=lambda case: case.name):
        first, *others = members
        if others:
            where, there = (each.paths[0] for each in (first, others[0]))
            msg = f"{root}: {where} and {there} are two studies of one name, {name}; rename one, or list both in a CSV"
            raise DataError(msg)
    return tuple(ordered)
