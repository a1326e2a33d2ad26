"""A prediction in three stages, which may run side by side for different studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from braintumorseg.findings.evidence import gather_evidence
from braintumorseg.findings.judgement import judge
from braintumorseg.findings.reference import Reference
from braintumorseg.inference.labelling import Labelling
from braintumorseg.inference.postprocessing import to_mask
from braintumorseg.inference.slice_classifier import SliceClassifier
from braintumorseg.inference.variants import MIRRORED, measure_agreement, measure_spread, run_without_sequences
from braintumorseg.preprocessing.transform import Prepared, Preprocessing
from braintumorseg.runtimes.choice import Choice
from braintumorseg.study import Segmentation, Study

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Outputs:
    """What a network gave for a study, on the grid of its input.

    Attributes:
        images: Of the study as it is, ``(slices, size, size, channels)``.
        variants: Probabilities of tumour ``(slices, size, size)`` of each variant of the study, by its name.
    """

    images: Array
    variants: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """Preprocessing, a network on an engine, and what its output becomes.

    Attributes:
        preprocessing: The preprocessing that the network was trained with.
        threshold: A voxel is tumour where its probability is at least this.
        min_voxels: Components of fewer voxels are dropped, and holes of fewer filled.
        choice: What runs the network.
        slice_classifier: Finds the slices that the network sees; ``None`` if it sees all.
        tta: Whether mirror images are predicted too, and the mean taken (test-time augmentation).
        uncertainty: Whether variants are predicted too.
        batch_size: How many slices go through at once at most.
        reference: What the prediction is judged by, besides what holds for every model.
        labelling: The meaning of the network's output channels.
    """

    preprocessing: Preprocessing
    threshold: float
    min_voxels: int
    choice: Choice
    slice_classifier: SliceClassifier | None
    tta: bool
    uncertainty: bool
    batch_size: int
    reference: Reference | None = None
    labelling: Labelling = field(default_factory=Labelling)

    def prepare(self, study: Study) -> Prepared:
        """Turn a study into the network's input."""
        return self.preprocessing.apply(study)

    def warm_up(self) -> None:
        """Build the network for images of the preprocessing's size now, so that the first study need not wait."""
        self.choice.prepare(self.preprocessing.size, self.preprocessing.size)

    def compute(self, prepared: Prepared) -> Outputs:
        """Run the network; mirror images once, whether for the mean, as a variant, or for both."""
        images = prepared.images
        output = self._run(images)
        if not (self.tta or self.uncertainty):
            return Outputs(output)
        mirrored = self._run(images[:, :, ::-1])[:, :, ::-1]
        variants: dict[str, Array] = {}
        if self.uncertainty:
            fewer = run_without_sequences(
                lambda each: self.labelling.tumor(self._run(each)),
                images,
                self.preprocessing.sequences,
                self.preprocessing.fill_from,
            )
            variants = {MIRRORED: self.labelling.tumor(mirrored), **fewer}
        if self.tta:
            output = np.asarray((output + mirrored) / 2, np.float32)
        return Outputs(output, variants)

    def finish(self, study: Study, prepared: Prepared, outputs: Outputs) -> Segmentation:
        """Bring the output back to the study's own grid, find the mask, and say what there is to doubt."""
        tumour = self.labelling.tumor(outputs.images)
        probabilities = self._restore(tumour, prepared)
        mask = to_mask(probabilities, self.threshold, self.min_voxels)
        labels = of_classes = None
        if len(self.labelling.classes) > 1:
            channels = np.moveaxis(self.labelling.of_classes(outputs.images), -1, 0)
            of_classes = np.stack([self._restore(np.ascontiguousarray(each), prepared) for each in channels], axis=-1)
            labels = self.labelling.to_labels(mask, of_classes, self.threshold)
        spread = agreement = None
        if self.uncertainty:
            variants = {name: self._restore(each, prepared) for name, each in outputs.variants.items()}
            spread = measure_spread([probabilities, *variants.values()])
            found = {name: to_mask(each, self.threshold, self.min_voxels) for name, each in variants.items()}
            agreement = measure_agreement(mask, found)
        sequences, reference = self.preprocessing.sequences, self.reference
        # Where all pieces were too small to be kept, nothing was found.
        threshold = self.threshold if mask.any() else np.inf
        evidence = gather_evidence(prepared.images, sequences, tumour, threshold)
        if reference is not None:
            evidence |= {"distance": reference.distance(evidence)[0], "shortfall": reference.shortfall(evidence)}
        doubts = judge(evidence, reference)
        return Segmentation(
            mask=mask,
            probabilities=probabilities,
            spacing=study.spacing,
            name=study.name,
            geometry=study.geometry,
            slice_names=study.slice_names,
            notes=(*study.notes, *prepared.notes, *doubts.values()),
            uncertainty=spread,
            agreement=agreement,
            evidence=evidence,
            doubts=doubts,
            engine=self.choice.engine,
            precision=self.choice.precision,
            labels=labels,  # type: ignore[arg-type]  # it follows from the mask of one class
            classes=self.labelling.classes,
            nested=self.labelling.nested,
            class_probabilities=of_classes,
        )

    def _run(self, images: Array) -> Array:
        if self.slice_classifier is None:
            return self.choice.run(images, self.batch_size)
        return self.slice_classifier.screen(self.choice.run, images, self.batch_size, self.labelling.channels)

    def _restore(self, probabilities: Array, prepared: Prepared) -> Array:
        return self.preprocessing.restore(probabilities, prepared.placement)
