"""Train a released model on the LGG dataset by its recipe: on one GPU, on all GPUs of a machine, or on the CPU.

Needs: the published dataset (the folder with data.csv and 110 patients; fewer are fine), 8 GiB of memory, 3 GB of disk.
Takes: about three hours on four CPU cores by the recipe resunet-lgg; on a GPU less, which nobody has measured yet.

    python examples/train_gpu.py --data kaggle_3m -o runs/resunet-lgg
    python examples/train_gpu.py --data kaggle_3m -o runs/several --strategy mirrored --precision mixed_float16
    python examples/train_gpu.py --data kaggle_3m -o runs/short --set steps=100 coarse.steps=0 round_steps=20
    python examples/train_gpu.py --smoke

Run the same command again after an interruption, and it goes on after the last finished round. The command line does the
same: braintumorseg train --help.
"""

import argparse

import tensorflow as tf
from phantoms import write_phantoms

from braintumorseg import LGGDataset, TrainConfig, evaluate, read_study, train

# A network of a few thousand weights and two steps, so that every part of the run is seen in seconds.
SMOKE = (
    "model.filters=[4, 8]",
    "preprocessing.size=32",
    "coarse.steps=0",
    "steps=2",
    "round_steps=1",
    "batch_size=2",
    "sampling.stripped_share=0",
    "augmentation={}",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="the dataset's folder (kaggle_3m)")
    parser.add_argument("-o", "--output", default="runs/train_gpu", help="folder of the run (%(default)s)")
    parser.add_argument("--recipe", default="resunet-lgg", help="a released recipe, or a TOML file")
    parser.add_argument(
        "--set", nargs="*", default=(), metavar="KEY=VALUE", help="values that differ from the recipe's"
    )
    parser.add_argument("--strategy", default="none", choices=("none", "mirrored"), help="mirrored: all GPUs")
    parser.add_argument("--precision", choices=("float32", "mixed_float16", "mixed_bfloat16"))
    parser.add_argument("--smoke", action="store_true", help="a tiny network on phantoms, in seconds")
    args = parser.parse_args()

    print(f"GPUs that TensorFlow sees: {[gpu.name for gpu in tf.config.list_physical_devices('GPU')] or 'none'}")
    config = TrainConfig.read(args.recipe).set((*SMOKE, *args.set) if args.smoke else args.set)
    if args.precision:
        config = config.replace(precision=args.precision)
    if args.smoke:
        *training, held_out = write_phantoms(f"{args.output}/phantoms", seeds=range(3))
        validation, institutions = [read_study(held_out)], None
    elif args.data:
        dataset = LGGDataset(args.data)
        training, validation = dataset.split("train"), dataset.split("val")
        institutions = validation.institutions
    else:
        parser.error("--data is needed, or --smoke")

    segmenter = train(config, training, validation, args.output, strategy=args.strategy)
    print(evaluate(segmenter, validation, institutions=institutions).summary())
    print(f'use it: load_pretrained("{args.output}")')


if __name__ == "__main__":
    main()
