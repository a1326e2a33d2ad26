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
from table import Row, print_table

from braintumorseg.losses import Dice

try:
    from medicai.losses import BinaryDiceCELoss
except ImportError:
    BinaryDiceCELoss = None

BATCH, REPEATS = 16, 10
OURS, OURS_PER_IMAGE = "Dice per batch + cross-entropy", "Dice per image + cross-entropy"


def make_losses() -> dict[str, Any]:
    """Return what is timed: one of ours, then the peer that computes the same."""
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


def measure(size: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each loss took in each round; peers that are not installed are left out."""
    random = np.random.default_rng(0)
    # Every image has some tumour, since what an empty one costs is not the same everywhere.
    truth = tf.constant(random.random((BATCH, size, size, 1)) < 0.05, tf.float32)
    guess = tf.constant(random.uniform(0.01, 0.99, truth.shape), tf.float32)
    works = {name: with_gradient(loss, truth, guess) for name, loss in make_losses().items()}
    values = {name: float(work()[0]) for name, work in works.items()}
    names = list(works)
    for one, other in zip(names[::2], names[1::2], strict=False):
        np.testing.assert_allclose(values[one], values[other], rtol=1e-4, err_msg=f"{one} and {other}")
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            for _ in range(REPEATS):
                work()
            times[name].append((time.perf_counter() - start) / REPEATS)
    return times


def rows(size: int, rounds: int) -> list[Row]:
    """Return each peer beside the loss of ours that computes the same."""
    times = measure(size, rounds)
    names = list(times)
    medians = {name: 1000 * statistics.median(each) for name, each in times.items()}
    what = f"loss and gradient of a batch of {BATCH} at {size}, ms"
    return [
        Row(what, f"{medians[ours]:.1f}", f"{medians[peer]:.1f} {peer}", medians[peer] / medians[ours])
        for ours, peer in zip(names[::2], names[1::2], strict=False)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    title = f"{os.cpu_count()} cores, median of {options.rounds} rounds in turn"
    print_table(title, rows(options.size, options.rounds))
    if BinaryDiceCELoss is None:
        print("medicai is not installed")


if __name__ == "__main__":
    main()
