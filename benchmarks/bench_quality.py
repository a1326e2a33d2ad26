"""Print how well the quality's score ranks the val patients of the LGG dataset by their Dice, and what its flags catch.

Run: ``python benchmarks/bench_quality.py kaggle_3m [--preset resunet-lgg]``. Of 13 patients, a Spearman correlation above 0.55
is unlikely (p < 0.05) by chance; one patient more or less moves it by a tenth. The least agreement that is not flagged was
chosen on the same patients, and the score's makeup after their agreement was seen to go with their Dice: figures on others may
be lower.

With ``--changes`` the same patients are measured under named changes of ``measure_robustness`` as well, where there is more to
find. The pairs of one patient are not independent, and so no p is given.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from scipy.stats import spearmanr

from braintumorseg import LGGDataset, Segmenter, Study, dice, load_pretrained
from braintumorseg.evaluation.perturbations import CHANGES
from braintumorseg.evaluation.robustness import UNCHANGED
from braintumorseg.findings import assess_quality

SIGNS = {"score": 1, "agreement": 1, "certainty": 1, "distance": -1, "pieces": -1}


def measure(segmenter: Segmenter, studies: Iterable[Study], change: str) -> pd.DataFrame:
    rows = []
    for original in studies:
        study = original if change == UNCHANGED else CHANGES[change](original)
        found = segmenter.predict(study, uncertainty=True)
        quality = assess_quality(study, found)
        row = {
            "patient": study.name,
            "dice": dice(study.mask, found.mask),
            "score": quality.score,
            "agreement": quality.agreement,
            "certainty": quality.certainty,
            "distance": quality.distance,
            "pieces": quality.components,
            "flags": ", ".join(flag.name for flag in quality.flags) or "-",
        }
        rows.append(row)
        print(f"{row['patient']}: Dice {row['dice']:.3f}, score {row['score']:.3f}, flags {row['flags']}", flush=True)
    return pd.DataFrame(rows).sort_values("dice", ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--preset", default="resunet-lgg")
    parser.add_argument("--changes", nargs="+", default=[], choices=list(CHANGES), metavar="CHANGE")
    options = parser.parse_args()
    segmenter, dataset = load_pretrained(options.preset), LGGDataset(options.root).split("val")
    tables = {}
    for change in (UNCHANGED, *options.changes):
        print(f"{options.preset}, {change}:", flush=True)
        tables[change] = measure(segmenter, dataset, change)
        report(f"{len(dataset)} val patients, {change}, Dice over whole volumes, every slice in", tables[change])
    if options.changes:
        report("all of these together", pd.concat(tables.values()))


def report(title: str, table: pd.DataFrame) -> None:
    print(f"\n{title}")
    if len(table) < 20:
        print(table.round(3).to_string(index=False))
    for column, sign in SIGNS.items():
        result = spearmanr(sign * table[column], table["dice"])
        chance = f" (p = {result.pvalue:.1g})" if len(table) < 20 else ""
        print(f"Spearman of Dice with {'-' if sign < 0 else ''}{column}: {result.statistic:.3f}{chance}")
    flagged = table["flags"] != "-"
    for name, part in (("flagged", table[flagged]), ("not flagged", table[~flagged])):
        if len(part):
            print(f"{name}: {len(part)}, mean Dice {part['dice'].mean():.3f}, lowest {part['dice'].min():.3f}")
    print(flush=True)


if __name__ == "__main__":
    main()
