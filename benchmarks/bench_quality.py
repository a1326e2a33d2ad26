"""Print how well the quality's score ranks the val patients of the LGG dataset by their Dice, and what its flags catch.

Run: ``python benchmarks/bench_quality.py kaggle_3m [--preset resunet-lgg]``. Of 13 patients, a Spearman correlation above 0.55
is unlikely (p < 0.05) by chance; one patient more or less moves it by a tenth. The least agreement that is not flagged was
chosen on the same patients, and the score's makeup after their agreement was seen to go with their Dice: figures on others may
be lower.

``--write-reference FILE`` measures what studies look like on the train patients instead, as the package holds it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from scipy.stats import spearmanr

from braintumorseg import LGGDataset, QualityReference, assess_quality, dice, load_pretrained

SOURCE = "the {} train patients of the LGG dataset"


def measure(root: Path, preset: str) -> pd.DataFrame:
    segmenter, dataset = load_pretrained(preset), LGGDataset(root).split("val")
    rows = []
    for study in dataset:
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
    parser.add_argument("--write-reference", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.write_reference:
        train = LGGDataset(options.root).split("train")
        reference = QualityReference.fit(train, SOURCE.format(len(train)))
        print(reference.to_json(options.write_reference, overwrite=True))
        return
    table = measure(options.root, options.preset)
    print(f"\n{options.preset} on {len(table)} val patients, Dice over whole volumes, every slice in")
    print(table.round(3).to_string(index=False))
    for column, sign in (("score", 1), ("agreement", 1), ("certainty", 1), ("distance", -1), ("pieces", -1)):
        result = spearmanr(sign * table[column], table["dice"])
        print(
            f"Spearman of Dice with {'-' if sign < 0 else ''}{column}: {result.statistic:.3f} (p = {result.pvalue:.4f})"
        )
    flagged = table["flags"] != "-"
    for name, part in (("flagged", table[flagged]), ("not flagged", table[~flagged])):
        if len(part):
            print(f"{name}: {len(part)} patients, mean Dice {part['dice'].mean():.3f}, lowest {part['dice'].min():.3f}")


if __name__ == "__main__":
    main()
