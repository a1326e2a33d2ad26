"""A classifier of slices with the preprocessing and the threshold that belong to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from braintumorseg import presets
from braintumorseg._core.checks import check_integer, check_range, wrong
from braintumorseg._core.files import check_free
from braintumorseg._core.optional import lazy
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.presets.card import Card
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE
from braintumorseg.presets.reader import build_model, read_preset, read_weights
from braintumorseg.presets.writer import write_preset
from braintumorseg.runtimes.network import fingerprint_of, weights_of
from braintumorseg.study import Study

if TYPE_CHECKING:
    import keras

_architecture = lazy("braintumorseg.models.architecture")
_keras = lazy("braintumorseg.runtimes.keras")

Images = NDArray[np.float32]

BUNDLED = Path(presets.__file__).with_name("slice_classifiers")


class SliceClassifier:
    """Says of each slice of a study how probable there is tumour in it.

    Args:
        model: A ``keras.Model`` that ``build_classifier`` built, of one class.
        preprocessing: The preprocessing that the model was trained with.
        threshold: A slice counts as one with tumour where its probability is at least this.
        name: What to call it.
        card: What it was trained on, and how well it does; ``None`` where nobody measured.

    Raises:
        ValueError: If an argument is not as stated.

    Examples:
        >>> from braintumorseg import Preprocessing, make_study
        >>> from braintumorseg.inference import SliceClassifier
        >>> from braintumorseg.models import build_classifier
        >>> slice_classifier = SliceClassifier(build_classifier(filters=(4, 8)), Preprocessing(size=32))
        >>> slice_classifier.predict(make_study(seed=0, shape=(4, 64, 64))).shape
        (4,)
    """

    def __init__(
        self,
        model: keras.Model,
        preprocessing: Preprocessing,
        *,
        threshold: float = 0.5,
        name: str = "slice classifier",
        card: Card | None = None,
    ) -> None:
        check_range("threshold", threshold, 0, 1, low_open=True)
        if model.output_shape[1:] != (1,):
            msg = wrong("model", "a classifier of one probability for an image", f"outputs {model.output_shape}")
            raise ValueError(msg)
        self.model = model
        self.preprocessing = preprocessing
        self.threshold = threshold
        self.name = name
        self.card = card

    def predict(self, study: Study, *, batch_size: int = 8) -> NDArray[np.float64]:
        """Return the probability of tumour in each slice.

        Args:
            study: A study with a FLAIR.
            batch_size: How many slices go through the model at once.

        Returns:
            Float64 array ``(slices,)``, 0 to 1.

        Raises:
            DataError: If the study lacks the FLAIR.
            RuntimeError: If the backend of Keras was loaded before this process was forked.
        """
        check_integer("batch_size", batch_size, 1)
        prepared = self.preprocessing.apply(study)
        probabilities = self.run(prepared.images, batch_size)
        slabs = prepared.placement.slabs
        return probabilities if slabs is None else slabs.spread(probabilities.astype(np.float32)).astype(np.float64)

    def run(self, images: NDArray[np.float32], batch_size: int = 8) -> NDArray[np.float64]:
        """Return the probability of tumour in each image, ``(slices, size, size, sequences)`` from the preprocessing."""
        return np.asarray(_keras.predict(self.model, images, batch_size)[:, 0], np.float64)

    def fingerprint(self) -> str:
        """Return a SHA-256 of all that its answers depend on."""
        settings = [self.preprocessing.get_config(), self.threshold, _architecture.configuration_of(self.model)]
        digest = hashlib.sha256(json.dumps(settings).encode())
        digest.update(fingerprint_of(weights_of(self.model)).encode())
        return digest.hexdigest()

    def screen(
        self, run: Callable[[Images, int], Images], images: Images, batch_size: int, channels: int = 1
    ) -> Images:
        """Run a network on the images in which there is tumour by this classifier; the output for the others is 0.

        Args:
            run: From images and a batch size to probabilities ``(slices, size, size, channels)``.
            images: Float32 array ``(slices, size, size, sequences)``.
            batch_size: How many images go through a model at once.
            channels: Number of the network's output channels.
        """
        suspect = self.run(images, batch_size) >= self.threshold
        output = np.zeros((*images.shape[:3], channels), np.float32)
        if suspect.any():
            output[suspect] = run(images[suspect], batch_size)
        return output

    def save(self, folder: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write all that the slice classifier is; ``load_slice_classifier(folder)`` reads it.

        Args:
            folder: Gets ``braintumorseg.json`` and ``model.safetensors``; made if need be.
            overwrite: Whether a slice classifier in the folder may be replaced.

        Returns:
            The folder.

        Raises:
            DataError: If the folder holds one already and may not be overwritten, or can't be written to.
            ValueError: If the model has a layer that no preset can hold, which is named.

        Examples:
            >>> from braintumorseg import Preprocessing
            >>> from braintumorseg.inference import SliceClassifier, load_slice_classifier
            >>> from braintumorseg.models import build_classifier
            >>> model = build_classifier(filters=(4, 8))
            >>> slice_classifier = SliceClassifier(model, Preprocessing(size=32), threshold=0.3, name="mine")
            >>> load_slice_classifier(slice_classifier.save("mine")).threshold
            0.3
        """
        folder = Path(folder)
        for file in (CONFIG_FILE, WEIGHTS_FILE):
            check_free(folder / file, overwrite=overwrite)
        write_preset(
            folder,
            self.model,
            name=self.name,
            preprocessing=self.preprocessing,
            threshold=self.threshold,
            min_voxels=0,
            card=self.card or Card(),
        )
        return folder

    def __repr__(self) -> str:
        score = f"; {self.card.scores[0]}" if self.card and self.card.scores else ""
        return f"SliceClassifier {self.name!r}: slices at {self.preprocessing.size}x{self.preprocessing.size}{score}"


def load_slice_classifier(name: str | PathLike[str] = "resunet-lgg-slices") -> SliceClassifier:
    """Load a slice classifier that comes with the package, or one from a folder; the weights are verified by their SHA-256.

    Args:
        name: ``"resunet-lgg-slices"``, or a folder that ``SliceClassifier.save`` wrote.

    Raises:
        ValueError: If there is neither such a name nor such a folder.
        DataError: If the files are damaged, or hold no classifier.

    Examples:
        >>> from braintumorseg import make_study
        >>> from braintumorseg.inference import load_slice_classifier
        >>> slice_classifier = load_slice_classifier("resunet-lgg-slices")
        >>> slice_classifier.predict(make_study(seed=0, shape=(3, 96, 96))).shape
        (3,)
    """
    known = sorted(folder.name for folder in BUNDLED.iterdir() if folder.is_dir())
    folder = BUNDLED / name if str(name) in known else Path(name)
    if not folder.is_dir():
        msg = wrong("name", f"one of {', '.join(known)}, or the folder of a slice classifier", repr(str(name)))
        raise ValueError(msg)
    preset = read_preset(folder)
    return SliceClassifier(
        build_model(preset, read_weights(folder, preset)),
        preset.preprocessing,
        threshold=preset.threshold,
        name=preset.name,
        card=preset.card,
    )
