"""From prepared studies to endless augmented batches, each of which follows from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_integer, check_range, wrong
from braintumorseg.augmentation import Augmentation
from braintumorseg.inference.labelling import Labelling
from braintumorseg.training.cached_study import CachedStudy
from braintumorseg.training.compiled import compiled
from braintumorseg.training.targets import as_outputs, spread

_PREPARED_AHEAD = 4  # batches
_THREADS = 2

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class SamplingConfig:
    """The choice of slices for a batch.

    Attributes:
        tumour_share: Share of slices that hold tumour, 0 to 1; about a third of the LGG dataset's slices do.
        patient_power: Power of a patient's number of slices that the patient is drawn in proportion to, 0 to 1. With 0 all
            patients are equally likely, with 1 all slices.
        stripped_share: Share of slices from studies without skull, 0 to 1.
        between_share: Share of slices that are interpolated between the drawn slice and a neighbour, 0 to 1. Studies that
            were resampled along the slice axis hold such slices.

    Raises:
        ValueError: If an attribute is not as stated.
    """

    tumour_share: float = 0.6
    patient_power: float = 0.5
    stripped_share: float = 0.0
    between_share: float = 0.0

    def __post_init__(self) -> None:
        check_range("tumour_share", self.tumour_share, 0, 1)
        check_range("patient_power", self.patient_power, 0, 1)
        check_range("stripped_share", self.stripped_share, 0, 1)
        check_range("between_share", self.between_share, 0, 1)


class Drawn(NamedTuple):
    """One slice of a batch.

    Attributes:
        study: The study that it is of.
        number: Its number in the study, from 0.
        share: How much of the way to the next slice it lies, below 1; 0 for the slice itself.
    """

    study: CachedStudy
    number: int
    share: float = 0.0

    def read(self, name: str, *, nearest: bool = False) -> NDArray[np.floating[Any]]:
        """Read it from one of the study's arrays: ``"images"`` or ``"targets"``; between slices, perhaps the nearest one."""
        values = getattr(self.study, name)
        if not self.share:
            return np.asarray(values[self.number])
        if nearest:  # labels can't be averaged
            return np.asarray(values[self.number + (self.share >= 0.5)])
        here, there = (values[self.number + step].astype(np.float32) for step in (0, 1))
        return np.asarray(here + np.float32(self.share) * (there - here))


