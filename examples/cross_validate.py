"""Judge a recipe on every patient, each by a model that never saw that patient; list the slices whose labels are doubtful.

Needs: the LGG dataset, or any folder of studies with masks; a GPU for anything but a shortened recipe. Takes: as long as a
training for each of the folds: five times three hours on four CPU cores by the recipe resunet-lgg.

    python examples/cross_validate.py --data kaggle_3m -o runs/cv
    python examples/cross_validate.py --data my-studies --recipe mine.toml --folds 3 -o runs/mine
    python examples/cross_validate.py --smoke

Run the same command again after an interruption, and it goes on. The test patients of the LGG split are left out: no recipe is
chosen by them.
"""

import argparse
from pathlib import Path

from phantoms import write_phantoms
from train_gpu import SMOKE

from braintumorseg import LGGDataset, TrainConfig, cross_validate, find_studies
from braintumorseg.datasets import lgg_split


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the dataset's folder, or a folder of studies with masks")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("runs/cross_validate"), help="folder of the results (%(default)s)"
    )
    parser.add_argument("--recipe", default="resunet-lgg", help="a released recipe, or a TOML file")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--strategy", default="none", choices=("none", "mirrored"), help="mirrored: all GPUs")
    parser.add_argument("--smoke", action="store_true", help="two folds of a tiny network on phantoms, in seconds")
    args = parser.parse_args()

    config = TrainConfig.read(args.recipe)
    if args.smoke:
        config, args.folds = config.set(SMOKE), 2
        studies = write_phantoms(args.output / "phantoms", seeds=range(4))
    elif args.data is None:
        parser.error("--data is needed, or --smoke")
    elif (args.data / "data.csv").is_file():
        dataset = LGGDataset(args.data)
        studies = dataset.subset([name for name in dataset.patients if name not in lgg_split("test")])
    else:
        studies = find_studies(args.data)

    result = cross_validate(config, studies, args.output, folds=args.folds, strategy=args.strategy)
    print(result)
    print(result.by_fold())
    print(f"doubtful labels: {args.output / 'disagreements.html'}")


if __name__ == "__main__":
    main()
