"""Time a recipe's training step, as ``train`` runs it, against a bare Keras loop on the same arrays, all in turn in one run.

Run: ``python benchmarks/bench_training.py [--recipe unet-lgg] [--size 128] [--rounds 5] [--tried]``. Needs nothing: phantoms,
written as files, stand in for patients, prepared and cached as the dataset's are.

The recipe's step reads, augments and trains in ``fit``, with the callbacks of a run. The bare loop hands arrays that were
read and augmented before to ``train_on_batch`` of the same network, with the same loss and optimizer. ``--tried``
adds what the parts cost, and what else was tried. A step is timed between the ends of two steps, once the batches prepared
ahead are used up; ratios are the medians over the rounds of those within a round. On a machine that does other things too,
the ratio of the processor's time tells more than that of the clock's.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from bench_pipeline import write_patients
from table import Row

from braintumorseg import TrainConfig
from braintumorseg.augmentation import TRANSFORMS
from braintumorseg.preprocessing.skull import brain_alone
from braintumorseg.training import PreparedCache
from braintumorseg.training.progress import Progress
from braintumorseg.training.rounds import Rounds
from braintumorseg.training.sampling import Sampler, TrainingBatches

ARRAYS = 8  # batches that the bare loop goes through again and again
AHEAD = 7  # steps of a fit that do not count: those for which batches may lie ready
AT_ONCE = 4  # steps_per_execution
LOOP, STEP = "bare train_on_batch loop", "the recipe's step"
Steps = Callable[[int], np.ndarray]
"""Trains so many steps and returns what one took: seconds of the clock, and of the processor over all cores."""


def now() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


class Clock(keras.callbacks.Callback):
    """Notes when steps end."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[int, np.ndarray] = {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the time."""
        self.ends[batch] = now()


def bare(model: keras.Model, arrays: Sequence[tuple[np.ndarray, np.ndarray]]) -> Steps:
    def run(steps: int) -> np.ndarray:
        start = now()
        for step in range(steps):
            model.train_on_batch(*arrays[step % len(arrays)])
        return (now() - start) / steps

    return run


def fitted(model: keras.Model, batches: tf.data.Dataset, callbacks: Sequence[keras.callbacks.Callback] = ()) -> Steps:
    def run(steps: int) -> np.ndarray:
        clock = Clock()
        model.fit(batches, steps_per_epoch=AHEAD + steps, verbose=0, shuffle=False, callbacks=[*callbacks, clock])
        last, first = max(clock.ends), min(step for step in clock.ends if step >= AHEAD - 1)
        return (clock.ends[last] - clock.ends[first]) / (last - first)

    return run


def compiled(config: TrainConfig, optimizer: Any = None, loss: Any = None, **options: Any) -> keras.Model:
    """Build the recipe's network, and compile it with what the recipe says where nothing else is given."""
    model = config.build_model()
    model.compile(optimizer or config.optimizer.build(config.steps), loss or config.build_loss(), **options)
    return model


def adamw(config: TrainConfig, **changes: Any) -> keras.optimizers.Optimizer:
    """Return the recipe's optimizer with other arguments."""
    return keras.optimizers.AdamW.from_config(config.optimizer.build(config.steps).get_config() | changes)


def rounds_of(config: TrainConfig, folder: Path) -> Rounds:
    """Return what ends the rounds of a run, with nobody to validate on."""
    folder.mkdir()
    info: dict[str, Any] = {"step": 0, "log": []}
    return Rounds(config, folder, config.build_model(), None, lambda *_: None, info, str)