class Sampler:
    """Draws batches of slices; all of a batch's randomness follows from ``(seed, step)``.

    Args:
        whole: One prepared study a patient.
        stripped: The same patients without skull; may be empty where ``stripped_share`` is 0.
        sampling: Which slices a batch is made of.
        batch_size: Slices in a batch.
        seed: Any integer from 0.
        labelling: The meaning of the network's output channels.

    Raises:
        ValueError: If there are no studies, or no slice of a kind that is to be drawn.
    """

    def __init__(
        self,
        whole: Sequence[CachedStudy],
        stripped: Sequence[CachedStudy],
        sampling: SamplingConfig,
        *,
        batch_size: int,
        seed: int,
        labelling: Labelling | None = None,
    ) -> None:
        check_integer("batch_size", batch_size, 1)
        check_integer("seed", seed, 0)
        self.sampling, self.batch_size, self.seed = sampling, batch_size, seed
        self.labelling = labelling or Labelling()
        self._whole, self._stripped = _Pool(whole, sampling.patient_power), _Pool(stripped, sampling.patient_power)
        needed = [self._whole] * (sampling.stripped_share < 1) + [self._stripped] * (sampling.stripped_share > 0)
        for pool in needed:
            tumour, empty = len(pool.members[True]), len(pool.members[False])
            if (sampling.tumour_share > 0 and not tumour) or (sampling.tumour_share < 1 and not empty):
                counts = f"{tumour} slices with tumour, {empty} without"
                msg = wrong("studies", "some that hold slices of each kind that is drawn", counts)
                raise ValueError(msg)

    def draw(self, step: int) -> list[Drawn]:
        """Return the slices of a batch.

        Args:
            step: Number of the batch since training began, from 0.
        """
        random = np.random.default_rng((self.seed, step))
        kinds = random.random((self.batch_size, 2)) < (self.sampling.stripped_share, self.sampling.tumour_share)
        slices = [
            (self._stripped if stripped else self._whole).draw(random, tumour=bool(tumour))
            for stripped, tumour in kinds
        ]
        if not self.sampling.between_share:
            return slices
        places = random.random((self.batch_size, 3))
        return [self._move(drawn, place) for drawn, place in zip(slices, places, strict=True)]

    def _move(self, drawn: Drawn, place: NDArray[np.float64]) -> Drawn:
        """Put a slice between itself and the one before or after it, if it is its turn."""
        touched, side, share = place
        first = drawn.number - (side < 0.5)
        if touched >= self.sampling.between_share or not 0 <= first < len(drawn.study.images) - 1:
            return drawn
        return Drawn(drawn.study, int(first), float(share))

    def read(self, step: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """Read a batch.

        Returns:
            Images ``(batch, size, size, sequences)``, float16 as they are kept, and masks ``(batch, size, size, classes)``,
            float32; a mask is 1 where it covers at least half of the pixel, or the largest share of several classes.
        """
        drawn = self.draw(step)
        images = np.stack([each.read("images").astype(np.float16, copy=False) for each in drawn])
        number = len(self.labelling.classes)
        targets = np.stack([each.read("targets", nearest=number > 1) for each in drawn])
        return images, spread(targets, number)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a batch's images."""
        return (self.batch_size, *(self._whole.studies or self._stripped.studies)[0].images.shape[1:])


class _Pool:
    """Studies to draw slices from; slices of nothing but air are never drawn.

    Attributes:
        members: The slices with tumour (``True``) and those without (``False``).
    """

    def __init__(self, studies: Sequence[CachedStudy], power: float) -> None:
        self.studies = studies
        self.members: dict[bool, list[Drawn]] = {True: [], False: []}
        weights: dict[bool, list[float]] = {True: [], False: []}
        for study in studies:
            touched, head = study.tumour_slices(), study.head_slices()
            for holding in (True, False):
                indices = np.flatnonzero((touched == holding) & head)
                self.members[holding] += [Drawn(study, int(index)) for index in indices]
                weights[holding] += [max(len(indices), 1) ** (power - 1)] * len(indices)
        # Each slice's upper bound, where they share the numbers from 0 to 1 by their weights.
        self._bounds = {kind: np.cumsum(each) / np.sum(each) for kind, each in weights.items()}

    def draw(self, random: np.random.Generator, *, tumour: bool) -> Drawn:
        place = np.searchsorted(self._bounds[tumour], random.random(), side="right")
        return self.members[tumour][min(int(place), len(self.members[tumour]) - 1)]


class TrainingBatches(keras.utils.PyDataset):
    """The augmented batches of steps ``first`` to ``last - 1``, read and augmented while others are trained on.

    Each follows from its step, so that Keras may look at the first ones before it begins. The augmentation runs on the CPU, on
    whatever backend Keras has, in threads beside the training.

    Items are pairs ``(images, masks)``, float32, of shapes ``(batch, size, size, sequences)`` and
    ``(batch, size, size, channels)``, the channels being those of the network's output.

    Args:
        sampler: What the batches are made of.
        augmentation: What is done to them, with the number of the step.
        first: Number of the first batch since training began.
        last: Number of the batch after the last one.
    """

    def __init__(self, sampler: Sampler, augmentation: Augmentation, first: int, last: int) -> None:
        super().__init__()
        self.sampler, self.first, self.last = sampler, first, last
        self._augment = compiled(lambda images, masks, step: augmentation(images, masks, step=step))
        self._threads = ThreadPoolExecutor(_THREADS, "batches")
        self._lock = Lock()
        self._waiting: dict[int, Future[Batch]] = {}

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Batch:
        """Return a batch, by its number from the first."""
        with self._lock:
            for ahead in range(index, min(index + 1 + _PREPARED_AHEAD, len(self))):
                if ahead not in self._waiting:
                    self._waiting[ahead] = self._threads.submit(self._make, self.first + ahead)
            future = self._waiting[index]
            for old in [each for each in self._waiting if each < index]:
                del self._waiting[old]
        return future.result()

    def close(self) -> None:
        """Give up what nobody takes any more."""
        self._threads.shutdown(cancel_futures=True)

    def _make(self, step: int) -> Batch:
        stored, drawn = self.sampler.read(step)
        images, masks = self._augment(stored.astype(np.float32), drawn, step)
        return images, as_outputs(masks, self.sampler.labelling)
