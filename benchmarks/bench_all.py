"""Time predicting, training, losses and HD95 against their peers in one run, and print one table.

Run: ``make bench``, or ``python benchmarks/bench_all.py [--rounds 5]`` with ``pip install 'braintumorseg[bench]'``. Each
part is a script of its own, which says what is timed and how, and takes more options.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import bench_hd95
import bench_losses
import bench_speed
import bench_training
from table import print_table


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    rows = [
        *bench_speed.measure("resunet-lgg", rounds),
        *bench_training.rows("unet-lgg", 128, rounds),
        *bench_training.rows("unet-lgg", 192, rounds),
        *bench_losses.rows(192, 4 * rounds),
        *bench_hd95.rows(),
    ]
    title = f"{os.cpu_count()} cores, median of {rounds} rounds in turn (losses: {4 * rounds}; HD95: the best of two)"
    print_table(title, rows)


if __name__ == "__main__":
    main()
