"""Synthetic studies with a known tumour, for demonstrations and tests: no patient, no download, the same for every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from braintumorseg._core.checks import check_integer, check_range, wrong
from braintumorseg.study import KNOWN, SEQUENCES, TUMOR, Classes, Geometry, Study, TumorClass, as_classes

Field = NDArray[np.float32]

_FIELD_OF_VIEW = (132.0, 240.0)  # mm: from the skull base to the vertex, and across a slice
_THICKNESS = 5.5  # mm: of a slice that stands alone; several slices fill the field of view

# Mean intensity of each tissue, 0 to 255, in the order of ``KNOWN``: T1, FLAIR and T1 with contrast as the LGG dataset's images
# show them, T2 as textbooks do.
_INTENSITY = {
    "scalp": (155, 125, 160, 120),
    "bone": (14, 10, 16, 12),
    "csf": (24, 11, 26, 190),
    "grey": (58, 64, 64, 92),
    "white": (78, 52, 84, 68),
    "muscle": (62, 42, 78, 48),
    "eye": (30, 14, 34, 180),
    "tumour": (54, 92, 58, 140),
    "core": (38, 62, 40, 165),
}
_ENHANCING = 165  # of the rim, in T1 with contrast


@dataclass(frozen=True)
class _Grid:
    """Coordinates of voxels: height from skull base (0) to vertex (1), and across, -1 to 1 over the shorter side."""

    height: Field  # (slices, 1, 1)
    across: Field  # (1, 1, columns), negative on the patient's right
    along: Field  # (1, rows, 1), negative in front
    shape: tuple[int, int, int]


def make_study(
    seed: int = 0,
    *,
    shape: tuple[int, int, int] = (24, 256, 256),
    tumours: int = 1,
    noise: float = 1.0,
    bias: float = 0.15,
    sequences: Sequence[str] = SEQUENCES,
    classes: Sequence[str | TumorClass] | Mapping[str, int] | None = None,
) -> Study:
    """Make a synthetic study of a head with FLAIR-bright tumours and their true mask.

    A head of scalp, skull, cerebrospinal fluid, folded grey and white matter, ventricles, deep nuclei and, in the lowest
    slices, eyes and skull base; a smooth bias field; Rician noise. The anatomy does not depend on ``shape``: more voxels
    show the same head in more detail.

    Args:
        seed: What to draw; equal seeds give equal studies.
        shape: The grid, (slices, rows, columns): at least 1, 32 and 32. The slices fill 132 mm, the shorter side of a slice
            240 mm. One slice alone shows the middle of the head and is 5.5 mm thick.
        tumours: How many tumours there are, 0 to 5.
        noise: Standard deviation of the noise in each of the two channels of the receiver, on the scale of 0 to 255; 0 to 255.
        bias: Strength of the receiver's bias field: the standard deviation of its logarithm, 0 to 1.
        sequences: Which sequences the study has, out of ``"t1"``, ``"flair"``, ``"t1ce"``, ``"t2"``.
        classes: Three classes for necrotic core, oedema and enhancing rim, in this order, such as ``study.BRATS``: each tumour
            then has all three, and the study has a label map. ``None`` for a mask alone.

    Returns:
        A study with mask and geometry; intensities 0 to 255, float32.

    Raises:
        ValueError: If an argument is not as stated.

    Examples:
        >>> from braintumorseg import make_study
        >>> make_study(seed=1, shape=(8, 64, 64)).mask.any()
        np.True_
    """
    check_integer("seed", seed, 0)
    _check_shape(shape)
    check_integer("tumours", tumours, 0)
    check_range("tumours", tumours, 0, 5)
    check_range("noise", noise, 0, 255)
    check_range("bias", bias, 0, 1)
    _check_sequences(sequences)
    known = TUMOR if classes is None else as_classes(classes)
    if classes is not None and len(known) != 3:
        msg = wrong("classes", "three, for necrotic core, oedema and enhancing rim", f"{len(known)}")
        raise ValueError(msg)
    random = np.random.default_rng(seed)
    grid = _make_grid(shape)

    depth = _head_depth(grid, random)
    tissues = _make_tissues(grid, depth, random)
    membership, core, enhances = _make_tumours(grid, depth, tissues["csf"], tumours, random, whole=classes is not None)
    gain = np.exp(bias * _smooth_noise(random, shape, (3, 4, 4)))
    texture = _smooth_noise(random, shape, (12, 40, 40))

    volume = np.empty((*shape, len(sequences)), np.float32)
    for channel, name in enumerate(sequences):
        volume[..., channel] = _render(KNOWN.index(name), tissues, membership, core, enhances, texture)
        volume[..., channel] *= gain
        volume[..., channel] = _scan(volume[..., channel], noise, random)
    mask = membership > 0.5
    return Study(
        volume,
        tuple(sequences),
        mask,
        name=f"phantom-{seed}",
        geometry=_make_geometry(shape),
        labels=None if classes is None else _label(mask, core, known),
        classes=known,
    )


def _label(mask: NDArray[np.bool_], core: Field, classes: Classes) -> NDArray[np.uint8]:
    """Return a label map: the core, what enhances around it, and the rest of the tumour."""
    necrosis, edema, enhancing = (each.value for each in classes)
    labels = mask * np.uint8(edema)
    labels[mask & (_rim(core) > 0.5)] = enhancing
    labels[mask & (core > 0.5) & (_rim(core) <= 0.5)] = necrosis
    return labels


def _rim(core: Field) -> Field:
    return 4 * core * (1 - core)


def _check_shape(shape: object) -> None:
    if not isinstance(shape, Sequence) or len(shape) != 3:
        msg = wrong("shape", "three integers, (slices, rows, columns)", shape)
        raise ValueError(msg)
    for name, length, low in zip(("slices", "rows", "columns"), shape, (1, 32, 32), strict=True):
        check_integer(f"shape ({name})", length, low)


def _check_sequences(sequences: Sequence[str]) -> None:
    names = set(sequences)
    if isinstance(sequences, str) or not names or len(names) != len(sequences) or names - set(KNOWN):
        msg = wrong("sequences", f"distinct names out of {', '.join(KNOWN)}", sequences)
        raise ValueError(msg)


def _make_grid(shape: tuple[int, int, int]) -> _Grid:
    slices, rows, columns = shape
    side = min(rows, columns)
    return _Grid(
        height=((np.arange(slices) + 0.5) / slices).astype(np.float32)[:, None, None],
        along=((np.arange(rows) - (rows - 1) / 2) / (side / 2)).astype(np.float32)[None, :, None],
        across=((np.arange(columns) - (columns - 1) / 2) / (side / 2)).astype(np.float32)[None, None, :],
        shape=shape,
    )


def _make_geometry(shape: tuple[int, int, int]) -> Geometry:
    slices, rows, columns = shape
    slice_mm = _THICKNESS if slices == 1 else _FIELD_OF_VIEW[0] / slices
    pixel_mm = _FIELD_OF_VIEW[1] / min(rows, columns)
    affine = np.diag([-pixel_mm, -pixel_mm, slice_mm, 1.0])
    affine[:3, 3] = (columns - 1) / 2 * pixel_mm, (rows - 1) / 2 * pixel_mm, -(slices - 1) / 2 * slice_mm
    return Geometry(affine, (columns, rows, slices), axes=(2, 1, 0))


def _smooth_noise(random: np.random.Generator, shape: tuple[int, int, int], cells: tuple[int, int, int]) -> Field:
    """Return smooth noise of mean 0 and standard deviation 1 with about ``cells`` bumps along each axis."""
    field = random.standard_normal(cells).astype(np.float32)
    for axis, (length, count) in enumerate(zip(shape, cells, strict=True)):
        places = (np.arange(length) + 0.5) / length * count - 0.5
        weights = np.exp(-0.5 * ((places[:, None] - np.arange(count)) / 0.6) ** 2)
        weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
        field = np.moveaxis(np.tensordot(weights.astype(np.float32), field, axes=(1, axis)), 0, axis)
    return field


def _head_depth(grid: _Grid, random: np.random.Generator) -> Field:
    """Return how deep each voxel lies: 0 at the skin, 1 at the axis of the head, negative in air."""
    width, length = random.uniform(0.63, 0.69), random.uniform(0.79, 0.86)
    below = np.clip((0.35 - grid.height) / 0.35, 0, None)
    above = np.clip((grid.height - 0.35) / 0.72, 0, None)
    scale = (1 - 0.12 * below**2) * np.sqrt(1 - above**2)
    wobble = 1 + 0.015 * _smooth_noise(random, grid.shape, (4, 6, 6))
    # A super-ellipse, as skulls are a little squarer than ellipses, and narrower in front.
    narrowing = 1 - 0.10 * np.clip(-grid.along, 0, 1)
    across = np.abs(grid.across / (width * scale * narrowing)) ** 2.2
    along = np.abs(grid.along / (length * scale)) ** 2.2
    return np.asarray(1 - wobble * (across + along) ** (1 / 2.2), np.float32)


def _ellipsoid(grid: _Grid, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Field:
    """Return 1 - distance, positive inside; centre and radii in (height, along, across)."""
    squares = (
        ((axis - middle) / radius) ** 2
        for axis, middle, radius in zip((grid.height, grid.along, grid.across), centre, radii, strict=True)
    )
    return np.asarray(1 - np.sqrt(sum(squares)), np.float32)


def _make_tissues(grid: _Grid, depth: Field, random: np.random.Generator) -> dict[str, Field]:
    """Return where each tissue is, 0 or 1; later ones cover earlier ones."""
    brain = 0.17  # depth of the brain's surface
    fold = _smooth_noise(random, grid.shape, (14, 34, 34))
    coarse = _smooth_noise(random, grid.shape, (8, 16, 16))
    sulcus = np.abs(fold + 0.4 * coarse) < 0.22
    cortex = 0.05 + 0.03 * np.abs(coarse)
    skin = 0.055 + 0.018 * _smooth_noise(random, grid.shape, (4, 7, 7))
    inner = depth - brain
    masks: dict[str, NDArray[np.bool_]] = {
        "scalp": (depth > 0) & (depth <= skin),
        "bone": (depth > skin) & (depth <= 0.145),
        "csf": (depth > 0.145) & (inner <= 0),
        "white": inner > 0,
    }
    ribbon = (inner > 0) & ((inner < cortex) | ((np.abs(fold + 0.4 * coarse) < 0.5) & (inner < 0.33)))
    nuclei = np.zeros(grid.shape, bool)
    for side in (-1, 1):
        nuclei |= _ellipsoid(grid, (0.46, -0.02, side * 0.20), (0.11, 0.15, 0.055)) > 0
        nuclei |= _ellipsoid(grid, (0.48, 0.14, side * 0.10), (0.09, 0.10, 0.06)) > 0
    masks["grey"] = (ribbon | nuclei) & (inner > 0)

    fluid = sulcus & (inner > 0) & (inner < 0.08 + 0.08 * np.abs(coarse))
    fissure = np.abs(grid.across + 0.012 * coarse) < 0.012
    fluid |= fissure & (inner > 0) & ((inner < 0.28) | (grid.height > 0.72))
    size = random.uniform(0.85, 1.25)
    for side in (-1, 1):
        frontal_horn = (0.55, -0.17, side * 0.075), (0.11, 0.16 * size, 0.042 * size)
        occipital_horn = (0.53, 0.20, side * 0.15), (0.10, 0.17 * size, 0.045 * size)
        body = (0.61, 0.02, side * 0.08), (0.07, 0.26 * size, 0.045 * size)
        for centre, radii in (frontal_horn, occipital_horn, body):
            fluid |= _ellipsoid(grid, centre, radii) + 0.16 * coarse > 0
    masks["csf"] |= fluid & (inner > 0)

    # The skull base: eyes and nose in front, the petrous bones, muscle around; all fading out above it.
    base = (grid.height < 0.20 + 0.02 * coarse) & (depth > 0.07)
    front = base & (grid.along < -0.22 + 0.04 * coarse)
    masks["muscle"] = front | (base & (inner < 0.10))
    masks["eye"] = np.zeros(grid.shape, bool)
    masks["bone"] |= front & (np.abs(grid.across) < 0.16) & (fold > -0.1)
    for side in (-1, 1):
        masks["eye"] |= _ellipsoid(grid, (0.14, -0.52, side * 0.25), (0.085, 0.125, 0.125)) > 0
        masks["bone"] |= base & (_ellipsoid(grid, (0.06, -0.05, side * 0.33), (0.12, 0.08, 0.2)) + 0.3 * fold > 0)

    taken = np.zeros(grid.shape, bool)
    tissues = {}
    for name in ("eye", "bone", "scalp", "muscle", "csf", "grey", "white"):
        tissues[name] = (masks[name] & ~taken).astype(np.float32)
        taken |= masks[name]
    return tissues


def _make_tumours(
    grid: _Grid, depth: Field, fluid: Field, count: int, random: np.random.Generator, *, whole: bool
) -> tuple[Field, Field, bool]:
    """Return the share of each voxel that is tumour, the share that is its dark core, and whether its rim enhances.

    With ``whole``, every tumour has a core, and its rim enhances.
    """
    membership, core = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    enhances = bool(random.random() < 0.4)
    side = random.choice((-1, 1))
    for number in range(count):
        # Sides alternate, so that several tumours stay apart.
        angle = random.uniform(-0.75, 0.75)
        distance = random.uniform(0.22, 0.36)
        height = random.uniform(0.42, 0.68) if grid.shape[0] > 1 else 0.5
        centre = (
            height,
            distance * 1.25 * np.sin(angle) + 0.22 * random.uniform(-1, 1),
            side * distance * np.cos(angle),
        )
        radius = random.uniform(0.13, 0.24) * 0.8**number
        in_slices = _FIELD_OF_VIEW[1] / 2 / _FIELD_OF_VIEW[0]  # heights count the slab, widths half a slice's side
        radii = (radius * in_slices, radius * random.uniform(0.8, 1.3), radius * random.uniform(0.8, 1.2))
        shape = _ellipsoid(grid, centre, radii)
        shape += 0.2 * _smooth_noise(random, grid.shape, (8, 14, 14)) + 0.09 * _smooth_noise(
            random, grid.shape, (12, 36, 36)
        )
        share = expit(shape / 0.07) * expit((depth - 0.20) / 0.008) * expit(side * grid.across / 0.01)
        membership = np.maximum(membership, share * (1 - 0.8 * fluid))
        inside = _ellipsoid(grid, centre, tuple(0.45 * each for each in radii))  # type: ignore[arg-type]
        core = np.maximum(core, expit(inside / 0.08) * share)
        side = -side
    has_core = bool(random.random() < 0.5)
    return membership, core * np.float32(has_core or whole), enhances or whole


def _render(
    channel: int, tissues: dict[str, Field], membership: Field, core: Field, enhances: bool, texture: Field
) -> Field:
    """Paint one sequence without noise."""
    image = np.zeros_like(membership)
    for name, share in tissues.items():
        image += share * np.float32(_INTENSITY[name][channel])
    image *= 1 + 0.04 * texture
    image += membership * (_INTENSITY["tumour"][channel] * (1 + 0.10 * texture) - image)
    image += core * (_INTENSITY["core"][channel] - image)
    if enhances and KNOWN[channel] == "t1ce":
        image += _rim(core) * (_ENHANCING - image)
    return image


def _scan(image: Field, noise: float, random: np.random.Generator) -> Field:
    """Blur within slices as the scanner's resolution does, and add the noise of a magnitude image (Rician)."""
    sigma = 0.7 * min(image.shape[1:]) / 256
    blurred = ndimage.gaussian_filter(image, (0, sigma, sigma))
    real, imaginary = (noise * random.standard_normal(image.shape, np.float32) for _ in range(2))
    return np.asarray(np.clip(np.hypot(blurred + real, imaginary), 0, 255), np.float32)
