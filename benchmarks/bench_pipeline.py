"""How long a training step waits for its data: the recipe's batches against one batch that is there already.

Needs: nothing; phantoms stand in for patients, prepared and cached as the dataset's are.
Takes: about two minutes on two CPU cores.

    python benchmarks/bench_pipeline.py [--recipe resunet-lgg] [--steps 20]

Waiting is the time from asking for a batch to having it, as a share of waiting and training together. Where the same cores
prepare batches and train, the preparation slows the training too: the last column shows both, against training alone.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from braintumorseg import TrainConfig, make_study
from braintumorseg.preprocessing.skull import brain_alone
from braintumorseg.training import PreparedCache
from braintumorseg.training.sampling import Sampler, training_batches


def write_patients(root, count, slices):
    for seed in range(count):
        study = make_study(seed, shape=(slices, 256, 256))
        folder = root / f"patient_{seed}"
        folder.mkdir()
        for number, (image, mask) in enumerate(zip(study.volume.round().astype(np.uint8), study.mask, strict=True), 1):
            Image.fromarray(image).save(folder / f"{folder.name}_{number}.tif")
            Image.fromarray(mask).save(folder / f"{folder.name}_{number}_mask.tif")
        yield folder


def time_steps(model, batches, steps):
    """Return seconds of waiting and of training over so many steps, after two that don't count."""
    iterator, waited, trained = iter(batches), 0.0, 0.0
    for step in range(steps + 2):
        start = time.perf_counter()
        images, masks = next(iterator)
        ready = time.perf_counter()
        model.train_on_batch(images, masks)
        if step >= 2:
            waited, trained = waited + ready - start, trained + time.perf_counter() - ready
    return waited, trained


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="resunet-lgg")
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    config = TrainConfig.read(args.recipe)
    model = config.build_model()
    model.compile(config.optimizer.build(config.steps), config.build_loss())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        patients = list(write_patients(root, 4, 12))
        whole = [PreparedCache(root / "cache", config.preprocessing).get(patient) for patient in patients]
        alone = PreparedCache(root / "cache", config.preprocessing, change=brain_alone)
        stripped = [alone.get(patient) for patient in patients]
        sampler = Sampler(whole, stripped, config.sampling, batch_size=config.batch_size, seed=0)
        batches = training_batches(sampler, config.build_augmentation(), 0, 2 * args.steps + 4)
        ready = [next(iter(batches))] * (args.steps + 2)
        rows = {
            "one batch, ready": time_steps(model, ready, args.steps),
            "pipeline": time_steps(model, batches, args.steps),
        }
    alone = sum(rows["one batch, ready"])
    size = config.preprocessing.size
    print(f"{args.recipe}: batches of {config.batch_size} at {size}x{size}, {args.steps} steps each")
    print(f"{'batches':<18}{'waiting for data':>18}{'time of a step / alone':>26}")
    for name, (waited, trained) in rows.items():
        print(f"{name:<18}{waited / (waited + trained):>17.2%}{(waited + trained) / alone:>26.2f}")


if __name__ == "__main__":
    main()
