"""Time the judgement that every prediction carries, and count what it notes on the patients of the LGG dataset.

Run: ``python benchmarks/bench_judgement.py [kaggle_3m] [--preset resunet-lgg] [--studies FOLDER ...]``. The time is the median
over the rounds of a prediction as a whole and of the judgement in it, on a phantom of 24 slices of 256 x 256 and on one of 155
slices of 240 x 240. With the dataset, notes are counted on the 77 train patients, who make up the reference, and on the
13 val patients, who are no part of it. ``--studies`` names folders of studies, each in its own, whose notes are all printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from braintumorseg import LGGDataset, Segmenter, Study, dice, load_pretrained, make_study, predict_many, read_study
from braintumorseg.findings import gather_evidence, judge

SHAPES = ((24, 256, 256), (155, 240, 240))


def share(segmenter: Segmenter, shape: tuple[int, int, int], rounds: int) -> tuple[float, float]:
    """Return seconds of a prediction, the judgement in it, and of the judgement alone."""
    study, prediction = make_study(0, shape=shape), segmenter.prediction()
    sequences, threshold = segmenter.preprocessing.sequences, segmenter.threshold
    wholes, parts = [], []
    for _ in range(rounds + 1):  # the first one compiles
        start = time.perf_counter()
        prepared = prediction.prepare(study)
        outputs = prediction.compute(prepared)
        prediction.finish(study, prepared, outputs)
        middle = time.perf_counter()
        judge(gather_evidence(prepared.images, sequences, outputs.images[..., 0], threshold), segmenter.reference)
        wholes.append(middle - start)
        parts.append(time.perf_counter() - middle)
    return statistics.median(wholes[1:]), statistics.median(parts[1:])


def report(title: str, segmenter: Segmenter, sources: Iterable[Study | Path]) -> None:
    noted, count = 0, 0
    read = lambda source: source if isinstance(source, Study) else read_study(source)  # noqa: E731
    for each in predict_many(segmenter, sources, read=read, then=lambda study, found, _: (study, found)):
        if each.result is None:
            print(f"{title}: {each.error}")
            continue
        study, found = each.result
        count += 1
        noted += bool(found.doubts)
        overlap = "" if study.mask is None else f", Dice {dice(study.mask, found.mask):.3f}"
        size = f"{found.voxels} voxels" if found.volume_ml is None else f"{found.volume_ml:.1f} mL"
        if found.doubts or not isinstance(each.source, Study):
            print(f"  {found.name}: {size}{overlap}: {'; '.join(found.doubts.values()) or 'no note'}", flush=True)
    print(f"{title}: notes on {noted} of {count}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, nargs="?")
    parser.add_argument("--preset", default="resunet-lgg")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--studies", type=Path, nargs="+", default=[], metavar="FOLDER")
    options = parser.parse_args()
    segmenter = load_pretrained(options.preset)
    for shape in SHAPES:
        whole, part = share(segmenter, shape, options.rounds)
        text = f"a prediction {1000 * whole:.0f} ms, the judgement {1000 * part:.1f} ms, {100 * part / whole:.1f} %"
        print(f"{options.preset}, {' x '.join(map(str, shape))}: {text}", flush=True)
    for part in ("train", "val") if options.root else ():
        report(f"{part} patients", segmenter, LGGDataset(options.root).split(part))
    for folder in options.studies:
        report(str(folder), segmenter, sorted(path for path in folder.iterdir() if path.is_dir()))


if __name__ == "__main__":
    main()
