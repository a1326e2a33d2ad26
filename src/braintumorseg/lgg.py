"""The LGG dataset: which patients train a model and which judge it.

Mateusz Buda et al.: "Association of genomic subtypes of lower-grade gliomas with shape features automatically extracted by
a deep learning algorithm", Computers in Biology and Medicine 109, 2019; 110 patients of the TCGA-LGG collection.
"""

from __future__ import annotations

import json
from pathlib import Path

from braintumorseg._checks import check_in

_SPLIT_FILE = Path(__file__).with_name("lgg_split.json")


def lgg_split(part: str) -> tuple[str, ...]:
    """Return the patients of one part of the project's split.

    The split is by patient, never by slice, and was drawn per institution before any model was trained: 77 patients train,
    13 choose between models (``"val"``), 20 are measured once, by others (``"test"``).

    Args:
        part: ``"train"``, ``"val"`` or ``"test"``.

    Returns:
        Names of the patients' folders in the published dataset.

    Raises:
        ValueError: If there is no such part.

    Examples:
        >>> from braintumorseg import lgg_split
        >>> len(lgg_split("train")), len(lgg_split("val")), len(lgg_split("test"))
        (77, 13, 20)
    """
    check_in("part", part, ("train", "val", "test"))
    return tuple(json.loads(_SPLIT_FILE.read_text(encoding="utf-8"))[part])
