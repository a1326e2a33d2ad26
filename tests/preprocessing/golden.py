"""Outputs of the preprocessing that are kept with its version, and how they are recorded anew.

    python tests/preprocessing/golden.py

The studies are made of whole numbers, so that they are the same on every machine. Sums and samples are kept, which are
compared with a tolerance: sine and cosine differ by machine in the last bit.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from braintumorseg import Preprocessing, Study
from braintumorseg.preprocessing.foreground import find_foreground
from braintumorseg.preprocessing.skull import brain_alone, find_brain
from braintumorseg.preprocessing.version import VERSION

# The outline of the brain is a cheapest path, which a last bit may move by a pixel or two.
TOLERANCES = {"brain": 1e-3}
TOLERANCE = 2e-4

FILE = Path(__file__).with_name("golden.json")


def make_head(slices=10, height=96, width=88):
    """A head of nested ellipses (scalp, skull, liquor, brain, tumour) in whole numbers, with noise and a shading."""
    z, y, x = np.meshgrid(np.arange(slices), np.arange(height), np.arange(width), indexing="ij")
    up = 2 * z - slices + 1
    shrink = 100 * up**2 // slices**2  # the head narrows towards its ends
    away = 1000 * (y - 49) ** 2 // 40**2 + 1000 * (x - 42) ** 2 // 33**2 + 3 * shrink
    noise = (7 * x * x + 13 * y * z + 5 * x * y + 3 * z) % 11
    tumour = 1000 * (y - 58) ** 2 // 9**2 + 1000 * (x - 52) ** 2 // 8**2 + 1000 * (z - 5) ** 2 // 3**2 < 1000
    channels = []
    for scalp, skull, liquor, brain, bright in (
        (190, 30, 40, 110, 80),
        (170, 25, 35, 100, 190),
        (185, 28, 45, 115, 160),
    ):
        image = np.select([away < 620, away < 700, away < 820, away < 1000], [brain, liquor, skull, scalp], 4)
        image = np.where(tumour, bright, image) * (90 + x // 4) // 100 + noise
        channels.append(image)
    return Study(np.stack(channels, axis=-1).astype(np.float32), mask=tumour, name="head")


def make_studies():
    head = make_head()
    volume = head.volume
    brain = brain_alone(head).volume > 0
    covered = np.ones(volume.shape, bool)
    covered[:4, ..., 2] = False
    covered[4:, :50, :, 2] = False
    z, y, x = (axis[..., None] for axis in np.indices(head.shape))
    ghosts = np.where(volume > 20, 0, (17 * x * x + 29 * y * y + 3 * x * y + z) % 40)  # in the air
    dimmer = np.floor(volume * (50 + 10 * z) / 100) + ghosts  # from slice to slice
    scored = np.where(
        brain, np.round((volume - 108) / 2), 0
    )  # as z-scored without skull: brain on both sides of the air
    return {
        "head": head,
        "other pixels": replace(head, spacing=(5.0, 1.0, 1.5)),
        "thin slices": replace(head, spacing=(1.5, 1.0, 1.0)),
        "flair alone": head.with_sequences(["flair"]),
        "partly covered": replace(head, covered=covered),
        "air on both sides": replace(head, volume=scored.astype(np.float32)),
        "ghosts": replace(head, volume=dimmer.astype(np.float32)),
        "tight": Study(volume[:, 20:80, 18:66], mask=head.mask[:, 20:80, 18:66], name="tight"),
        "one slice": Study(volume[5:6], mask=head.mask[5:6], name="slice"),
        "without skull": brain_alone(head),
    }


def measure(array):
    """Sums by slice and channel, and samples: what changes if any voxel does, and what says where."""
    values = np.asarray(array, np.float64)
    rest = tuple(range(1, min(values.ndim, 3)))
    samples = values.reshape(-1)[:: max(1, values.size // 40)]
    return [round(float(value), 5) for value in (*values.mean(axis=rest).reshape(-1), *samples)]


def outputs(*names):
    """Return numbers of all outputs by study and output, of the named studies or of all."""
    preprocessing = Preprocessing(size=48)
    result = {}
    for name, study in make_studies().items():
        if names and name not in names:
            continue
        prepared = preprocessing.apply(study)
        target = preprocessing.apply_mask(study.mask, prepared.placement)
        place = prepared.placement
        result[name] = {
            "placement": [*place.origin, *place.step],
            "images": measure(prepared.images),
            "target": measure(target),
            "restored": measure(preprocessing.restore(target, place)),
            "foreground": measure(find_foreground(study.sequence("flair"))),
            "brain": measure(find_brain(study)),
        }
    return result


def differences(recorded, found):
    """Name the outputs that are not what was recorded."""
    names = []
    for study in recorded.keys() | found.keys():
        for output in recorded.get(study, {}).keys() | found.get(study, {}).keys():
            one, other = (each.get(study, {}).get(output, []) for each in (recorded, found))
            tolerance = TOLERANCES.get(output, TOLERANCE)
            if len(one) != len(other) or not np.allclose(one, other, rtol=0, atol=tolerance):
                names.append(f"{output} of {study}")
    return sorted(names)


def read():
    """Return the recorded version and outputs."""
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    return recorded["version"], recorded["outputs"]


def main():
    found = outputs()
    if FILE.exists():
        version, recorded = read()
        changed = differences(recorded, found)
        if version == VERSION and changed:
            sys.exit(
                f"raise VERSION in preprocessing/version.py first: it is {VERSION}, and changed are {', '.join(changed)}"
            )
    FILE.write_text(json.dumps({"version": VERSION, "outputs": found}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
