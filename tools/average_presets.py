"""Write the mean of two presets' weights as a preset, such as those of a run and of one that went on from it.

After Wortsman et al.: "Model soups", ICML 2022.

Both must have one architecture and one preprocessing. The card keeps its texts, names both recipes, and loses its figures:
measure the result with braintumorseg evaluate --card.

python tools/average_presets.py runs/first/best runs/finish/best runs/mean
"""

import sys
from dataclasses import replace
from pathlib import Path

from braintumorseg import Segmenter, load_pretrained
from braintumorseg.engines.network import Network


def main(first, second, out):
    one, other = load_pretrained(first), load_pretrained(second)
    a, b = one.network(), other.network()
    if a.architecture != b.architecture or one.preprocessing != other.preprocessing:
        sys.exit(f"{first} and {second} must be of one architecture and one preprocessing")
    mean = {name: (a.weights[name] + b.weights[name]) / 2 for name in a.weights}
    recipe = f"mean of the weights of two runs: ({one.card.recipe}) and ({other.card.recipe})"
    Segmenter(
        Network(other.name, b.architecture, mean),
        other.preprocessing,
        threshold=other.threshold,
        min_voxels=other.min_voxels,
        name=other.name,
        card=replace(other.card, recipe=recipe, figures=(), patients={}, robustness=()),
    ).save(out)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
