"""Plain against two stages on the val patients: Dice, false positives on empty slices, time.

python benchmarks/bench_two_stage.py kaggle_3m [slice-classifier]
"""

import sys
import time

import numpy as np

from braintumorseg import LGGDataset, Segmenter, dice, load_pretrained
from braintumorseg.inference import load_slice_classifier

_PRESET = "resunet-lgg"


def main(root: str, name: str = "resunet-lgg-slices") -> None:
    plain = load_pretrained(_PRESET)
    both = Segmenter(
        plain.network(),
        plain.preprocessing,
        threshold=plain.threshold,
        min_voxels=plain.min_voxels,
        precision=plain.precision,
        slice_classifier=load_slice_classifier(name),
    )
    kinds = {"plain": plain, "two stages": both}
    dices: dict[str, list[float]] = {kind: [] for kind in kinds}
    false = dict.fromkeys(kinds, 0)
    missed = dict.fromkeys(kinds, 0)
    seconds = dict.fromkeys(kinds, 0.0)
    for place, study in enumerate(LGGDataset(root).split("val")):
        assert study.mask is not None
        truth = study.mask.any(axis=(1, 2))
        for kind, segmenter in kinds.items():
            if place == 0:
                segmenter.predict(study)  # what runtimes build at their first run is not counted
            start = time.process_time()  # of all threads: other work on the machine does not count
            found = segmenter.predict(study).mask
            seconds[kind] += time.process_time() - start
            dices[kind].append(dice(study.mask, found))
            false[kind] += int(found[~truth].sum())
            missed[kind] += int((~found[truth].any(axis=(1, 2))).sum())
    for kind in kinds:
        print(
            f"{kind}: mean Dice {np.mean(dices[kind]):.4f}, median {np.median(dices[kind]):.4f}; {false[kind]} voxels found in "
            f"slices without tumour, {missed[kind]} slices with tumour where nothing was found; "
            f"{seconds[kind] / seconds['plain']:.2f} of the plain one's processor time"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
