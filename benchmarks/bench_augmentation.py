"""Time augmentation alone, and training of a small U-Net from ``tf.data`` with and without it.

Run: ``python benchmarks/bench_augmentation.py``. Augmentation alone runs on one thread, on batches of 16 at 192 x 192 x 3,
once in full and once for each transform. Training reads the same batches with and without augmentation, turn by turn in
one run, so that a busy machine slows both; the ratio of the medians says what augmentation costs.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from braintumorseg.augmentation import TRANSFORMS, Augmentation
from braintumorseg.models import build_unet

BATCH, SIZE = 16, 192
FILTERS = (8, 16, 32, 64)
REPEATS, ROUNDS, STEPS = 8, 4, 4
OFF = {"flip_left_right": False, **dict.fromkeys(TRANSFORMS, 0)}


def make_batch() -> tuple[np.ndarray, np.ndarray]:
    """Return normal images in a square of air, and half-empty masks."""
    generator = np.random.default_rng(0)
    images = np.full((BATCH, SIZE, SIZE, 3), -2.5, np.float32)
    inside = slice(SIZE // 8, -SIZE // 8)
    images[:, inside, inside] = generator.normal(size=images[:, inside, inside].shape).clip(-2.4, 4)
    masks = (images[..., :1] > 0).astype(np.float32)
    return images, masks


def milliseconds(augment: Augmentation) -> float:
    """Return the best time of a few for one batch, on one thread."""
    images, masks = (tf.constant(array) for array in make_batch())
    dataset = tf.data.Dataset.range(REPEATS + 1).map(lambda step: augment(images, masks, step=step))
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    times = []
    batches = iter(dataset.with_options(options))
    next(batches)  # tracing and the first allocation
    for _ in range(REPEATS):
        start = time.perf_counter()
        next(batches)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def make_training(augment: Augmentation | None) -> Callable[[], float]:
    """Return a function that trains a few steps and returns the mean time of a step, in milliseconds."""
    model = build_unet((SIZE, SIZE, 3), filters=FILTERS)
    model.compile("adam", "binary_crossentropy")
    images, masks = make_batch()
    batches = tf.data.Dataset.from_tensor_slices((images, masks)).repeat().batch(BATCH).enumerate()
    if augment is None:
        dataset = batches.map(lambda step, batch: batch, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        dataset = batches.map(lambda step, batch: augment(*batch, step=step), num_parallel_calls=tf.data.AUTOTUNE)
    iterator = iter(dataset.prefetch(tf.data.AUTOTUNE))
    model.train_on_batch(*next(iterator))

    def run() -> float:
        start = time.perf_counter()
        for _ in range(STEPS):
            model.train_on_batch(*next(iterator))
        return 1000 * (time.perf_counter() - start) / STEPS

    return run


def main() -> None:
    print(f"augmentation alone, one thread, batch of {BATCH} at {SIZE} x {SIZE} x 3")
    cases = {name: {name: getattr(Augmentation(), name)} for name in ("flip_left_right", *TRANSFORMS)}
    cases |= {"sequence_dropout": {"sequence_dropout": 0.3}}
    print(f"  {'everything':<20}{milliseconds(Augmentation(sequence_dropout=0.3)):8.1f} ms")
    for name, arguments in cases.items():
        print(f"  {name + ' only':<20}{milliseconds(Augmentation(**{**OFF, **arguments})):8.1f} ms", flush=True)

    print(f"training of a U-Net with filters {FILTERS}, the same batches")
    trainings = {"without": make_training(None), "with": make_training(Augmentation(sequence_dropout=0.3))}
    times: dict[str, list[float]] = {name: [] for name in trainings}
    for _ in range(ROUNDS):
        for name, run in trainings.items():
            times[name].append(run())
    without, augmented = (float(np.median(times[name])) for name in ("without", "with"))
    print(f"  without {without:.0f} ms a step, with {augmented:.0f} ms, ratio {augmented / without:.3f}")


if __name__ == "__main__":
    main()
