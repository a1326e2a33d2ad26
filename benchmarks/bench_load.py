"""Time `load_pretrained("resunet-lgg")`, its Keras model built, against building the same model and assigning the same arrays.

Run: ``python benchmarks/bench_load.py``. What loading adds is reading the files, checking the SHA-256 and the shapes. Both are
timed in turn, after one of each that is not counted; both models must give the same, or the benchmark fails.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import keras
import numpy as np

from braintumorseg import load_pretrained
from braintumorseg.models import ARCHITECTURES, architecture_of

NAME = "resunet-lgg"
REPEATS = 15
BAR = 1.5


def load() -> keras.Model:
    return load_pretrained(NAME).model


def make_peer() -> Callable[[], keras.Model]:
    """Return the least that anyone has to do: build, and assign arrays that are in memory already."""
    model = load()
    arguments = architecture_of(model)
    builder = ARCHITECTURES[arguments.pop("name")]
    arrays = {variable.path: np.asarray(variable) for variable in model.weights}

    def build_and_assign() -> keras.Model:
        built = builder(**arguments)
        for variable in built.weights:
            variable.assign(arrays[variable.path])
        return built

    return build_and_assign


def seconds(function: Callable[[], keras.Model]) -> float:
    keras.backend.clear_session()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    ways = {"load_pretrained, .model built": load, "build and assign": make_peer()}
    images = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
    outputs = [keras.ops.convert_to_numpy(make()(images)) for make in ways.values()]
    np.testing.assert_array_equal(*outputs)
    rounds = [[seconds(make) for make in ways.values()] for _ in range(REPEATS)]
    times = dict(zip(ways, map(statistics.median, zip(*rounds, strict=True)), strict=True))
    print(f"{'median of ' + str(REPEATS):<32}{'seconds':>10}")
    for name, taken in times.items():
        print(f"{name:<32}{taken:>10.3f}")
    ratio = times["load_pretrained, .model built"] / times["build and assign"]
    print(f"{f'ratio (bar: under {BAR})':<32}{ratio:>10.2f}")
    if ratio >= BAR:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
