"""The numbers on a card, each with everything that is needed to read it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from braintumorseg._core.checks import check_in, wrong
from braintumorseg.presets.bounds import check_keys
from braintumorseg.runtimes.choice import PRECISIONS, Precision


@dataclass(frozen=True)
class Score:
    """One measured number, with how it was counted, on which data, and by which settings of the prediction.

    Attributes:
        measure: Such as ``"Dice"``.
        convention: How it was counted, such as ``"mean over patients, whole volumes, every slice in"``.
        data: Such as ``"13 val patients of the LGG dataset"``.
        value: The number.
        low: Lower end of its 95 % bootstrap interval (percentile method, patients drawn); ``None`` if not measured.
        high: Upper end.
        tta: Whether predictions were the mean of each slice's and its mirror image's (test-time augmentation).
        precision: The network's precision; ``None`` if not recorded.

    Raises:
        ValueError: If ``tta`` is not a boolean, or there is no such precision.

    Examples:
        >>> from braintumorseg.presets import Score
        >>> score = Score("Dice", "mean over patients", "3 phantoms", 0.75, tta=True, precision="int8")
        >>> print(score)
        Dice 0.750 (mean over patients; int8, test-time augmentation; 3 phantoms)
    """

    measure: str
    convention: str
    data: str
    value: float
    low: float | None = None
    high: float | None = None
    tta: bool = False
    precision: Precision | None = None

    def __post_init__(self) -> None:
        check_settings(self.tta, self.precision)

    @property
    def interval(self) -> str:
        """The interval for readers, such as ``"0.842 to 0.903"``; empty if not measured."""
        return "" if self.low is None or self.high is None else f"{self.low:.3f} to {self.high:.3f}"

    @property
    def settings(self) -> str:
        """The settings of the prediction for readers, such as ``"int8, test-time augmentation"``; may be empty."""
        return describe_settings(self.tta, self.precision)

    def __str__(self) -> str:
        interval = f", 95 % interval {self.interval}" if self.interval else ""
        how = "; ".join(part for part in (self.convention, self.settings, self.data) if part)
        return f"{self.measure} {self.value:.3f}{interval} ({how})"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Score:
        """Build from a table of the fields.

        Raises:
            ValueError: If a key is missing or unknown, or a value is of another kind.
        """
        check_keys("score of the card", config, {each.name for each in fields(cls)})
        settings = {key: config[key] for key in ("tta", "precision")}
        rest = {key: value for key, value in config.items() if key not in settings}
        return cls(**check_values(rest, ("measure", "convention", "data")), **settings)


@dataclass(frozen=True)
class Drop:
    """The loss where the same patients' studies are changed in one way.

    Attributes:
        change: What was done to the studies, such as ``"only FLAIR"``.
        dice: Mean over patients of the whole-volume Dice, every slice in.
        drop: The mean of the unchanged studies minus this.
        bar: The largest drop that is wanted; ``None`` where there is no such wish.
    """

    change: str
    dice: float
    drop: float
    bar: float | None = None

    def __str__(self) -> str:
        bar = "" if self.bar is None else f", at most {self.bar:g} wanted"
        return f"{self.change}: mean Dice {self.dice:.3f}, drop {self.drop:+.3f}{bar}"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Drop:
        """Build from a table of the fields; errors are those of :meth:`Score.from_config`."""
        check_keys("robustness of the card", config, {each.name for each in fields(cls)})
        return cls(**check_values(config, ("change",)))


def check_settings(tta: Any, precision: Any) -> None:
    """Raise ``ValueError`` unless these are settings of a prediction."""
    if not isinstance(tta, bool):
        msg = wrong("tta", "True or False", tta)
        raise ValueError(msg)
    check_in("precision", precision, (None, *PRECISIONS))


def describe_settings(tta: bool, precision: Precision | None) -> str:
    """Return the settings of a prediction for readers; empty where there is nothing to say."""
    return ", ".join(part for part in (precision, "test-time augmentation" if tta else None) if part)


def check_values(config: Mapping[str, Any], texts: Collection[str]) -> Mapping[str, Any]:
    """Return a table whose values under ``texts`` are texts, and all others numbers, or ``None`` where not measured."""
    for key, value in config.items():
        fits = isinstance(value, str) if key in texts else value is None or type(value) in (int, float)
        if not fits:
            msg = wrong(f"{key} of the card", "a text" if key in texts else "a number", value)
            raise ValueError(msg)
    return config
