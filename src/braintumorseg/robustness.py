"""How much a segmenter loses where studies differ from those it was trained on: named changes, and the drop of each."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from braintumorseg._checks import DataError, wrong
from braintumorseg._files import replacing
from braintumorseg.foreground import find_background, find_foreground
from braintumorseg.io import read_study
from braintumorseg.measures import dice
from braintumorseg.segmenter import Segmenter
from braintumorseg.skull import strip_skull
from braintumorseg.study import Study

Change = Callable[[Study], Study]

UNCHANGED = "unchanged"
_COLUMNS = ("name", "change", "dice")
_EMPTY_SLICES = 20  # below, and as many above
_FINER = 5  # slices of 5 mm, as FLAIR often has them, to 1 mm
_WHOLE = 0.999  # what is covered between voxels that are, but for rounding
_BIAS = 0.4
_NOISE = 0.05


def keep_sequences(study: Study, names: tuple[str, ...]) -> Study:
    """Drop the sequences that are not named; names that the study lacks change nothing."""
    kept = [name for name in study.sequences if name in names]
    if not kept:
        msg = f"{study.name}: has none of the sequences {', '.join(names)} that are to be kept"
        raise DataError(msg)
    return study.with_sequences(kept)


def add_air(study: Study) -> Study:
    """Add 20 empty slices below and above, and a third of air to height and width."""
    sides = [(_EMPTY_SLICES, _EMPTY_SLICES), *((length // 6, length // 6) for length in study.shape[1:])]
    return _pad(replace(study, slice_names=None), sides)


def crop_tight(study: Study) -> Study:
    """Cut rows and columns in which no slice of any sequence has foreground."""
    plane = _head_plane(study)
    if not plane.any():
        return study
    rows, columns = (_span(np.asarray(plane.any(axis=axis))) for axis in (1, 0))
    mask, covered = (None if each is None else each[:, rows, columns] for each in (study.mask, study.covered))
    return replace(study, volume=study.volume[:, rows, columns], mask=mask, covered=covered, geometry=None)


def interpolate_slices(study: Study) -> Study:
    """Put four slices between each two, linearly; the mask is where at least half of it is interpolated."""
    slices = study.shape[0]
    if slices == 1:
        return study
    places = np.arange(_FINER * (slices - 1) + 1)
    lower = np.minimum(places // _FINER, slices - 2)
    share = ((places - _FINER * lower) / _FINER).astype(np.float32)

    def between(array: NDArray[Any]) -> NDArray[np.float32]:
        weight = share.reshape(-1, *(1,) * (array.ndim - 1))
        return np.asarray((1 - weight) * array[lower] + weight * array[lower + 1], np.float32)

    mask = None if study.mask is None else between(study.mask) >= 0.5
    covered = None if study.covered is None else between(study.covered) >= _WHOLE
    spacing = None if study.spacing is None else (study.spacing[0] / _FINER, *study.spacing[1:])
    return replace(
        study,
        volume=between(study.volume),
        mask=mask,
        covered=covered,
        spacing=spacing,
        geometry=None,
        slice_names=None,
    )


def scale(study: Study, factor: float) -> Study:
    """Multiply every intensity."""
    return replace(study, volume=study.volume * np.float32(factor))


def shift(study: Study, share: float) -> Study:
    """Add a share of each sequence's range, from its lowest to its highest value."""
    low, high = _range(study)
    return replace(study, volume=study.volume + np.float32(share) * (high - low))


def apply_gamma(study: Study, gamma: float) -> Study:
    """Raise each sequence, on its own range from 0 to 1, to a power."""
    low, high = _range(study)
    span = np.where(high > low, high - low, np.float32(1))
    volume: NDArray[np.float32] = low + span * np.power((study.volume - low) / span, np.float32(gamma))
    return replace(study, volume=volume)


def apply_bias_field(study: Study) -> Study:
    """Multiply what rises above the background by a smooth field, one for all sequences, from 0.6 to 1.4."""
    coarse = _random("bias field", study).standard_normal((3, 4, 4))
    places = np.meshgrid(
        *(np.linspace(0, cells - 1, length) for cells, length in zip(coarse.shape, study.shape, strict=True)),
        indexing="ij",
    )
    field = ndimage.map_coordinates(coarse, places, order=3, mode="nearest")
    field = 1 - _BIAS + 2 * _BIAS * (field - field.min()) / np.ptp(field)
    air = _air(study)
    return replace(study, volume=air + (study.volume - air) * field[..., None].astype(np.float32))


