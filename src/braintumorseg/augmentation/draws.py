"""The random numbers of one batch: independent named streams that follow from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

# Each name has a stream of its own, so that switching one transform off leaves the draws of the others as they are.
# Append only: the place of a name is part of what a seed means.
_STREAMS = (
    "flip",
    "rotation",
    "zoom",
    "shift",
    "elastic",
    "gamma",
    "contrast",
    "brightness",
    "bias_field",
    "noise",
    "blur",
    "sequence_dropout",
    "elastic_control",
    "bias_field_control",
    "noise_field",
    "lesion_contrast",
    "flair_dropout",
)


class Draws:
    """The random numbers of one batch.

    Args:
        seed: The pipeline's seed, an integer from 0.
        step: Number of the batch, an integer from 0; a Python number or a scalar tensor.
        batch: Number of samples; a Python number or a scalar tensor.
        probability: For each transform, the share of samples that it touches.
    """

    def __init__(self, seed: int, step: Any, batch: Any, probability: Mapping[str, float]) -> None:
        # Hashed, so that neighbouring seeds start far apart: PyTorch's generator sees only the sum of a key's numbers.
        root = int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 2
        key = ops.stack([ops.cast(root, "uint32"), ops.cast(step, "uint32")])
        self._keys = keras.random.randint((len(_STREAMS), 2), 0, 2**31 - 1, seed=_Key(key))
        self._batch = batch
        self._probability = probability

    def uniform(self, name: str, *shape: int) -> Any:
        """Even numbers from -1 to 1, ``(batch, *shape)``."""
        return keras.random.uniform((self._batch, *shape), -1.0, 1.0, seed=self._key(name))

    def normal(self, name: str, *shape: int) -> Any:
        """Standard normal numbers of images, ``(batch, height, width, channels)``: an eighth is drawn, the rest mirrors it.

        The random numbers are what noise costs most. Mirrored along rows, columns or both, and negated, each sample by
        itself is as if its own had been drawn.
        """
        drawn = keras.random.normal(((self._batch + 7) // 8, *shape), seed=self._key(name))
        mirrored = [drawn, *(ops.flip(drawn, axis) for axis in (1, 2, (1, 2)))]
        return ops.concatenate([*mirrored, *(-each for each in mirrored)])[: self._batch]

    def amount(self, name: str, count: int = 1) -> Any:
        """How much of a transform each sample gets, ``(batch, count)``: even from -1 to 1, or 0 if it is not touched."""
        draws = self.uniform(name, count + 1)
        touched = draws[:, :1] < 2 * self._probability[name] - 1
        return ops.where(touched, draws[:, 1:], 0.0)

    def _key(self, name: str) -> _Key:
        return _Key(ops.cast(self._keys[_STREAMS.index(name)], "uint32"))


class _Key(keras.random.SeedGenerator):
    """A key that is a tensor, in the one form in which ``keras.random`` takes it; it holds no state."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def next(self, ordered: bool = True) -> Any:
        """Return the key."""
        return self._key
