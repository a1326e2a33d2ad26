"""From a study to a model's input, and from a model's output back to the study's own grid.

Training and prediction call the same ``Preprocessing``. It is stored beside the weights that were trained with it, so
that weights never meet another normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import DataError, check_integer, check_range, wrong
from braintumorseg._core.upper_end import air_above
from braintumorseg.preprocessing.foreground import Background, head_at, hull, quantile
from braintumorseg.preprocessing.interpolation import interpolation, reached, resample
from braintumorseg.preprocessing.slabs import Slabs
from braintumorseg.preprocessing.version import VERSION
from braintumorseg.study import SEQUENCES, Study, check_sequences

# A row or column belongs to the head where it holds at least this share of the fullest one's foreground voxels: specks
# of noise do not move the box, and the margin gives back the rim that the rule cuts.
_PROFILE_SHARE = 0.02
_MARGIN_SHARE = 0.02
# What the head's median is from the air, in the units of the images: the head's standard deviation is then about 1.
_UNIT = 2.0


@dataclass(frozen=True)
class Placement:
    """Where the model's square lies on the study's grid: what ``restore`` needs to undo ``apply``.

    Attributes:
        shape: The study's grid, ``(slices, height, width)``.
        size: Side of the model's square, in pixels.
        origin: Row and column of the study at the centre of the square's first pixel; may lie outside the image.
        step: Rows and columns of the study from one pixel of the square to the next.
        slabs: Where the squares lie along the slice axis; ``None`` if there is one per slice.
    """

    shape: tuple[int, int, int]
    size: int
    origin: tuple[float, float]
    step: tuple[float, float]
    slabs: Slabs | None = None

    @property
    def images(self) -> int:
        """Number of squares: one per slab, or per slice."""
        return self.shape[0] if self.slabs is None else len(self.slabs.centres)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study as a model takes it.

    Attributes:
        images: Float32 array ``(slices, size, size, sequences)``; per sequence, air is -2 and the head's median 0. Thin
            slices are read as slabs, of which there are fewer: then it is ``(slabs, size, size, sequences)``.
        placement: Where the squares lie on the study's grid.
        notes: What could not be done as usual, in words for the user.
    """

    images: NDArray[np.float32]
    placement: Placement
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preprocessing:
    """Crop to the head, pad to a square, resize, and normalise per volume and sequence over the head alone.

    Each sequence is measured from its air, in units of the head's median, so that air is -2, the median 0, and what is twice
    as bright 2. Most of a head is brain, with its skull or without: brain lies at 0 in both, and a tumour as far above it.
    (A mean and a standard deviation are those of scalp and fat as well; by them, the same tumour stands out 1.8 times as far
    once the skull is removed.) No voxel of air takes part, so that more air, empty slices and the scanner's scale and
    offset change nothing. A sequence that a study lacks is filled with a copy of its FLAIR, as in the LGG dataset; so is, voxel
    by voxel, what a sequence does not cover, in the same units. A model that was trained for it takes studies without FLAIR:
    then the next sequence in ``fill_from`` stands in.

    Slices that lie closer than ``slab`` are read as slabs: means over so many mm, at steps of half of that, which look as
    the thick slices do that the model was trained on. ``restore`` interpolates between the slabs, so that it is no exact
    inverse there. Where slices are as thick, or the spacing is unknown, each slice is read by itself.

    Attributes:
        size: Side of the model's square input, in pixels.
        sequences: What the model's channels hold, in order.
        ceiling: What is brighter than so many times the head's median is clipped to that; above 1.
        slab: Thickness in mm of the slabs that thin slices are averaged to; 0 to read each slice by itself.
        fill_from: The first of these that a study has is copied in the place of the sequences that it lacks. A study that has
            none of them, nor all of ``sequences``, is refused.
        version: Version of the code behind ``apply``, ``apply_mask`` and ``restore``; the same for every instance.

    Raises:
        ValueError: If an argument is not as stated.

    Examples:
        >>> from braintumorseg import Preprocessing, make_study
        >>> study = make_study(seed=0, shape=(8, 96, 96))
        >>> preprocessing = Preprocessing(size=64)
        >>> prepared = preprocessing.apply(study)
        >>> prepared.images.shape
        (8, 64, 64, 3)
        >>> mask = preprocessing.apply_mask(study.mask, prepared.placement)
        >>> preprocessing.restore(mask, prepared.placement).shape
        (8, 96, 96)
    """

    version: ClassVar[int] = VERSION

    size: int = 192
    sequences: tuple[str, ...] = SEQUENCES
    ceiling: float = 4.0
    slab: float = 5.0
    fill_from: tuple[str, ...] = ("flair",)

    def __post_init__(self) -> None:
        check_integer("size", self.size, 8)
        for name in ("sequences", "fill_from"):
            object.__setattr__(self, name, check_sequences(name, getattr(self, name)))
        check_range("ceiling", self.ceiling, 1, low_open=True)
        object.__setattr__(self, "ceiling", float(self.ceiling))  # 4 and 4.0 are one configuration
        check_range("slab", self.slab, 0, 1000)
        object.__setattr__(self, "slab", float(self.slab))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments and the version as plain data that JSON can hold."""
        arguments = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {"version": self.version, **arguments}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Preprocessing:
        """Build from what ``get_config`` returned.

        Raises:
            ValueError: If a key is missing or unknown, a value is not allowed, or the version is not this package's:
                weights that were trained with another preprocessing would give plausible and wrong masks.
        """
        known = {"version", *(field.name for field in fields(cls))}
        if set(config) != known:
            msg = wrong("config", f"a table with exactly the keys {sorted(known)}", sorted(config))
            raise ValueError(msg)
        if config["version"] != VERSION:
            msg = wrong("version of the preprocessing", f"{VERSION}, the one of this package", repr(config["version"]))
            raise ValueError(msg)
        return cls(**{key: value for key, value in config.items() if key != "version"})

    def apply(self, study: Study) -> Prepared:
        """Turn a study into a model's input.

        Args:
            study: Any study that has one of ``fill_from``, or all sequences that the model takes.

        Returns:
            The images ``(slices, size, size, sequences)``, or ``(slabs, size, size, sequences)`` of thin slices, where they
            lie, and what could not be done as usual.

        Raises:
            DataError: If the study lacks a sequence that can't be filled, as it has none of ``fill_from``.
        """
        study = _without_padding_above(study)
        shape, slabs = study.shape, Slabs.of(study, self.slab)
        if slabs is not None:
            study = slabs.apply(study)
        channels, notes = self._channels(study)
        source = next((name for name in self.fill_from if name in study.sequences), None)
        reference = study.sequence(source or self.sequences[0])
        background = Background.of(reference)
        foreground = head_at(background.distance(reference))
        if not foreground.any():
            notes.append("the image is constant: no head was found, and intensities were not normalised")
        elif shape[0] == 1:
            notes.append("one slice only: intensities were normalised over it, not over a whole volume")
        placement = replace(self._place(foreground, study), shape=shape, slabs=slabs)
        rows, columns = _matrices(placement)
        # Only what the square reaches is normalised and resampled.
        window = (slice(None), reached(rows), reached(columns))
        rows, columns = rows[:, window[1]], columns[:, window[2]]
        inside = hull(foreground)[window]
        filling = None
        if study.covered is not None and source is not None:
            filling = self._normalise(study.sequence(source), foreground, window)
        images = np.empty((study.shape[0], self.size, self.size, len(channels)), np.float32)
        for index, name in enumerate(channels):
            if name in channels[:index]:
                images[..., index] = images[..., channels.index(name)]
                continue
            scaled = self._normalise_covered(study, name, foreground, window, filling, is_source=name == source)
            if scaled is None:
                images[..., index] = 0
                if foreground.any():
                    notes.append(f"{name} is constant over the head and carries no information")
                continue
            # The floor is added after the resampling, so that padding and air are the floor too.
            scaled *= inside
            images[..., index] = resample(scaled, rows, columns)
            images[..., index] -= _UNIT
        return Prepared(images, placement, tuple(notes))

    def apply_mask(self, mask: NDArray[np.bool_], placement: Placement) -> NDArray[np.float32]:
        """Turn a mask into a model's target, on the grid of ``apply``'s images.

        Args:
            mask: Array ``(slices, height, width)``, boolean, on the study's grid.
            placement: What ``apply`` returned for the study.

        Returns:
            Float32 array ``(slices, size, size)``, or ``(slabs, size, size)``: the share of each pixel that the mask covers,
            0 to 1.

        Raises:
            ValueError: If the mask is not of the study's shape.
        """
        _check_shape("mask", mask, placement.shape)
        rows, columns = _matrices(placement)
        stack = mask.astype(np.float32)
        if placement.slabs is not None:
            stack = placement.slabs.average(stack)
        coverage: NDArray[np.float32] = np.clip(resample(stack, rows, columns), 0, 1)
        return coverage

    def restore(self, probabilities: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
        """Bring a model's output back to the study's own grid.

        Args:
            probabilities: Array ``(slices, size, size)`` or ``(slabs, size, size)``, 0 to 1, on the grid of the images.
            placement: What ``apply`` returned for the study.

        Returns:
            Float32 array ``(slices, height, width)``, 0 to 1; 0 outside of the model's square.

        Raises:
            ValueError: If the probabilities are not of the shape that ``apply`` gave.
        """
        _, height, width = placement.shape
        _check_shape("probabilities", probabilities, (placement.images, placement.size, placement.size))
        rows, columns = (
            interpolation(length, placement.size, -origin / step, 1 / step)
            for length, origin, step in zip((height, width), placement.origin, placement.step, strict=True)
        )
        restored = resample(np.asarray(probabilities, np.float32), rows, columns)
        if placement.slabs is not None:
            restored = placement.slabs.spread(restored)
        return np.clip(restored, 0, 1, out=restored)

    def _channels(self, study: Study) -> tuple[list[str], list[str]]:
        """Name the study's sequence that fills each channel, and say which ones are copies."""
        missing = [name for name in self.sequences if name not in study.sequences]
        source = next((name for name in self.fill_from if name in study.sequences), None)
        if missing and source is None:
            needed = " or ".join("FLAIR" if name == "flair" else name for name in self.fill_from)
            msg = f"{study.name}: the model needs {needed}; the study holds {', '.join(study.sequences)}"
            raise DataError(msg)
        notes = [f"{name} is missing: filled with a copy of {source}" for name in missing]
        return [source if source and name in missing else name for name in self.sequences], notes

    def _place(self, foreground: NDArray[np.bool_], study: Study) -> Placement:
        """Lay the square of the model around the head; square in mm where the spacing is known."""
        lengths = study.spacing[1:] if study.spacing else (1.0, 1.0)
        unit = min(lengths)
        scale = (lengths[0] / unit, lengths[1] / unit)
        box = [_extent(foreground.sum(axis=(0, 2))), _extent(foreground.sum(axis=(0, 1)))]
        sides = [(stop - start) * factor for (start, stop), factor in zip(box, scale, strict=True)]
        side = max(sides)
        step = tuple(side / self.size / factor for factor in scale)
        # Whole pixels of padding: where the square is as large as the model's, nothing is interpolated.
        # What a header rounds in its spacing must not tip a whole number over.
        pads = [np.floor((side - own) / 2 / factor + 1e-6) for own, factor in zip(sides, scale, strict=True)]
        origin = tuple(start - pad + (one - 1) / 2 for (start, _), pad, one in zip(box, pads, step, strict=True))
        return Placement(study.shape, self.size, (float(origin[0]), float(origin[1])), (float(step[0]), float(step[1])))

    def _normalise_covered(
        self,
        study: Study,
        name: str,
        foreground: NDArray[np.bool_],
        window: tuple[slice, ...],
        filling: NDArray[np.float32] | None,
        *,
        is_source: bool,
    ) -> NDArray[np.float32] | None:
        """Return what ``_normalise`` does of a sequence where it was imaged, and of the one that fills where it was not."""
        if filling is None or study.covered is None:
            return self._normalise(study.sequence(name), foreground, window)
        covered = study.covered[..., study.sequences.index(name)]
        imaged = foreground & covered
        if is_source or not imaged.any():
            return filling
        own = self._normalise(study.sequence(name), imaged, window)
        return None if own is None else np.where(covered[window], own, filling)

    def _normalise(
        self, image: NDArray[np.float32], foreground: NDArray[np.bool_], window: tuple[slice, ...]
    ) -> NDArray[np.float32] | None:
        """Return the sequence's distance from its air within a window, the head's median 2; none if the head is constant."""
        image = np.ascontiguousarray(image)  # a sequence of a volume is strided, and read several times here
        voxels = image[foreground]
        if voxels.size == 0 or voxels.min() == voxels.max():
            return None
        background = Background.of(image)
        median = quantile(background.distance(voxels), 0.5)
        if median == 0:
            return None
        scaled = background.distance(image[window])
        scaled *= _UNIT / median
        return np.minimum(scaled, _UNIT * self.ceiling, out=scaled)


