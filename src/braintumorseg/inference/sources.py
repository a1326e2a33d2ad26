"""What users give to be predicted: a study, a path, or an array."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong
from braintumorseg.io import read_study
from braintumorseg.study import SEQUENCES, Study


def as_study(source: Study | str | PathLike[str] | NDArray[Any]) -> Study:
    """Return a study, read it from a path, or make it of an array.

    Args:
        source: The study, the path, or an array ``(slices, height, width, 3)`` or ``(height, width, 3)``, whose sequences are
            ``SEQUENCES``.

    Raises:
        DataError: If the path can't be read as a study.
        ValueError: If an array has another shape, or holds NaN or infinite values.
    """
    if isinstance(source, Study):
        return source
    if isinstance(source, (str, PathLike)):
        return read_study(source)
    volume = np.asarray(source)
    if volume.ndim == 3:
        volume = volume[None]
    if volume.ndim != 4 or volume.shape[-1] != len(SEQUENCES):
        allowed = f"a Study, a path, or an array ([slices,] height, width, 3) of {', '.join(SEQUENCES)}"
        msg = wrong("study", allowed, f"an array of shape {np.shape(source)}")
        raise ValueError(msg)
    return Study(volume)
