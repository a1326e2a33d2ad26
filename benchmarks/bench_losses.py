"""Time the loss of the recipes, with its gradient, against the same losses of Keras and of medicai, in turn in one run.

Run: ``python benchmarks/bench_losses.py [--size 192] [--rounds 20]``; ``pip install medicai`` beside the package adds its rows
(a peer of the benchmark alone). Each is a compiled function of one batch of 16 probability maps. Peers that compute the
same must give the same value, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import statistics
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from braintumorseg.losses import Dice

try:
    from medicai.losses import BinaryDiceCELoss
except ImportError:
    BinaryDiceCELoss = None

BATCH, REPEATS = 16, 10
OURS, OURS_PER_IMAGE = "ours: Dice per batch + cross-entropy", "ours: Dice per image + cross-entropy"


def make_losses() -> dict[str, Any]:
    """Return what is timed; with two lists of rows that must agree."""
    crossentropy = keras.losses.BinaryCrossentropy()
    dice = keras.losses.Dice()
    losses = {
        OURS: Dice(per="batch") + crossentropy,
        "keras.losses: Dice + BinaryCrossentropy": lambda truth, guess: dice(truth, guess) + crossentropy(truth, guess),
        OURS_PER_IMAGE: Dice() + crossentropy,
    }
    if BinaryDiceCELoss is not None:
        losses["medicai: BinaryDiceCELoss"] = BinaryDiceCELoss(from_logits=False, num_classes=1)
    return losses


def with_gradient(loss: Any, truth: tf.Tensor, guess: tf.Tensor) -> Any:
    """Return a call without arguments: the loss's value and its slope, compiled."""

    @tf.function
    def step(truth: tf.Tensor, guess: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(guess)
            value = loss(truth, guess)
        return value, tape.gradient(value, guess)

    return lambda: step(truth, guess)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    # Every image has some tumour, since what an empty one costs is not the same everywhere.
    truth = tf.constant(random.random((BATCH, options.size, options.size, 1)) < 0.05, tf.float32)
    guess = tf.constant(random.uniform(0.01, 0.99, truth.shape), tf.float32)
    works = {name: with_gradient(loss, truth, guess) for name, loss in make_losses().items()}
    values = {name: float(work()[0]) for name, work in works.items()}
    names = list(works)
    for one, other in zip(names[::2], names[1::2], strict=False):
        np.testing.assert_allclose(values[one], values[other], rtol=1e-4, err_msg=f"{one} and {other}")
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(options.rounds):
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(REPEATS):
                work()
            times[name].append((time.perf_counter() - start) / REPEATS)

    print(f"loss and gradient of a batch of {BATCH} at {options.size} x {options.size}, {os.cpu_count()} cores")
    print(f"{'':<42}{'ms':>8}{'times ours per batch':>24}")
    for name, each in times.items():
        ratio = statistics.median(one / ours for one, ours in zip(each, times[OURS], strict=True))
        print(f"{name:<42}{1000 * statistics.median(each):>8.2f}{ratio:>24.2f}")
    if BinaryDiceCELoss is None:
        print(f"{'medicai: BinaryDiceCELoss':<42}{'not installed':>32}")


if __name__ == "__main__":
    main()
