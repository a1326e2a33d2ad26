"""Callbacks for ``fit``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_integer, check_range, wrong
from braintumorseg.inference.labelling import Labelling
from braintumorseg.inference.postprocessing import to_mask
from braintumorseg.measures.overlap import dice
from braintumorseg.preprocessing.transform import Prepared, Preprocessing
from braintumorseg.runtimes.keras import run
from braintumorseg.study import TUMOR, Study, TumorClass, as_classes

__all__ = ["PatientDice"]


class PatientDice(keras.callbacks.Callback):
    """Logs the Dice of whole validation studies: the headline figure, while the model is in training.

    At the end of an epoch, each study is predicted by the model as it is, brought back to its own grid, thresholded and
    compared with its mask by ``braintumorseg.measures.dice``: one value a patient, every slice in, nothing removed. The
    logs get their mean, ``val_patient_dice``, and their median, ``val_patient_dice_median``.

    Put it before the callbacks that watch these, and tell those that more is better: Keras takes an unknown name for
    something to minimise, ``ModelCheckpoint`` without a word. Put it after ``SwapEMAWeights(swap_on_epoch=True)``, if
    averaged weights are to be judged. In epochs that ``every`` leaves out, the logs have neither name, as Keras does
    with ``validation_freq``.

    The studies are prepared once and stay in memory: 12 bytes a pixel with three sequences, 422 MiB for 1,000 slices at
    192x192.

    Args:
        studies: Studies with masks, of distinct names.
        preprocessing: The preprocessing that the model is trained with.
        threshold: A voxel is tumour where its probability is at least this; above 0 and at most 1.
        batch_size: How many slices go through the model at once.
        every: Epochs from one measurement to the next; the last epoch is always measured.
        classes: The classes that the model tells apart, in any form that ``as_classes`` takes. The Dice is that of tumour of
            any class. Of several, the logs also get the mean over patients of each class's Dice, ``val_patient_dice_<class>``,
            if all studies have a label map.
        nested: Whether each class lies within the one before it, with a sigmoid per region.

    Attributes:
        per_patient: Dice by the study's name, of the latest measurement; empty before the first. NaN where the model
            gives NaN.

    Raises:
        ValueError: If an argument is not as stated; a study without a mask is named.
        DataError: If a study lacks the FLAIR.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> from braintumorseg import Preprocessing, build_unet, make_study
        >>> from braintumorseg.callbacks import PatientDice
        >>> model = build_unet(filters=(4, 8))
        >>> model.compile("adam", "binary_crossentropy")
        >>> patient_dice = PatientDice([make_study(seed=0, shape=(4, 64, 64))], Preprocessing(size=32))
        >>> stop = keras.callbacks.EarlyStopping("val_patient_dice", mode="max", patience=5)
        >>> images, masks = np.zeros((2, 32, 32, 3)), np.zeros((2, 32, 32, 1))
        >>> history = model.fit(images, masks, epochs=2, verbose=0, callbacks=[patient_dice, stop])
        >>> len(history.history["val_patient_dice"])
        2
    """

    def __init__(
        self,
        studies: Sequence[Study],
        preprocessing: Preprocessing,
        *,
        threshold: float = 0.5,
        batch_size: int = 16,
        every: int = 1,
        classes: int | Sequence[str | TumorClass] | Mapping[str, int] = TUMOR,
        nested: bool = False,
    ) -> None:
        super().__init__()
        check_range("threshold", threshold, 0, 1, low_open=True)
        check_integer("batch_size", batch_size, 1)
        check_integer("every", every, 1)
        self.preprocessing = preprocessing
        self.threshold = threshold
        self.batch_size = batch_size
        self.every = every
        self.labelling = Labelling(as_classes(classes), nested)
        self.per_patient: dict[str, float] = {}
        self._truths = _masks(studies)
        self._labels = {study.name: study.labels for study in studies if study.labels is not None}
        self._per_class: dict[str, list[float]] = {}
        self._prepared = {study.name: preprocessing.apply(study) for study in studies}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measure, if it is the epoch's turn, and write into ``logs``."""
        last = epoch + 1 == self.params["epochs"]
        if (epoch + 1) % self.every and not last:
            return
        self.per_patient = self._measure()
        values = list(self.per_patient.values())
        if logs is not None:
            logs["val_patient_dice"] = float(np.mean(values))
            logs["val_patient_dice_median"] = float(np.median(values))
            logs |= {f"val_patient_dice_{name}": float(np.mean(each)) for name, each in self._per_class.items()}

    def _measure(self) -> dict[str, float]:
        self._per_class = {}
        return {name: self._dice(name, prepared) for name, prepared in self._prepared.items()}

    def _dice(self, name: str, prepared: Prepared) -> float:
        # Whole batches, the last slice repeated: one shape to compile for all studies, and no replica without a slice,
        # on which TensorFlow's convolutions fail.
        slices = len(prepared.images)
        padding = ((0, -slices % self.batch_size), (0, 0), (0, 0), (0, 0))
        output = run(self.model, np.pad(prepared.images, padding, mode="edge"), self.batch_size)[:slices]
        if np.isnan(output).any():
            return float("nan")
        self.labelling.check(output.shape)
        if output.min() < 0 or output.max() > 1:
            got = f"values from {output.min():.4g} to {output.max():.4g}"
            msg = wrong("model", "one that gives probabilities, 0 to 1", got)
            raise ValueError(msg)
        restore = self.preprocessing.restore
        mask = to_mask(restore(self.labelling.tumor(output), prepared.placement), self.threshold)
        classes = self.labelling.classes
        if len(classes) > 1 and len(self._labels) == len(self._truths):
            channels = np.moveaxis(self.labelling.of_classes(output), -1, 0)
            shares = np.stack([restore(np.ascontiguousarray(each), prepared.placement) for each in channels], axis=-1)
            labels = self.labelling.to_labels(mask, shares, self.threshold)
            for each in classes:
                value = dice(self._labels[name] == each.value, labels == each.value)
                self._per_class.setdefault(each.name, []).append(value)
        return dice(self._truths[name], mask)


def _masks(studies: Sequence[Study]) -> dict[str, NDArray[np.bool_]]:
    """Return the studies' masks by name."""
    names = [study.name for study in studies]
    if not names or len(set(names)) != len(names):
        msg = wrong("studies", "at least one study, of distinct names", names)
        raise ValueError(msg)
    masks = {}
    for study in studies:
        if study.mask is None:
            msg = wrong("studies", "of studies with masks", f"{study.name!r} without one")
            raise ValueError(msg)
        masks[study.name] = study.mask
    return masks
