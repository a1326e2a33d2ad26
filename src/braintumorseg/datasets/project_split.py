"""The project's split of the LGG dataset: which patients train, validate and test every released model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from braintumorseg._core.checks import check_in
from braintumorseg._core.choices import Part

PARTS: tuple[Part, ...] = get_args(Part)

_FILE = Path(__file__).with_name("project_split.json")


def lgg_split(part: str) -> tuple[str, ...]:
    """Return the patients of one part of the project's split of the LGG dataset.

    The split is by patient, never by slice, and was drawn per institution before any model was trained. 77 patients
    train (``"train"``), 13 validate (``"val"``), and 20 are kept for one final measurement by others (``"test"``).

    Args:
        part: ``"train"``, ``"val"`` or ``"test"``.

    Returns:
        Names of the patients' folders in the published dataset, sorted.

    Raises:
        ValueError: If there is no such part.

    Examples:
        >>> from braintumorseg.datasets import lgg_split
        >>> len(lgg_split("train")), len(lgg_split("val")), len(lgg_split("test"))
        (77, 13, 20)
    """
    check_in("part", part, PARTS)
    return tuple(json.loads(_FILE.read_text(encoding="utf-8"))[part])
