"""The presets that come with the package: what they are, and whether their files are whole."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from braintumorseg._core.checks import DataError
from braintumorseg._core.optional import lazy
from braintumorseg.presets.card import Figure
from braintumorseg.presets.preset import Preset, read_network, read_preset

if TYPE_CHECKING:
    import pandas as pd

_pandas = lazy("pandas")  # prediction needs none of it

BUNDLED = Path(__file__).with_name("weights")


def bundled_presets(pattern: str | None = None) -> dict[str, Path]:
    """Return the folder of each bundled preset by its name, all or those whose name fits."""
    folders = sorted(path for path in BUNDLED.iterdir() if path.is_dir())
    return {folder.name: folder for folder in folders if fnmatchcase(folder.name, pattern or "*")}


def list_pretrained(pattern: str | None = None) -> pd.DataFrame:
    """List the pretrained models that ``load_pretrained`` knows by name.

    Args:
        pattern: Lists only names that fit, such as ``"*-small"`` (``*``, ``?`` and ``[...]`` as in file names).

    Returns:
        One row a preset, by name: ``dice``, the headline of the card, with its 95 % ``interval``; ``parameters``, their
        number; ``megabytes`` of the weights; ``input``, the sequences and the size of the model's images; ``task``, what
        is found in what; the ``convention`` that the Dice was counted by, and what it was ``measured_on``; ``licence``
        of the weights; ``source``.

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
    rows = {name: _row(read_preset(folder)) for name, folder in bundled_presets(pattern).items()}
    table: pd.DataFrame = _pandas.DataFrame.from_dict(rows, orient="index").rename_axis("name")
    return table


def verify_pretrained(pattern: str | None = None) -> dict[str, str]:
    """Check the files of the bundled presets against their SHA-256.

    Args:
        pattern: Checks only names that fit, as for ``list_pretrained``.

    Returns:
        For each preset what is wrong, one line that names the file; empty where nothing is.

    Examples:
        >>> from braintumorseg.presets import verify_pretrained
        >>> verify_pretrained("resunet-lgg")
        {'resunet-lgg': ''}
    """
    return {name: _damage(folder) for name, folder in bundled_presets(pattern).items()}


def _row(preset: Preset) -> dict[str, object]:
    card, size = preset.card, preset.preprocessing.size
    headline = card.figures[0] if card.figures else Figure("Dice", "", "", math.nan)
    return {  # where a terminal is too narrow, pandas leaves out the columns in the middle
        "dice": headline.value,
        "interval": headline.interval,
        "parameters": preset.parameters,
        "megabytes": round(preset.parameters * np.float32().nbytes / 1e6, 1),
        "input": f"{', '.join(preset.preprocessing.sequences)} at {size}x{size}",
        "task": card.summary,
        "convention": headline.convention,
        "measured_on": headline.data,
        "licence": card.licence,
        "source": "in the package",
    }


def _damage(folder: Path) -> str:
    try:
        read_network(folder, read_preset(folder))
    except DataError as error:
        return str(error)
    return ""