def tried(config: TrainConfig, sampler: Sampler, arrays: Sequence[Any]) -> dict[str, Callable[[], Steps]]:
    """Return what else is timed, each made when it is called."""
    ready = (
        tf.data.Dataset.from_tensor_slices(tuple(np.stack(each) for each in zip(*arrays, strict=True))).cache().repeat()
    )
    still = config.replace(augmentation={"flip_left_right": False, **dict.fromkeys(TRANSFORMS, 0)}).build_augmentation()
    crossentropy = keras.losses.BinaryCrossentropy

    def bfloat16() -> Steps:
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            return bare(compiled(config), arrays)
        finally:
            keras.config.set_dtype_policy("float32")

    return {
        "fit on arrays that are ready": lambda: fitted(compiled(config), ready),
        "fit, read but not augmented": lambda: fitted(compiled(config), TrainingBatches(sampler, still, 0, 10**6)),
        f"fit on ready arrays, steps_per_execution={AT_ONCE}": lambda: fitted(
            compiled(config, steps_per_execution=AT_ONCE), ready
        ),
        "loop, AdamW without averages": lambda: bare(compiled(config, adamw(config, use_ema=False)), arrays),
        "loop, AdamW without clipping": lambda: bare(compiled(config, adamw(config, global_clipnorm=None)), arrays),
        "loop, plain Adam": lambda: bare(compiled(config, keras.optimizers.Adam()), arrays),
        "loop, cross-entropy alone": lambda: bare(compiled(config, loss=crossentropy()), arrays),
        "loop, jit_compile": lambda: bare(compiled(config, jit_compile=True), arrays),
        "loop, mixed_bfloat16": bfloat16,
    }


def configure(recipe: str, size: int | None) -> TrainConfig:
    """Return a recipe without its coarse part, at another size if one is given."""
    config = TrainConfig.read(recipe).set(["coarse.steps=0"])
    return config.set([f"preprocessing.size={size}"]) if size else config


def measure(config: TrainConfig, rounds: int, steps: int, words: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Return for each way seconds a step, of the clock and of the processor, ``(rounds, 2)``."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        patients = list(write_patients(folder, 4, 12))
        whole, stripped = (
            [PreparedCache(folder / "cache", config.preprocessing, change=change).get(patient) for patient in patients]
            for change in (None, brain_alone)
        )
        sampler = Sampler(whole, stripped, config.sampling, batch_size=config.batch_size, seed=config.seed)
        augmentation = config.build_augmentation()
        arrays = list(TrainingBatches(sampler, augmentation, 0, ARRAYS))
        callbacks = [rounds_of(config, folder / "run"), Progress(config.steps, config.round_steps)]
        works = {
            LOOP: bare(compiled(config), arrays),
            STEP: fitted(compiled(config), TrainingBatches(sampler, augmentation, 0, 10**6), callbacks),
        }
        if words is not None:
            works |= {
                name: make()
                for name, make in tried(config, sampler, arrays).items()
                if any(word in name for word in words or [""])
            }
        for work in works.values():
            work(1)  # traces and compiles
        times: dict[str, list[np.ndarray]] = {name: [] for name in works}
        for _ in range(rounds):
            for name, work in works.items():
                times[name].append(work(steps))
    return {name: np.array(each) for name, each in times.items()}


def rows(recipe: str, size: int, rounds: int, steps: int = 6) -> list[Row]:
    """Return the recipe's step beside the bare loop; the ratio is the median of those within a round."""
    config = configure(recipe, size)
    times = measure(config, rounds, steps)
    step, loop = (config.batch_size / np.median(times[name][:, 0]) for name in (STEP, LOOP))
    ratio = float(np.median(times[LOOP][:, 0] / times[STEP][:, 0]))
    return [Row(f"training {recipe} at {size}, images/s", f"{step:.1f}", f"{loop:.1f} {LOOP}", ratio)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="unet-lgg", help="name of a released recipe, or a TOML file")
    parser.add_argument("--size", type=int, help="side of the images; the recipe's own if not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed in each round")
    parser.add_argument(
        "--tried",
        nargs="*",
        metavar="WORD",
        help="time the parts, and what else was tried, too: all, or rows with a word",
    )
    options = parser.parse_args()
    config = configure(options.recipe, options.size)
    times = measure(config, options.rounds, options.steps, options.tried)
    size = config.preprocessing.size
    print(
        f"{config.name}: batches of {config.batch_size} at {size} x {size}, {os.cpu_count()} cores, "
        f"{options.rounds} rounds of {options.steps} steps in turn"
    )
    reference = times[LOOP]
    print(f"{'':<46}{'ms a step':>12}{'ratio':>8}{'ratio of CPU time':>20}{'images/s':>10}")
    for name, each in times.items():
        seconds = np.median(each, axis=0)[0]
        ratio, of_processor = np.median(each / reference, axis=0)
        print(
            f"{name:<46}{1000 * seconds:>12.1f}{ratio:>8.3f}{of_processor:>20.3f}{config.batch_size / seconds:>10.1f}"
        )


if __name__ == "__main__":
    main()
