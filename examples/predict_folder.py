"""Segment every study of a folder: masks, pictures, and a table of volumes.

Needs: a folder of studies (folders of slices, NIfTI files), no GPU. Takes: a few seconds a study on two CPU cores.

    python examples/predict_folder.py --data studies -o results
    python examples/predict_folder.py --smoke

Run it again after an interruption or with more studies: what is done is not done again. A study that can't be used is named,
and the others go on. `braintumorseg predict` does the same in one command; this is where to start if each mask is to be used
for something else.
"""

import argparse
from pathlib import Path

import pandas as pd
from phantoms import write_phantoms

from braintumorseg import DataError, dice, find_studies, load_pretrained, read_study, save_overlay, write_segmentation


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of studies, or one study")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("runs/predict_folder"),
        help="folder that gets masks, pictures and volumes.csv (%(default)s)",
    )
    parser.add_argument("--preset", default="resunet-lgg", help="a name, hf://owner/repo, or a folder that train left")
    parser.add_argument("--smoke", action="store_true", help="on three phantoms, one of them damaged, in seconds")
    args = parser.parse_args()
    if args.smoke:
        args.data = args.output / "phantoms"
        damaged = write_phantoms(args.data, seeds=(0, 1, 2), shape=(4, 96, 96))[-1] / "phantom-2_3.tif"
        damaged.write_bytes(damaged.read_bytes()[:200])
    elif args.data is None:
        parser.error("--data is needed, or --smoke")

    table = args.output / "volumes.csv"
    rows = pd.read_csv(table).to_dict("records") if table.exists() else []
    done = {row["study"] for row in rows}
    segmenter = load_pretrained(args.preset)
    for path in find_studies(args.data):
        name = path.name.split(".")[0]
        if name in done:
            continue
        try:
            study = read_study(path)
            found = segmenter.predict(study)
        except DataError as error:
            print(f"left out: {error}")
            continue
        write_segmentation(found, args.output / f"{name}_mask.nii.gz", overwrite=True)
        save_overlay(study, found, args.output / f"{name}_overlay.png", overwrite=True)
        row = {"study": name, "voxels": found.voxels, "ml": found.volume_ml, "notes": "; ".join(found.notes)}
        if study.mask is not None:
            row["dice"] = dice(study.mask, found.mask)
        rows.append(row)
        pd.DataFrame(rows).to_csv(
            table, index=False, float_format="%.6g"
        )  # after each study, so that an interruption loses nothing
        print(f"{name}: {found}")


if __name__ == "__main__":
    main()
