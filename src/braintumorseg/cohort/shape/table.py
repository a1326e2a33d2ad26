"""Shape features of many tumours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from braintumorseg._core.checks import wrong
from braintumorseg.cohort.shape.features import shape_features
from braintumorseg.study import Segmentation, Study


def shape_table(studies: Iterable[Study | Segmentation], **options: Any) -> pd.DataFrame:
    """Measure the shape of many tumours.

    Args:
        studies: Studies with masks, or segmentations; one is held at a time.
        options: Those of ``shape_features``.

    Returns:
        One row a study, by name; the columns are the features of ``shape_features``.

    Raises:
        ValueError: If a study has no mask, or two have one name.

    Examples:
        >>> from braintumorseg import make_study
        >>> from braintumorseg.cohort import shape_table
        >>> table = shape_table(make_study(seed, shape=(8, 64, 64)) for seed in range(2))
        >>> table.index.tolist(), bool((table["bevr"] > 0.3).all())
        (['phantom-0', 'phantom-1'], True)
    """
    rows: dict[str, dict[str, float]] = {}
    for study in studies:
        if study.mask is None or study.name in rows:
            msg = wrong("studies", "studies with masks, each of another name", f"{study.name!r}, without or twice")
            raise ValueError(msg)
        rows[study.name] = shape_features(study.mask, study.steps, **options)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
