"""The segmenter: a model with the preprocessing and the threshold that belong to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from braintumorseg._core.checks import check_in, check_integer, check_range, wrong
from braintumorseg._core.choices import ExportFormat
from braintumorseg._core.files import check_free
from braintumorseg._core.optional import lazy
from braintumorseg.findings.reference import Reference
from braintumorseg.inference.labelling import Labelling
from braintumorseg.inference.sources import as_study
from braintumorseg.inference.stages import Prediction
from braintumorseg.models.functional import compose_graph
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.presets.card import Card
from braintumorseg.presets.preset import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from braintumorseg.presets.writer import write_preset
from braintumorseg.runtimes.choice import PRECISIONS, Choice, Engine, Precision, Runtimes
from braintumorseg.runtimes.network import Network, fingerprint_of, output_of, weights_of
from braintumorseg.study import TUMOR, Classes, Segmentation, Study, TumorClass, as_classes

if TYPE_CHECKING:
    import keras
    from nibabel.spatialimages import SpatialImage

    from braintumorseg.inference.slice_classifier import SliceClassifier

_export = lazy("braintumorseg.runtimes.export")
_architecture = lazy("braintumorseg.models.architecture")

# The zoo stands above this room and registers itself here, so that no import points up.
_loaders: dict[str, Callable[..., Segmenter]] = {}


def register_loader(load: Callable[..., Segmenter]) -> None:
    """Make a function the one that ``Segmenter.from_preset`` calls."""
    _loaders["pretrained"] = load


class Segmenter:
    """Turns a study into a tumour mask, on the study's own grid.

    Args:
        model: A ``keras.Model`` from images ``(batch, height, width, sequences)`` to probabilities
            ``(batch, height, width, channels)``, or a function that builds it, called at the first need; a ``Network``, which
            is one, is run by other engines without being built.
        preprocessing: The preprocessing that the model was trained with.
        threshold: A voxel is tumour where its probability is at least this.
        min_voxels: Components of fewer voxels are dropped, and holes of fewer filled.
        name: What to call it.
        card: What it was trained on, and how well it does; ``None`` where nobody measured.
        precision: Default precision of predictions; ``"int8"`` only for a network that has a quantization.
        slice_classifier: Runs first; slices in which it finds no tumour are not segmented, and get probability 0. It must have
            the same preprocessing.
        reference: What predictions are judged by, see ``measure_reference``; ``None`` where nobody measured the studies that
            trained the model.
        classes: The classes that the model tells apart, in any form that ``as_classes`` takes; the background is not counted.
            If not given, they are numbered from the model's output.
        nested: Whether the output channels are regions that lie within each other, from the whole tumour inwards, each with a
            probability of its own (sigmoid). Else classes exclude each other, and the first channel is the background
            (softmax). It follows from the model's last layer if not given.

    Raises:
        ValueError: If an argument is not as stated.

    Examples:
        >>> from braintumorseg import load_pretrained, make_study
        >>> segmenter = load_pretrained("resunet-lgg")
        >>> segmentation = segmenter.predict(make_study(seed=0, shape=(4, 128, 128)))
        >>> segmentation.mask.shape
        (4, 128, 128)
    """

    def __init__(
        self,
        model: keras.Model | Callable[[], keras.Model],
        preprocessing: Preprocessing,
        *,
        threshold: float = 0.5,
        min_voxels: int = 0,
        name: str = "segmenter",
        card: Card | None = None,
        precision: Precision = "float32",
        slice_classifier: SliceClassifier | None = None,
        reference: Reference | None = None,
        classes: int | Sequence[str | TumorClass] | Mapping[str, int] | None = None,
        nested: bool | None = None,
    ) -> None:
        check_in("precision", precision, PRECISIONS)
        check_range("threshold", threshold, 0, 1, low_open=True)
        check_integer("min_voxels", min_voxels, 0)
        if slice_classifier is not None and slice_classifier.preprocessing != preprocessing:
            msg = wrong(
                "slice_classifier",
                f"one of the same preprocessing, {preprocessing}",
                f"one of {slice_classifier.preprocessing}",
            )
            raise ValueError(msg)
        self._model = model
        self.preprocessing = preprocessing
        self.threshold = threshold
        self.min_voxels = min_voxels
        self.name = name
        self.card = card
        self.precision = precision
        self.slice_classifier = slice_classifier
        self.reference = reference
        self._classes = None if classes is None else as_classes(classes)
        self._nested = nested
        self._latest: Network | None = model if isinstance(model, Network) else None
        self._runtimes = Runtimes()

    @classmethod
    def from_preset(cls, preset: str | PathLike[str], **options: Any) -> Segmenter:
        """Load a pretrained model, as the tasks of KerasHub do: ``load_pretrained`` by another name.

        Args:
            preset: A name out of ``list_pretrained()``, an address on the Hugging Face Hub, or the folder of a preset.
            options: Those of ``load_pretrained``, such as ``classes``.

        Examples:
            >>> from braintumorseg import Segmenter
            >>> Segmenter.from_preset("resunet-lgg").name
            'resunet-lgg'
        """
        return _loaders["pretrained"](preset, **options)

    def save_to_preset(self, folder: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a preset, as the tasks of KerasHub do: :meth:`save` by another name."""
        return self.save(folder, overwrite=overwrite)

    @cached_property
    def model(self) -> keras.Model:
        """The ``keras.Model``, built at the first touch."""
        # A keras.Model can be called too; only it has layers, and asking so needs no import of Keras.
        return self._model if hasattr(self._model, "layers") else self._model()

    @cached_property
    def labelling(self) -> Labelling:
        """The meaning of the model's output channels."""
        classes, nested = self._classes, self._nested
        if isinstance(self._model, Network) and self._model.graph is not None:
            channels, function = self._model.classes, self._model.graph.function
        else:
            channels, function = output_of(self.model)
        if channels == 2 and function == "softmax" and (classes is None or len(classes) == 1):
            return Labelling(classes or TUMOR, two=True)
        if classes is not None and len(classes) == 1:
            return Labelling(classes)
        if nested is None:
            nested = channels > 1 and function != "softmax"
        if classes is None:
            classes = as_classes(max(channels - (not nested and channels > 1), 1))
        return Labelling(classes, nested)

    @property
    def classes(self) -> Classes:
        """The classes that the model tells apart."""
        return self.labelling.classes

    def predict(
        self,
        study: Study | str | PathLike[str] | SpatialImage | NDArray[Any],
        *,
        sequence: str | None = None,
        tta: bool = False,
        uncertainty: bool = False,
        batch_size: int = 8,
        engine: Engine = "auto",
        precision: Precision | None = None,
    ) -> Segmentation:
        """Find the tumour.

        Args:
            study: A ``Study``; a path that ``read_study`` takes; an image of nibabel, which keeps its affine; or an array
                ``(slices, height, width, 3)`` or ``(height, width, 3)`` with the sequences pre-contrast, FLAIR and
                post-contrast. With ``sequence``, an array is ``(slices, height, width)`` or ``(height, width)``.
            sequence: The one sequence that an array or an image holds, such as ``"flair"``.
            tta: Test-time augmentation: whether to predict each slice's left-right mirror image too, and take the mean of
                both. It takes twice the time for a little more Dice. Figures of presets are measured without it unless they
                say so.
            uncertainty: Whether to predict variants of the study too (its mirror image, and without each sequence but FLAIR and
                without all of them), and say voxel by voxel and for the study how far they lie apart: five times the time where
                there are three sequences. Mask and probabilities stay those of the study as it is.
            batch_size: How many slices go through the model at once at most; it bounds the memory.
            engine: What runs the network. ``"auto"`` is Keras where it sees a GPU and for models that no other engine can
                run, else OpenVINO, which needs neither TensorFlow nor Keras. ``"onnxruntime"`` is in the extra ``export``.
            precision: ``"float32"``, in which all engines give the same, or ``"int8"`` where the preset has a quantization, in
                which CPUs are about twice as fast or more; ``segmenter.precision`` if not given (Keras has float32 alone).

        Returns:
            Mask and probabilities ``(slices, height, width)`` on the study's own grid, the label map and the probabilities of
            each class where the model tells several apart, with notes on what was missing and on
            reasons to doubt them (``doubts``), and the engine and the precision that made them.

        Raises:
            DataError: If the path can't be read as a study, or the study lacks the FLAIR.
            ValueError: If an array has another shape, may be in nibabel's order, or holds NaN or infinite values; if the
                model's output is not that of its classes; if the engine can't run the model, or not in this precision.
            ImportError: If the engine is not installed.
            RuntimeError: If the engine was loaded before this process was forked; spawned processes have no such limit.
        """
        prediction = self.prediction(
            tta=tta, uncertainty=uncertainty, batch_size=batch_size, engine=engine, precision=precision
        )
        study = as_study(study, sequence=sequence, references=self.preprocessing.fill_from)
        prepared = prediction.prepare(study)
        return prediction.finish(study, prepared, prediction.compute(prepared))

    def prediction(
        self,
        *,
        tta: bool = False,
        uncertainty: bool = False,
        batch_size: int = 8,
        engine: Engine = "auto",
        precision: Precision | None = None,
    ) -> Prediction:
        """Return the stages of :meth:`predict`, with the same arguments, to be run side by side for different studies."""
        check_integer("batch_size", batch_size, 1)
        return Prediction(
            preprocessing=self.preprocessing,
            threshold=self.threshold,
            min_voxels=self.min_voxels,
            choice=self._choose(engine, precision),
            slice_classifier=self.slice_classifier,
            tta=tta,
            uncertainty=uncertainty,
            batch_size=batch_size,
            reference=self.reference,
            labelling=self.labelling,
        )

    def fingerprint(self) -> str:
        """Return a SHA-256 of all that a prediction depends on, but for its own arguments.

        That is the architecture, the weights, their quantization, the preprocessing, the threshold, the size of components,
        the default precision, the slice classifier, and the reference that predictions are judged by.
        """
        try:
            network = self.network()
            architecture, weights = json.dumps(compose_graph(network.graph), sort_keys=True), network.weights
            quantization = network.quantization or {}
        except ValueError:  # a model of other layers
            architecture, weights, quantization = _architecture.configuration_of(self.model), weights_of(self.model), {}
        settings = [self.preprocessing.get_config(), self.threshold, self.min_voxels, self.precision, architecture]
        settings.append(None if self.reference is None else self.reference.get_config())
        if self.classes != TUMOR:
            settings.append([self.labelling.nested, *(each.get_config() for each in self.classes)])
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for arrays in (weights, quantization):
            digest.update(fingerprint_of(arrays).encode())
        if self.slice_classifier is not None:
            digest.update(self.slice_classifier.fingerprint().encode())
        return digest.hexdigest()

    def network(self) -> Network:
        """Return layers and weights as they are now, as data that any engine can build from.

        Raises:
            ValueError: If the model has a layer that no other engine can run, which is named.
        """
        if self._latest is not None and "model" not in self.__dict__:
            return self._latest
        weights = weights_of(self.model)  # it may have been trained since
        if self._latest is None or not self._latest.same_weights(weights):
            self._latest = Network(self.name, _architecture.graph_of(self.model), weights)
        return self._latest

    def _choose(self, engine: Engine, precision: Precision | None) -> Choice:
        try:
            network, reason = self.network(), ""
        except ValueError as error:  # a model of other layers
            network, reason = None, str(error)
        return self._runtimes.choose(
            network, lambda: self.model, engine, precision, self.precision, self.labelling.check, reason
        )

    def save(self, folder: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write all that the segmenter is as a preset, which ``load_pretrained(folder)`` reads.

        For Keras alone, ``segmenter.model.save("model.keras")`` writes a file that opens without this package.

        Args:
            folder: Gets ``braintumorseg.json`` (architecture, preprocessing, threshold, card, SHA-256 of the weights) and
                ``model.safetensors``, and ``int8.safetensors`` where the weights are still those that it belongs to; made
                if need be. A ``CARD.md`` of what is overwritten is removed.
            overwrite: Whether a preset in the folder may be replaced.

        Returns:
            The folder.

        Raises:
            DataError: If the folder holds a preset already and may not be overwritten, or can't be written to.
            ValueError: If the model has a layer that no preset can hold, which is named.

        Examples:
            >>> from braintumorseg import Preprocessing, Segmenter, build_unet, load_pretrained
            >>> segmenter = Segmenter(build_unet(filters=(4, 8)), Preprocessing(size=64), threshold=0.4, name="mine")
            >>> load_pretrained(segmenter.save("mine")).threshold
            0.4
        """
        folder = Path(folder)
        for file in (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE):
            check_free(folder / file, overwrite=overwrite)
        network = self.network()
        write_preset(
            folder,
            self.model,
            name=self.name,
            preprocessing=self.preprocessing,
            threshold=self.threshold,
            min_voxels=self.min_voxels,
            card=self.card or Card(),
            quantization=network.quantization if self.precision == "int8" else None,
            reference=self.reference,
            classes=self.classes,
            nested=self.labelling.nested,
        )
        return folder

    def export(
        self,
        path: str | PathLike[str],
        *,
        format: ExportFormat,  # noqa: A002 - the argument is called so
        precision: Precision = "float32",
        overwrite: bool = False,
    ) -> Path:
        """Write the network for other programs, and a JSON of the same name that says how its input is made.

        Before anything is put in its place, it is run on a phantom, in two sizes, and compared with the Keras model. Batch,
        height and width are free in every format.

        Args:
            path: A name that ends in ``.onnx``, ``.xml`` (OpenVINO, with ``.bin`` beside it) or ``.tflite`` (LiteRT), or the
                name of a folder (SavedModel).
            format: ``"onnx"``, ``"openvino"``, ``"litert"`` or ``"saved_model"``.
            precision: ``"float32"``; or ``"int8"`` where the preset has a quantization, for ONNX and OpenVINO.
            overwrite: Whether files there may be replaced.

        Returns:
            The path.

        Raises:
            ValueError: If an argument is not as stated, or the model has a layer that no preset can hold.
            DataError: If a file exists and may not be replaced, can't be written, or gives other probabilities than Keras. Also
                if the JSON of this name describes a network of another format.
            ImportError: If the format's package is not installed (extra ``export``).

        Examples:
            >>> from braintumorseg import Preprocessing, Segmenter, build_unet
            >>> segmenter = Segmenter(build_unet(filters=(4, 8)), Preprocessing(size=64), name="mine")
            >>> segmenter.export("mine.onnx", format="onnx").name
            'mine.onnx'
        """
        _export.check_target(path, format=format, precision=precision, overwrite=overwrite)  # before Keras is imported
        written: Path = _export.export(
            path,
            format=format,
            precision=precision,
            network=self.network(),
            model=self.model,
            preprocessing=self.preprocessing,
            description={
                "name": self.name,
                "fingerprint": self.fingerprint(),
                "preprocessing": self.preprocessing.get_config(),
                "threshold": self.threshold,
                "min_voxels": self.min_voxels,
                "classes": [each.get_config() for each in self.classes],
                "nested": self.labelling.nested,
                "licence": (self.card or Card()).stated("licence"),
            },
            overwrite=overwrite,
        )
        return written

    def __repr__(self) -> str:
        score = f"; {self.card.scores[0]}" if self.card and self.card.scores else ""
        size = self.preprocessing.size
        return f"Segmenter {self.name!r}: {', '.join(self.preprocessing.sequences)} at {size}x{size}{score}"
