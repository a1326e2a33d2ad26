"""One entry of the cache of prepared studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CachedStudy:
    """A study as training takes it, mapped from disk: only indexed slices are read.

    Attributes:
        name: Name of the study's folder, or of its file without suffix.
        images: Read-only float16 array ``(slices, size, size, sequences)``: ``Preprocessing.apply``.
        targets: Read-only float16 array ``(slices, size, size)``: the share of each pixel that the mask covers, 0 to 1; of
            several classes, the number of the class from 1, or 0.
    """

    name: str
    images: NDArray[np.float16]
    targets: NDArray[np.float16]

    def tumour_slices(self) -> NDArray[np.bool_]:
        """Return for each slice whether it shows tumour, ``(slices,)``; this reads all targets."""
        return np.asarray((self.targets > 0).any(axis=(1, 2)))

    def head_slices(self) -> NDArray[np.bool_]:
        """Return for each slice whether it shows more than air, ``(slices,)``; this reads all images."""
        return np.asarray(self.images.max(axis=(1, 2, 3)) > self.images.min())
