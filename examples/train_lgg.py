"""Train one of the released models on the LGG dataset, by its recipe.

Needs: the published dataset (the folder with data.csv and 110 patients; fewer are fine), 8 GiB of memory, 3 GB of disk.
Takes: about three hours on four CPU cores by the recipe resunet-lgg, minutes on a GPU. A short run shows that all of it works:

    python examples/train_lgg.py --data kaggle_3m --out runs/short --set steps=100 coarse.steps=0 round_steps=20

Run the same command again after an interruption, and it goes on where it was. On several GPUs: --strategy mirrored; in half
precision: --set precision=mixed_float16. The command line does the same: braintumorseg train --help.
"""

import argparse

from braintumorseg import LGGDataset, TrainConfig, evaluate, train


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the dataset's folder (kaggle_3m)")
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument("--recipe", default="resunet-lgg", help="a released recipe, or a TOML file")
    parser.add_argument(
        "--set", nargs="*", default=(), metavar="KEY=VALUE", help="values that differ from the recipe's"
    )
    parser.add_argument("--strategy", default="none", choices=("none", "mirrored"))
    args = parser.parse_args()

    dataset = LGGDataset(args.data)
    training, validation = dataset.split("train"), dataset.split("val")
    config = TrainConfig.read(args.recipe).set(args.set)
    paths = [training.path(name) for name in training.patients]
    segmenter = train(config, paths, validation, args.out, strategy=args.strategy)
    print(evaluate(segmenter, validation, institutions=validation.institutions).summary())


if __name__ == "__main__":
    main()
