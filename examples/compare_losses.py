"""Train the same network with several losses, and compare them on the same held-out patients, pair by pair.

Needs: the LGG dataset; a GPU, or patience. Takes: for each loss as long as one training: about half an hour on four CPU cores
with the 2000 steps of the small network that are the default.

    python examples/compare_losses.py --data kaggle_3m -o runs/losses
    python examples/compare_losses.py --data kaggle_3m -o runs/losses --losses dice focal_tversky --steps 7000
    python examples/compare_losses.py --smoke

Everything but the loss is one recipe with one seed. Patients differ more than losses do, so that not means are compared but
patients: each line gives the mean difference to the first loss with its interval. Run again, it goes on where it was.
"""

import argparse
from pathlib import Path

from phantoms import write_phantoms
from train_gpu import SMOKE

from braintumorseg import LGGDataset, TrainConfig, evaluate, read_study, train
from braintumorseg.evaluation import compare

CROSS_ENTROPY = {"name": "binary_crossentropy"}
LOSSES = {
    "dice": [CROSS_ENTROPY, {"name": "dice", "per": "batch"}],
    "cross_entropy": [CROSS_ENTROPY],
    "focal": [{"name": "binary_focal"}],
    "jaccard": [CROSS_ENTROPY, {"name": "jaccard", "per": "batch"}],
    "tversky": [CROSS_ENTROPY, {"name": "tversky", "per": "batch", "alpha": 0.3, "beta": 0.7}],
    "focal_tversky": [CROSS_ENTROPY, {"name": "focal_tversky", "per": "batch", "alpha": 0.3, "beta": 0.7}],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="the dataset's folder (kaggle_3m)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("runs/compare_losses"),
        help="folder of the runs, one a loss (%(default)s)",
    )
    parser.add_argument(
        "--losses", nargs="+", choices=LOSSES, default=list(LOSSES), help="the first is compared against"
    )
    parser.add_argument("--steps", type=int, default=2000, help="of each training, a multiple of 100")
    parser.add_argument("--smoke", action="store_true", help="two losses, a tiny network, phantoms: in seconds")
    args = parser.parse_args()

    recipe = TrainConfig.read("resunet-lgg-small")
    if args.smoke:
        args.losses = args.losses[:2]
        recipe = recipe.set(SMOKE)
        *training, held_out = write_phantoms(args.output / "phantoms", seeds=range(3))
        judges = [read_study(held_out)]
    elif args.data:
        recipe = recipe.set([f"steps={args.steps}", f"coarse.steps={args.steps // 200 * 100}"])
        dataset = LGGDataset(args.data)
        training, judges = dataset.split("train"), dataset.split("val")
    else:
        parser.error("--data is needed, or --smoke")

    evaluations = []
    for loss in args.losses:
        config = recipe.replace(name=loss, loss=tuple(LOSSES[loss]))
        # No patient chooses anything: the last weights of each run are compared.
        segmenter = train(config, training, [], args.output / loss, cache=args.output / "cache")
        evaluations.append(evaluate(segmenter, judges))
        print(evaluations[-1].summary())
    for other in evaluations[1:]:
        print(compare(evaluations[0], other))


if __name__ == "__main__":
    main()
