"""One way to predict, in three stages that may run side by side for different studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from braintumorseg.inference.postprocessing import to_mask
from braintumorseg.inference.variants import measure_agreement, measure_spread, run_variants
from braintumorseg.preprocessing.transform import Prepared, Preprocessing
from braintumorseg.study import Segmentation, Study

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Outputs:
    """What a network gave for a study, on the grid of its input.

    Attributes:
        images: Of the study as it is, ``(slices, size, size, 1)``.
        variants: Of each variant of the study, by its name.
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
        run: From images and batch size to probabilities.
        engine: What runs it.
        precision: What it computes in.
        tta: Whether mirror images are predicted too, and the mean taken (test-time augmentation).
        uncertainty: Whether variants are predicted too.
        batch_size: How many slices go through at once at most.
    """

    preprocessing: Preprocessing
    threshold: float
    min_voxels: int
    run: Callable[[Array, int], Array]
    engine: str
    precision: str
    tta: bool
    uncertainty: bool
    batch_size: int

    def prepare(self, study: Study) -> Prepared:
        """Turn a study into the network's input."""
        return self.preprocessing.apply(study)

    def compute(self, prepared: Prepared) -> Outputs:
        """Run the network."""
        output = self.run(prepared.images, self.batch_size)
        if self.tta:
            mirrored = self.run(prepared.images[:, :, ::-1], self.batch_size)
            output = np.asarray((output + mirrored[:, :, ::-1]) / 2, np.float32)
        if not self.uncertainty:
            return Outputs(output)
        sequences = self.preprocessing.sequences
        return Outputs(
            output, run_variants(lambda images: self.run(images, self.batch_size), prepared.images, sequences)
        )

    def finish(self, study: Study, prepared: Prepared, outputs: Outputs) -> Segmentation:
        """Bring the output back to the study's own grid, and find the mask."""
        probabilities = self._restore(outputs.images[..., 0], prepared)
        mask = to_mask(probabilities, self.threshold, self.min_voxels)
        spread = agreement = None
        if self.uncertainty:
            variants = {name: self._restore(each, prepared) for name, each in outputs.variants.items()}
            spread = measure_spread([probabilities, *variants.values()])
            found = {name: to_mask(each, self.threshold, self.min_voxels) for name, each in variants.items()}
            agreement = measure_agreement(mask, found)
        return Segmentation(
            mask=mask,
            probabilities=probabilities,
            spacing=study.spacing,
            name=study.name,
            geometry=study.geometry,
            slice_names=study.slice_names,
            notes=(*study.notes, *prepared.notes),
            uncertainty=spread,
            agreement=agreement,
            engine=self.engine,
            precision=self.precision,
        )

    def _restore(self, probabilities: Array, prepared: Prepared) -> Array:
        return self.preprocessing.restore(probabilities, prepared.placement)
