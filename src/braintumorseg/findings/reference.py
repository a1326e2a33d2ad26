"""What the studies that a model was trained on look like, and what it finds in them: a table of quantiles for each preset."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from braintumorseg._core.checks import check_integer, check_range, wrong
from braintumorseg.findings.evidence import OUTPUT_FEATURES, SURE

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Which quantiles a reference holds of each feature."""
FEWEST = 10
"""Fewer studies are no reference: their quantiles say little of others."""

_MOST_FEATURES = 200
_MOST_TEXT = 200
# The way to the outer quantile of a lopsided feature may be next to nothing on one side: at least this share of both.
_NARROWEST = 0.1
_DIGITS = 4


@dataclass(frozen=True)
class Reference:
    """Quantiles of features over the studies that trained a model. No single patient is in it.

    Attributes:
        source: Which studies.
        studies: How many.
        quantiles: Of each feature of ``gather_evidence`` and of ``"true share"``, the size of a tumour as a reader drew it as
            a share of the head: five values, at ``SHARES``.
        spread: Unit of ``distance``: how far these studies lie from each other, the 95 % quantile over them, each measured by
            the others.
        gap: Unit of ``shortfall``, measured likewise.
    """

    source: str
    studies: int
    quantiles: Mapping[str, tuple[float, ...]]
    spread: float
    gap: float

    @classmethod
    def fit(cls, rows: Sequence[Mapping[str, float]], source: str) -> Reference:
        """Make a reference of what was measured.

        Args:
            rows: Features of each study by name; a feature that most of them lack is left out.
            source: What to call the studies together.

        Raises:
            ValueError: If there are fewer than ``FEWEST``.
        """
        if len(rows) < FEWEST:
            msg = wrong("rows", f"of at least {FEWEST} studies", len(rows))
            raise ValueError(msg)
        whole = _quantiles(rows)
        others = [_quantiles([*rows[:place], *rows[place + 1 :]]) for place in range(len(rows))]
        apart = [_distance(row, table)[0] for row, table in zip(rows, others, strict=True)]
        short = [_shortfall(row, table) for row, table in zip(rows, others, strict=True)]
        return cls(source, len(rows), whole, _unit(apart), _unit(short))

    def distance(self, row: Mapping[str, float]) -> tuple[float, str]:
        """Return how far a study's images lie from these, and the feature that is farthest away.

        Each feature of the images counts as it lies from the median, in units of the way to the outer quantile on its side. The
        distance is the root mean square over the features that the study has, in units of ``spread``: one in twenty of these
        studies lies farther away than 1.

        Args:
            row: Features of the study by name.
        """
        distance, farthest = _distance(row, self.quantiles)
        return distance / self.spread, farthest

    def shortfall(self, row: Mapping[str, float]) -> float:
        """Return how far what was found stays below what is found in these studies, in certainty and in brightness.

        Each counts as ``distance`` counts features, but only where it lies below the median: one in twenty of these studies
        stays farther below than 1. It is 0 where nothing was found, or is known of these studies.

        Args:
            row: Features of the study by name.
        """
        return _shortfall(row, self.quantiles) / self.gap

    def get_config(self) -> dict[str, Any]:
        """Return the reference as plain data that JSON can hold."""
        return {
            "source": self.source,
            "studies": self.studies,
            "quantiles": {name: list(values) for name, values in self.quantiles.items()},
            "spread": self.spread,
            "gap": self.gap,
        }

    @classmethod
    def from_config(cls, config: Any) -> Reference:
        """Build from what ``get_config`` returned, whoever wrote it.

        Raises:
            ValueError: If it is not of that form.
        """
        keys = ("source", "studies", "quantiles", "spread", "gap")
        if not isinstance(config, Mapping) or set(config) != set(keys):
            got = sorted(config) if isinstance(config, Mapping) else config
            msg = wrong("reference", f"a table with exactly the keys {sorted(keys)}", got)
            raise ValueError(msg)
        if not isinstance(config["source"], str) or len(config["source"]) > _MOST_TEXT:
            msg = wrong("reference.source", f"a text of up to {_MOST_TEXT} characters", config["source"])
            raise ValueError(msg)
        check_integer("reference.studies", config["studies"], FEWEST)
        for unit in ("spread", "gap"):
            check_range(f"reference.{unit}", config[unit], 0, low_open=True)
        table = config["quantiles"]
        if not isinstance(table, Mapping) or len(table) > _MOST_FEATURES or not all(map(_is_ordered, table.values())):
            allowed = f"a table of up to {_MOST_FEATURES} features with {len(SHARES)} rising numbers each"
            msg = wrong("reference.quantiles", allowed, table)
            raise ValueError(msg)
        quantiles = {name: tuple(map(float, values)) for name, values in table.items()}
        return cls(config["source"], config["studies"], quantiles, float(config["spread"]), float(config["gap"]))


def _quantiles(rows: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, ...]]:
    table = {}
    for name in sorted(set().union(*rows)):
        values = [row[name] for row in rows if name in row]
        if len(values) >= FEWEST - 1:
            table[name] = tuple(round(float(value), _DIGITS) for value in np.quantile(values, SHARES))
    return table


def _distance(row: Mapping[str, float], quantiles: Mapping[str, Sequence[float]]) -> tuple[float, str]:
    parts = {name: _deviation(row[name], quantiles[name]) for name in (row.keys() & quantiles.keys()) - OUTPUT_FEATURES}
    return _mean(parts.values()), max(sorted(parts), key=lambda name: abs(parts[name]), default="")


def _shortfall(row: Mapping[str, float], quantiles: Mapping[str, Sequence[float]]) -> float:
    deviations = [_deviation(row[name], quantiles[name]) for name in SURE if name in row and name in quantiles]
    return _mean(min(deviation, 0.0) for deviation in deviations)


def _deviation(value: float, quantiles: Sequence[float]) -> float:
    """Return how far a value lies from the median, in units of the way to the outer quantile on its side."""
    low, _, middle, _, high = quantiles
    side = high - middle if value > middle else middle - low
    return (value - middle) / max(side, _NARROWEST * (high - low), 1e-3)


def _mean(parts: Iterable[float]) -> float:
    """Return the root mean square; 0 of none."""
    squares = [part**2 for part in parts]
    return math.sqrt(sum(squares) / len(squares)) if squares else 0.0


def _unit(values: Sequence[float]) -> float:
    """Return what all but one in twenty stay below; above 0, so that it can be divided by."""
    return max(round(float(np.quantile(values, SHARES[-1])), _DIGITS), 1e-4)


def _is_ordered(values: Any) -> bool:
    if not isinstance(values, (list, tuple)) or len(values) != len(SHARES):
        return False
    numbers = all(type(value) in (int, float) and math.isfinite(value) for value in values)  # true and false are int
    return numbers and list(values) == sorted(values)