def add_noise(study: Study) -> Study:
    """Add Gaussian noise of 5 % of each sequence's 99.5th percentile over its foreground, not below its lowest value."""
    random = _random("noise", study)
    volume = study.volume.copy()
    for channel, air in enumerate(_air(study)):
        image = study.volume[..., channel]
        head = image[find_foreground(image)]
        deviation = _NOISE * (float(np.percentile(head, 99.5)) - float(air)) if head.size else 0.0
        noise = deviation * random.standard_normal(study.shape, np.float32)
        volume[..., channel] = np.maximum(image + noise, image.min())
    return replace(study, volume=volume)


def flip(study: Study) -> Study:
    """Mirror the columns: left and right."""
    mask, covered = (None if each is None else each[:, :, ::-1] for each in (study.mask, study.covered))
    return replace(study, volume=study.volume[:, :, ::-1], mask=mask, covered=covered, geometry=None)


def rotate(study: Study, degrees: float) -> Study:
    """Turn every slice about its middle, from rows towards columns, in mm where the spacing is known."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lengths = np.array(study.spacing[1:] if study.spacing else (1.0, 1.0))
    return _move(study, turn * lengths / lengths[:, None])


def zoom(study: Study, factor: float) -> Study:
    """Enlarge every slice about its middle; the voxel size stays, so that the head grows."""
    return _move(study, factor * np.eye(2))


CHANGES: Mapping[str, Change] = {
    "only FLAIR": partial(keep_sequences, names=("flair",)),
    "FLAIR and post": partial(keep_sequences, names=("flair", "post")),
    "FLAIR and pre": partial(keep_sequences, names=("pre", "flair")),
    "skull removed, background 0": partial(strip_skull, background="zero"),
    "skull removed, background minimum": partial(strip_skull, background="minimum"),
    "air added": add_air,
    "cropped tight": crop_tight,
    "slices interpolated": interpolate_slices,
    "intensities scaled": partial(scale, factor=3),
    "intensities shifted": partial(shift, share=1 / 3),
    "gamma 0.7": partial(apply_gamma, gamma=0.7),
    "gamma 1.4": partial(apply_gamma, gamma=1.4),
    "bias field of 40 %": apply_bias_field,
    "noise of 5 %": add_noise,
    "left-right flip": flip,
    "rotation by +10 degrees": partial(rotate, degrees=10),
    "rotation by -10 degrees": partial(rotate, degrees=-10),
    "zoom by 0.85": partial(zoom, factor=0.85),
    "zoom by 1.15": partial(zoom, factor=1.15),
}
"""What a study may be changed by; each is a pure function, and what it draws follows from the study's name."""

BARS: Mapping[str, float] = {
    **dict.fromkeys(CHANGES, 0.02),
    **dict.fromkeys(("skull removed, background 0", "skull removed, background minimum", "slices interpolated"), 0.03),
    **dict.fromkeys(("air added", "cropped tight"), 0.005),
    "left-right flip": 0.01,
}
"""By how much the mean Dice may drop under each change."""


