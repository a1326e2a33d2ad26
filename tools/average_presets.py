"""Write a weighted mean of presets' weights as a preset, such as those of a run and of one that went on from it.

After Wortsman et al.: "Model soups", ICML 2022.

All must have one architecture and one preprocessing. The card keeps the last one's texts, names all recipes, and loses its
figures: measure the result with braintumorseg evaluate --card.

python tools/average_presets.py runs/first/best runs/finish/best --shares 1 2 --out runs/mean
"""

import argparse
from dataclasses import replace

import numpy as np

from braintumorseg import Segmenter, load_pretrained
from braintumorseg.engines.network import Network


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+", help="names or folders of presets")
    parser.add_argument(
        "--shares", nargs="+", type=float, help="of each preset, in their order; all alike if not given"
    )
    parser.add_argument("--out", required=True, help="the folder to write")
    options = parser.parse_args()
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
    recipes = " and ".join(f"{share:.2f} ({each.card.recipe})" for share, each in zip(shares, segmenters, strict=True))
    Segmenter(
        Network(last.name, network.architecture, {name: each.astype(np.float32) for name, each in mean.items()}),
        last.preprocessing,
        threshold=last.threshold,
        min_voxels=last.min_voxels,
        name=last.name,
        card=replace(last.card, recipe=f"weighted mean of weights: {recipes}", figures=(), patients={}, robustness=()),
    ).save(options.out)


if __name__ == "__main__":
    main()
