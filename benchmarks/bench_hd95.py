"""Time HD95 of pairs of 155 x 240 x 240 masks against distance transforms, on one core.

Run: ``python benchmarks/bench_hd95.py``. The peers are written afresh: "full transform" takes two distance transforms of the
whole volume, as MedPy does; "cropped transform" takes them in the joint bounding box, as MONAI and DeepMind's
surface-distance do. All three must agree, or the benchmark fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from table import Row, print_table

from braintumorseg.measures import hd95

SHAPE = (155, 240, 240)
SPACING = (1.0, 1.0, 1.0)
REPEATS = 2
Mask = NDArray[np.bool_]


def make_tumour(centre: tuple[float, ...], radius: float, seed: int) -> Mask:
    """Return a ball with a smooth random dent and bulge of up to a third of its radius."""
    noise = np.random.default_rng(seed).normal(size=[6, 8, 8])
    bumps = ndimage.zoom(noise, [length / cells for length, cells in zip(SHAPE, noise.shape, strict=True)], order=1)
    grid = np.ogrid[tuple(slice(length) for length in SHAPE)]
    distance = np.sqrt(sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True)))
    return distance < radius * (1 + np.clip(bumps / 6, -1 / 3, 1 / 3))


def full_transform(truth: Mask, prediction: Mask) -> float:
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (truth, prediction)]
    directed = []
    for surface, other in (surfaces, surfaces[::-1]):
        directed.append(np.percentile(ndimage.distance_transform_edt(~other, sampling=SPACING)[surface], 95))
    return float(max(directed))


def cropped_transform(truth: Mask, prediction: Mask) -> float:
    box = ndimage.find_objects((truth | prediction).astype(np.uint8))[0]
    return full_transform(truth[box], prediction[box])


def ours(truth: Mask, prediction: Mask) -> float:
    return hd95(truth, prediction, SPACING)


def seconds(function: Callable[[Mask, Mask], float], pair: tuple[Mask, Mask]) -> tuple[float, float]:
    """Return the best time of a few, and the result."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = function(*pair)
        times.append(time.perf_counter() - start)
    return min(times), result


def make_cases() -> dict[str, tuple[Mask, Mask]]:
    small, large = make_tumour((70, 120, 90), 18, 0), make_tumour((70, 120, 110), 45, 2)
    specks = make_tumour((8, 8, 8), 3, 4) | make_tumour((147, 232, 232), 3, 5)
    noise = np.random.default_rng(0).random(SHAPE) < 0.01
    return {
        "small tumour": (small, make_tumour((71, 121, 92), 18, 1)),
        "large tumour": (large, make_tumour((71, 122, 111), 45, 3)),
        "large, far specks": (large, make_tumour((71, 122, 111), 45, 3) | specks),
        "opposite corners": (make_tumour((35, 45, 45), 28, 6), make_tumour((120, 195, 195), 28, 7)),
        "large, 1 % noise": (large, large ^ noise),
    }


def rows() -> Iterator[Row]:
    """Measure each pair by each way."""
    for name, pair in make_cases().items():
        (mine, distance), *peers = (seconds(function, pair) for function in (ours, full_transform, cropped_transform))
        for peer, (took, theirs) in zip(("full transform", "cropped transform"), peers, strict=True):
            np.testing.assert_allclose(theirs, distance, rtol=1e-9)
            what = f"HD95 of a pair of 155 x 240 x 240, {name}, s"
            yield Row(what, f"{mine:.3f}", f"{took:.3f} {peer}", took / mine)


def main() -> None:
    print_table(f"one core, the best of {REPEATS}", list(rows()))


if __name__ == "__main__":
    main()
