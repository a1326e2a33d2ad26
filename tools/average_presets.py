"""Write a weighted mean of presets' weights as a preset, such as those of a run and of one that went on from it.

After Wortsman et al.: "Model soups", ICML 2022.

All must have one architecture and one preprocessing. The card keeps the last one's texts, names all recipes, and loses its
figures: measure the result with braintumorseg evaluate --card. With --data and --recipe, the statistics of batch normalisation,
which belong to each of the presets and not to their mean, are measured again on batches of the training patients' slices.

python tools/average_presets.py runs/first/best runs/finish/best --shares 1 2 --out runs/mean
python tools/average_presets.py runs/a/best runs/b/best --data kaggle_3m --recipe resunet-lgg-taught --out runs/mean
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from braintumorseg import CoarseConfig, LGGDataset, Segmenter, TeacherConfig, TrainConfig, load_pretrained
from braintumorseg.engines.network import Network, weights_of
from braintumorseg.training.batches import batches_from, build_samplers
from braintumorseg.training.statistics import measure_statistics
from braintumorseg.training.teachers import Teachers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+", help="names or folders of presets")
    parser.add_argument(
        "--shares", nargs="+", type=float, help="of each preset, in their order; all alike if not given"
    )
    parser.add_argument("--out", required=True, help="the folder to write")
    parser.add_argument("--data", help="root of the LGG dataset, to measure statistics of normalisation on")
    parser.add_argument("--recipe", help="name or file of the recipe whose batches they are measured on")
    parser.add_argument("--batches", type=int, default=40, help="how many")
    parser.add_argument("--cache", help="where prepared studies are kept; nowhere if not given")
    options = parser.parse_args()
    if (options.data is None) != (options.recipe is None) or options.batches < 1:
        parser.error("--data and --recipe: expected both or neither, with --batches of at least 1")
    shares = options.shares or [1.0] * len(options.presets)
    if len(shares) != len(options.presets) or min(shares) < 0 or not sum(shares):
        parser.error("--shares: expected one number from 0 for each preset, not all 0")
    segmenters = [load_pretrained(preset) for preset in options.presets]
    networks = [segmenter.network() for segmenter in segmenters]
    last, network = segmenters[-1], networks[-1]
    for preset, each, other in zip(options.presets, segmenters, networks, strict=True):
        if other.architecture != network.architecture or each.preprocessing != last.preprocessing:
            parser.error(f"{preset} must be of the architecture and the preprocessing of {options.presets[-1]}")
    shares = np.array(shares) / sum(shares)
    mean = {
        name: sum(share * each.weights[name].astype(np.float64) for share, each in zip(shares, networks, strict=True))
        for name in network.weights
    }
    mean = Network(last.name, network.architecture, {name: each.astype(np.float32) for name, each in mean.items()})
    recipes = " and ".join(f"{share:.2f} ({each.card.recipe})" for share, each in zip(shares, segmenters, strict=True))
    recipe = f"weighted mean of weights: {recipes}"
    if options.data:
        config = TrainConfig.read(options.recipe)
        mean = with_statistics(mean, config, options)
        recipe += (
            f"; statistics of normalisation measured on {options.batches} batches of {config.name}, {config.digest()}"
        )
    Segmenter(
        mean,
        last.preprocessing,
        threshold=last.threshold,
        min_voxels=last.min_voxels,
        name=last.name,
        card=replace(last.card, recipe=recipe, figures=(), patients={}, robustness=()),
    ).save(options.out)


def with_statistics(network, config, options):
    """Return a network with the statistics of normalisation that its weights have on a recipe's batches of full size."""
    config = config.replace(teacher=TeacherConfig(), coarse=CoarseConfig())
    training = LGGDataset(options.data).split("train")
    paths = [training.path(name) for name in training.patients]
    with tempfile.TemporaryDirectory() as folder:
        samplers = build_samplers(config, Teachers([], config.preprocessing), paths, Path(options.cache or folder))
        model = network()
        measure_statistics(model, (images for images, _ in batches_from(config, samplers, 0).take(options.batches)))
    return Network(network.name, network.architecture, weights_of(model))


if __name__ == "__main__":
    main()
