"""Measure what predictions of the released presets are judged by, on the LGG dataset's train patients, and store it.

python tools/measure_references.py kaggle_3m

Weights and all else of a preset stay as they are. Run it again when weights, preprocessing or the features change.
"""

import sys
from pathlib import Path

from braintumorseg import LGGDataset, load_pretrained
from braintumorseg.inference import measure_reference
from braintumorseg.presets import bundled_presets
from braintumorseg.presets.writer import replace_reference


def main(root):
    train = LGGDataset(root).split("train")
    source = f"the {len(train)} train patients of the LGG dataset"
    for name, folder in bundled_presets().items():
        reference = measure_reference(load_pretrained(name), train, source)
        replace_reference(folder, reference)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
