"""Find the tumour of phantoms whose slices are thick along each axis, read as axial slices and as they were acquired.

Run: ``python benchmarks/bench_slice_axes.py``. Phantoms of 1.2 mm are averaged to 6 mm along one axis. Reading turns every
study so that slices are axial, which the models have seen alone; this prints what the other choice would give.
"""

from __future__ import annotations

import numpy as np

from braintumorseg import Study, dice, load_pretrained, make_study

FINE, THICK, STEP = 1.2, 6.0, 5
SHAPE, SEEDS = (110, 200, 200), (0, 1, 2)


def main() -> None:
    segmenter = load_pretrained("resunet-lgg")
    for axis, name in ((0, "axial"), (1, "coronal"), (2, "sagittal")):
        scores = []
        for seed in SEEDS:
            study = make_study(seed, shape=SHAPE)
            volume, mask = (_thick(array, axis) for array in (study.volume, study.mask.astype(np.float32)))
            spacing = [FINE] * 3
            spacing[axis] = THICK
            as_axial = dice(mask >= 0.5, segmenter.predict(Study(volume, spacing=tuple(spacing))).mask)
            acquired = Study(_along(volume, axis), spacing=(THICK, FINE, FINE))
            scores.append((as_axial, dice(_along(mask, axis) >= 0.5, segmenter.predict(acquired).mask)))
        read, other = np.mean(scores, axis=0)
        print(f"thick {name} slices: Dice {read:.3f} as axial slices, {other:.3f} as they were acquired", flush=True)


def _thick(array: np.ndarray, axis: int) -> np.ndarray:
    shape = list(array.shape)
    shape[axis : axis + 1] = [shape[axis] // STEP, STEP]
    return array.reshape(shape).mean(axis=axis + 1)


def _along(array: np.ndarray, axis: int) -> np.ndarray:
    """Put the axis of the slices first; rows run from superior to inferior then."""
    return array if axis == 0 else np.moveaxis(array[::-1], axis, 0)


if __name__ == "__main__":
    main()