def _without_padding_above(study: Study) -> Study:
    """Return the study with air in the place of padding that is far brighter than any signal; the same if there is none."""
    found = [study.sequence(name) for name in study.sequences]
    images = [air_above(image) for image in found]
    if all(image is own for image, own in zip(images, found, strict=True)):
        return study
    return replace(study, volume=np.stack(images, axis=-1))


def _extent(profile: NDArray[np.int_]) -> tuple[int, int]:
    """Return start and stop of the head along one axis, from its foreground voxels per row; all rows if there are none."""
    full = np.flatnonzero(profile > _PROFILE_SHARE * profile.max())
    if full.size == 0:
        return 0, len(profile)
    margin = round(_MARGIN_SHARE * (full[-1] + 1 - full[0]))
    return int(full[0]) - margin, int(full[-1]) + 1 + margin


def _matrices(placement: Placement) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the two matrices that sample rows and columns of the study at the square's pixels."""
    _, height, width = placement.shape
    return (
        interpolation(placement.size, height, placement.origin[0], placement.step[0]),
        interpolation(placement.size, width, placement.origin[1], placement.step[1]),
    )


def _check_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if np.shape(array) != shape:
        msg = wrong(name, f"of shape {shape}", f"shape {np.shape(array)}")
        raise ValueError(msg)
