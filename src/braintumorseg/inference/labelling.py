"""From a network's output channels to classes of tumour: exclusive ones, or regions that lie within each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import wrong
from braintumorseg.inference.postprocessing import drop_components
from braintumorseg.study import TUMOR, Classes

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Labelling:
    """The meaning of a network's output channels.

    One class has one channel, its probability (sigmoid), or two, the first that of the background (softmax). Exclusive classes
    (softmax) have a channel each, after that of the background. Nested regions (sigmoid) have a channel each, from the whole
    tumour inwards.

    Attributes:
        classes: The classes.
        nested: Whether each class lies within the one before it.
        two: Whether one class has two channels.
    """

    classes: Classes = TUMOR
    nested: bool = False
    two: bool = False

    @property
    def has_background(self) -> bool:
        """Whether the first channel is the background's."""
        return not self.nested and (len(self.classes) > 1 or self.two)

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return len(self.classes) + self.has_background

    def check(self, shape: tuple[int | None, ...]) -> None:
        """Refuse a network of another output.

        Args:
            shape: Of its output, ``(batch, height, width, channels)``.

        Raises:
            ValueError: If the number of channels is another one.
        """
        if len(shape) == 4 and shape[-1] == self.channels:
            return
        names = ", ".join(each.name for each in self.classes)
        if len(self.classes) == 1:
            allowed = "one of one output channel, the tumour's probability; classes= names several"
        elif self.nested:
            allowed = f"one of {self.channels} output channels, for the nested regions {names}"
        else:
            allowed = f"one of {self.channels} output channels, for the background and the classes {names}"
        raise ValueError(
            wrong("model", allowed, f"{shape[-1]} channels" if len(shape) == 4 else f"an output of shape {shape}")
        )

    def tumor(self, output: Array) -> Array:
        """Return the probability of tumour of any class, ``(...)``, from output channels ``(..., channels)``."""
        if not self.has_background:
            return output[..., 0]
        # Not 1 minus the background, which is 0 too where a network was not run.
        total: Array = np.minimum(output[..., 1:].sum(axis=-1), np.float32(1))
        return total

    def of_classes(self, output: Array) -> Array:
        """Return the channels of the classes, ``(..., classes)``; a view."""
        return output[..., 1:] if self.has_background else output

    def to_labels(self, mask: NDArray[np.bool_], probabilities: Array, threshold: float) -> NDArray[np.uint8]:
        """Return the label map of a tumour.

        Args:
            mask: Where tumour of any class is, ``(slices, height, width)``.
            probabilities: Of each class, or of its region, ``(slices, height, width, classes)``.
            threshold: A voxel belongs to a nested region where its probability is at least this.

        Returns:
            Label map ``(slices, height, width)``, uint8.
        """
        values = np.array([each.value for each in self.classes], np.uint8)
        if self.nested:
            labels: NDArray[np.uint8] = mask * values[0]
            region = mask
            for place, each in enumerate(self.classes[1:], start=1):
                region = drop_components(region & (probabilities[..., place] >= threshold), each.min_voxels)
                labels[region] = values[place]
            return labels
        labels = np.zeros(mask.shape, np.uint8)
        found = probabilities[mask]
        labels[mask] = values[found.argmax(axis=-1)]
        for place, each in enumerate(self.classes):
            own = labels == each.value
            small = own & ~drop_components(own, each.min_voxels)
            if small.any() and len(values) > 1:  # the next probable class
                others = np.delete(np.arange(len(values)), place)
                labels[small] = values[others][probabilities[small][:, others].argmax(axis=-1)]
        return labels