@dataclass(frozen=True, eq=False)
class Robustness:
    """How well a segmenter did on studies as they are and under each change; made by :func:`measure_robustness`.

    Attributes:
        segmenter: The segmenter's name.
        patients: One row a patient and change: ``name``, ``change`` (``"unchanged"`` for the study as it is) and ``dice``,
            over the whole volume, every slice in.

    Raises:
        ValueError: If a column is missing, or not every patient has one Dice unchanged and one under each change.

    Examples:
        >>> import pandas as pd
        >>> from braintumorseg import Robustness
        >>> rows = [("A", "unchanged", 0.9), ("A", "left-right flip", 0.895)]
        >>> robustness = Robustness("mine", pd.DataFrame(rows, columns=["name", "change", "dice"]))
        >>> robustness.table["drop"].round(3).tolist()
        [0.0, 0.005]
    """

    segmenter: str
    patients: pd.DataFrame

    def __post_init__(self) -> None:
        absent = [column for column in _COLUMNS if column not in self.patients]
        if absent:
            msg = wrong(
                "patients", f"a table with the columns {', '.join(_COLUMNS)}", f"one without {', '.join(absent)}"
            )
            raise ValueError(msg)
        object.__setattr__(self, "patients", self.patients[list(_COLUMNS)].reset_index(drop=True).copy())
        counts = pd.crosstab(self.patients["name"], self.patients["change"])
        if UNCHANGED not in counts or not (counts == 1).all(axis=None):
            msg = wrong("patients", f"of one Dice for each patient {UNCHANGED} and under each change", "others")
            raise ValueError(msg)

    @property
    def table(self) -> pd.DataFrame:
        """One row a change: ``change``, the mean ``dice`` over patients, its ``drop``, and its ``bar`` (NaN if none)."""
        means = self.patients.groupby("change", sort=False)["dice"].mean()
        frame = means.reset_index()
        frame["drop"] = means[UNCHANGED] - frame["dice"]
        frame["bar"] = frame["change"].map(BARS).astype(float)
        return frame

    @property
    def drops(self) -> pd.DataFrame:
        """One row a patient, one column a change: by how much the patient's Dice drops; negative where it rises."""
        dices = self.patients.pivot(index="name", columns="change", values="dice")
        order = self.patients["change"].unique()
        return (-dices.sub(dices[UNCHANGED], axis=0))[[change for change in order if change != UNCHANGED]]

    def to_csv(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the table, one row a change.

        Raises:
            DataError: If the file exists and may not be replaced, or can't be written.
        """
        path = Path(path)
        with replacing(path, overwrite=overwrite) as beside:
            self.table.to_csv(beside, index=False)
        return path

    def to_json(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the table for readers, and every patient's Dice.

        Raises:
            DataError: If the file exists and may not be replaced, or can't be written.
        """
        path = Path(path)
        table = [{**row, "bar": None if np.isnan(row["bar"]) else row["bar"]} for row in self.table.to_dict("records")]
        record = {"segmenter": self.segmenter, "changes": table, "patients": self.patients.to_dict("records")}
        with replacing(path, overwrite=overwrite) as beside:
            beside.write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
        return path

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> Robustness:
        """Read what :meth:`to_json` wrote.

        Raises:
            DataError: If the file can't be read, or is none of those.
        """
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(str(record["segmenter"]), pd.DataFrame(record["patients"]))
        except OSError as error:
            msg = f"{path}: can't be read ({error.strerror or error})"
            raise DataError(msg) from error
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{path}: expected a table as Robustness.to_json writes it ({type(error).__name__}: {error})"
            raise DataError(msg) from error

    def __str__(self) -> str:
        lines = [f"{self.segmenter}, mean Dice over {self._count()}, whole volumes, every slice in:"]
        for row in self.table.to_dict("records"):
            drop = "" if row["change"] == UNCHANGED else f", drop {row['drop']:+.3f}"
            held = "holds" if row["drop"] <= row["bar"] else "missed"
            bar = "" if np.isnan(row["bar"]) else f" (at most {row['bar']:g}: {held})"
            lines.append(f"  {row['dice']:.3f}{drop}{bar}: {row['change']}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        table = self.table[self.table["bar"].notna()]
        held = int((table["drop"] <= table["bar"]).sum())
        return f"Robustness of {self.segmenter!r}: {self._count()}, {held} of {len(table)} bars held"

    def _count(self) -> str:
        patients = self.patients["name"].nunique()
        return f"{patients} {'patient' if patients == 1 else 'patients'}"


def measure_robustness(
    segmenter: Segmenter,
    studies: Iterable[Study | str | PathLike[str]],
    *,
    changes: Mapping[str, Change] | None = None,
) -> Robustness:
    """Predict studies as they are and under each change, and measure how far the Dice drops.

    Args:
        segmenter: The segmenter.
        studies: ``Study`` objects, or paths that ``read_study`` takes; they are read one after the other, so that one is
            in memory at a time. Each has a mask, which moves along with the image.
        changes: Name of each change and the function from study to study that makes it; by default all of
            ``braintumorseg.robustness.CHANGES``: sequences dropped, skull removed, air added or cut, slices interpolated,
            intensities, geometry. Where slices are interpolated or moved, the Dice is that on the new grid.

    Raises:
        DataError: If a study can't be read or has no mask, or two have the same name; the message names it.
        ValueError: If there are no studies, or a change is called ``"unchanged"``.

    Examples:
        >>> from braintumorseg import load_pretrained, make_study, measure_robustness
        >>> from braintumorseg.robustness import CHANGES
        >>> chosen = {"left-right flip": CHANGES["left-right flip"]}
        >>> studies = [make_study(seed=0, shape=(4, 96, 96))]
        >>> robustness = measure_robustness(load_pretrained("resunet-lgg"), studies, changes=chosen)
        >>> robustness.table["change"].tolist()
        ['unchanged', 'left-right flip']
    """
    changes = CHANGES if changes is None else changes
    if UNCHANGED in changes:
        msg = wrong("changes", f"of other names than {UNCHANGED!r}, which is the study as it is", tuple(changes))
        raise ValueError(msg)
    dices = [row for rows in map(partial(_measure, segmenter, changes), studies) for row in rows]
    if not dices:
        msg = wrong("studies", "at least one", "none")
        raise ValueError(msg)
    frame = pd.DataFrame(dices, columns=list(_COLUMNS))
    twice = frame["name"][frame.duplicated(["name", "change"])].unique()
    if len(twice):
        msg = f"{twice[0]}: comes twice; robustness is measured on one study a patient, each of its own name"
        raise DataError(msg)
    return Robustness(segmenter.name, frame)


def _measure(
    segmenter: Segmenter, changes: Mapping[str, Change], item: Study | str | PathLike[str]
) -> list[tuple[str, str, float]]:
    study = item if isinstance(item, Study) else read_study(item)
    if study.mask is None:
        msg = f"{study.name if isinstance(item, Study) else item}: has no mask; robustness needs the truth"
        raise DataError(msg)
    rows = [(study.name, UNCHANGED, _dice(segmenter, study))]
    rows += [(study.name, name, _dice(segmenter, change(study))) for name, change in changes.items()]
    return rows


def _dice(segmenter: Segmenter, study: Study) -> float:
    if study.mask is None:
        msg = f"{study.name}: a change lost the mask"
        raise DataError(msg)
    return dice(study.mask, segmenter.predict(study).mask)


def _random(change: str, study: Study) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{change}, {study.name}".encode()))


def _range(study: Study) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return study.volume.min(axis=(0, 1, 2)), study.volume.max(axis=(0, 1, 2))


def _air(study: Study) -> NDArray[np.float32]:
    """Return the background's value of each sequence."""
    return np.array(
        [find_background(study.volume[..., channel]) for channel in range(len(study.sequences))], np.float32
    )


def _head_plane(study: Study) -> NDArray[np.bool_]:
    """Return where any slice of any sequence has foreground, ``(height, width)``."""
    heads = [find_foreground(study.volume[..., channel]).any(axis=0) for channel in range(len(study.sequences))]
    return np.asarray(np.any(heads, axis=0))


def _span(profile: NDArray[np.bool_]) -> slice:
    full = np.flatnonzero(profile)
    return slice(int(full[0]), int(full[-1]) + 1)


def _pad(study: Study, sides: list[tuple[int, int]]) -> Study:
    """Put air around the volume: how much before and after slices, rows and columns."""
    channels = [
        np.pad(study.volume[..., channel], sides, constant_values=air) for channel, air in enumerate(_air(study))
    ]
    mask = None if study.mask is None else np.pad(study.mask, sides)
    covered = None if study.covered is None else np.pad(study.covered, [*sides, (0, 0)], constant_values=True)
    return replace(study, volume=np.stack(channels, axis=-1), mask=mask, covered=covered, geometry=None)


def _move(study: Study, matrix: NDArray[np.float64]) -> Study:
    """Move every slice by ``matrix`` about its middle, linearly, on a frame that is padded where the head would leave it."""
    middle = (np.array(study.shape[1:]) - 1) / 2
    moved = (np.argwhere(_head_plane(study)) - middle) @ matrix.T
    beyond = np.ceil(np.abs(moved).max(axis=0, initial=0) - middle)
    study = _pad(study, [(0, 0), *((int(pad), int(pad)) for pad in np.clip(beyond, 0, None))])
    middle = (np.array(study.shape[1:]) - 1) / 2
    backwards = np.eye(3)
    backwards[1:, 1:] = np.linalg.inv(matrix)
    offset = np.array([0, *(middle - backwards[1:, 1:] @ middle)])

    def sample(image: NDArray[Any], outside: float) -> NDArray[np.float32]:
        smooth: NDArray[np.float32] = ndimage.affine_transform(
            image.astype(np.float32), backwards, offset, order=1, mode="grid-constant", cval=outside
        )
        return smooth

    channels = [sample(study.volume[..., channel], float(air)) for channel, air in enumerate(_air(study))]
    mask = None if study.mask is None else sample(study.mask, 0) >= 0.5
    covered = study.covered
    if covered is not None:
        covered = np.stack([sample(each, 1) >= _WHOLE for each in np.moveaxis(covered, -1, 0)], axis=-1)
    return replace(study, volume=np.stack(channels, axis=-1), mask=mask, covered=covered)
