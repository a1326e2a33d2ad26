"""The pretrained models that have a name: those in the package, and those pinned on the Hub."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from braintumorseg._core.checks import DataError
from braintumorseg._core.optional import lazy
from braintumorseg.presets.card import NOT_STATED
from braintumorseg.presets.pins import PINS
from braintumorseg.presets.preset import Preset
from braintumorseg.presets.reader import read_network, read_preset
from braintumorseg.presets.scores import Score

if TYPE_CHECKING:
    import pandas as pd

_pandas = lazy("pandas")  # prediction needs none of it

BUNDLED = Path(__file__).with_name("weights")

_PINNED: dict[str, object] = {  # the row of a preset that is on the Hub alone
    "dice": math.nan,
    "interval": "",
    "parameters": None,
    "megabytes": math.nan,
    "input": NOT_STATED,
    "task": NOT_STATED,
    "convention": "",
    "settings": "",
    "measured_on": "",
    "licence": NOT_STATED,
    "source": "hub",
}


def bundled_presets(pattern: str | None = None) -> dict[str, Path]:
    """Return the folder of each preset that comes with the package, without a look into the folders.

    Args:
        pattern: Only names that match, as for ``list_pretrained``; all if not given.

    Returns:
        The folders by name, sorted.

    Examples:
        >>> from braintumorseg.presets import bundled_presets
        >>> list(bundled_presets("unet*"))
        ['unet-lgg']
    """
    folders = sorted(path for path in BUNDLED.iterdir() if path.is_dir())
    return {folder.name: folder for folder in folders if fnmatchcase(folder.name, pattern or "*")}


def known_names(pattern: str | None = None) -> list[str]:
    """Return the names of bundled presets and of presets pinned on the Hub, sorted, all or those that fit."""
    pinned = {name for name in PINS if fnmatchcase(name, pattern or "*")}
    return sorted(bundled_presets(pattern).keys() | pinned)


def list_pretrained(pattern: str | None = None) -> pd.DataFrame:
    """List the pretrained models that ``load_pretrained`` knows by name.

    Args:
        pattern: Lists only names that fit, such as ``"*-small"`` (``*``, ``?`` and ``[...]`` as in file names).

    Returns:
        One row per preset, indexed by name. Of a preset that is on the Hub alone, only name and source are known here.

        ==============  ==================================================================================
        ``dice``        headline of the card; NaN if not known
        ``interval``    its 95 % interval, such as ``"0.842 to 0.903"``
        ``parameters``  number of weights
        ``megabytes``   size of the weights
        ``input``       sequences and size of the model's images
        ``task``        target and input, in words
        ``convention``  how the Dice was counted
        ``settings``    precision and test-time augmentation behind the Dice
        ``measured_on`` data behind the Dice
        ``licence``     licence of the weights
        ``source``      ``"bundled"`` if the package has a copy, else ``"hub"``, as in ``load_pretrained``
        ==============  ==================================================================================

    Raises:
        DataError: If a preset's ``braintumorseg.json`` is damaged.

    Examples:
        >>> from braintumorseg import list_pretrained
        >>> table = list_pretrained("resunet*")
        >>> "resunet-lgg" in table.index
        True
        >>> table.loc["resunet-lgg", "input"]
        't1, flair, t1ce at 192x192'
    """
    folders = bundled_presets(pattern)
    rows = {name: _row(read_preset(folders[name])) if name in folders else _PINNED for name in known_names(pattern)}
    table: pd.DataFrame = _pandas.DataFrame.from_dict(rows, orient="index").rename_axis("name")
    # Nullable, so that one preset of unknown size doesn't turn the sizes of all others into floats.
    return table.astype({"parameters": "Int64"}) if len(table) else table


def verify_pretrained(pattern: str | None = None) -> dict[str, str]:
    """Check the files of the bundled presets against their SHA-256.

    Args:
        pattern: Checks only names that fit, as for ``list_pretrained``.

    Returns:
        One line for each preset: the damage, with the file's name; empty if the preset is whole.

    Examples:
        >>> from braintumorseg.presets import verify_pretrained
        >>> verify_pretrained("resunet-lgg")
        {'resunet-lgg': ''}
    """
    return {name: _damage(folder) for name, folder in bundled_presets(pattern).items()}


def _row(preset: Preset) -> dict[str, object]:
    card, size = preset.card, preset.preprocessing.size
    headline = card.scores[0] if card.scores else Score("Dice", "", "", math.nan)
    return {  # where a terminal is too narrow, pandas leaves out the columns in the middle
        "dice": headline.value,
        "interval": headline.interval,
        "parameters": preset.parameters,
        "megabytes": round(preset.parameters * np.float32().nbytes / 1e6, 1),
        "input": f"{', '.join(preset.preprocessing.sequences)} at {size}x{size}",
        "task": card.stated("summary"),
        "convention": headline.convention,
        "settings": headline.settings,
        "measured_on": headline.data,
        "licence": card.stated("licence"),
        "source": "bundled",
    }


def _damage(folder: Path) -> str:
    try:
        read_network(folder, read_preset(folder))
    except DataError as error:
        return str(error)
    return ""
