"""Fine-tune `resunet-lgg` on another dataset: load, train, measure, save, publish to a folder, load again.

Needs: a folder of studies with masks, each a folder of FLAIR slices `<patient>_<number>.tif` with `<patient>_<number>_mask.tif`
beside; without `--data`, phantoms of a worse scanner are written, and stand in for it. Takes: about a minute and a half on
two CPU cores for the phantoms.

    python examples/finetune.py -o tuned
    python examples/finetune.py -o tuned --data my-studies --name resunet-mine --epochs 20
    python examples/finetune.py --smoke

The last third of the patients is held out: they train nothing, and give the scores of the new card.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from phantoms import write_phantoms

from braintumorseg import evaluate, find_studies, load_pretrained, read_study
from braintumorseg.evaluation import compare
from braintumorseg.losses import Dice
from braintumorseg.zoo import write_card

PHANTOMS = 9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("runs/finetune"), help="folder that gets the new preset (%(default)s)"
    )
    parser.add_argument("--data", type=Path, help="folder of studies; phantoms if not given")
    parser.add_argument("--name", default="resunet-phantoms", help="what to call the new model")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--slices", type=int, default=10, help="slices of each phantom")
    parser.add_argument("--smoke", action="store_true", help="three epochs on the fewest phantoms, in seconds")
    args = parser.parse_args()
    if args.smoke:
        args.epochs, args.slices = 3, 1  # one epoch alone unsettles the weights more than it teaches

    data = args.data
    if data is None:  # a scanner that is noisier and less even than those of the training
        data = args.output / "phantoms"
        shape = (args.slices, 160, 160)
        write_phantoms(data, range(PHANTOMS), shape, noise=8, bias=0.4, sequences=["flair"])
    studies = [read_study(path) for path in find_studies(data)]
    held_out = studies[-max(1, len(studies) // 3) :]
    training = studies[: -len(held_out)]

    keras.utils.set_random_seed(0)
    # The studies hold FLAIR alone: one channel, whose kernels give what the preset makes of such studies.
    segmenter = load_pretrained("resunet-lgg", channels=1, freeze="encoder")
    before = evaluate(segmenter, held_out)

    for layer in segmenter.model.layers:  # a few steps are too few to renew the statistics of normalisation
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    images, masks = prepare(segmenter, training)
    segmenter.model.compile(keras.optimizers.AdamW(1e-3), Dice(per="batch") + keras.losses.BinaryCrossentropy())
    segmenter.model.fit(images, masks, batch_size=8, epochs=args.epochs, verbose=2)
    segmenter.name = args.name
    after = evaluate(segmenter, held_out)
    print(f"before: {before.summary()}\nafter:  {after.summary()}\n{compare(before, after)}")

    # The recipe names the origin of the weights, whose licence binds the new ones. All else is about the new training.
    segmenter.card = replace(
        segmenter.card,
        summary="Finds tumours in FLAIR.",
        data=f"{len(training)} patients of {data.name}",
        licence=load_pretrained("resunet-lgg").card.licence,
        recipe=f"{args.epochs} epochs on {len(images)} slices of {len(training)} patients; {segmenter.card.recipe}",
        split=f"by patient: {len(training)} to train on, {len(held_out)} held out",
        limits="Measured on few patients of one dataset.",
    )
    folder = segmenter.save(args.output / args.name)
    write_card(folder, f"held-out patients of {data.name}", after)  # the scores, and CARD.md for readers

    # The folder is all that others need: copy it, put it on a web page, or push_to_hub the segmenter.
    again = load_pretrained(folder)
    assert np.array_equal(again.predict(held_out[0]).mask, segmenter.predict(held_out[0]).mask)
    print(again)


def prepare(segmenter, studies):
    """Return images (slices, size, size, 1) and masks (slices, size, size, 1), as the model takes them."""
    images, masks = [], []
    for study in studies:
        prepared = segmenter.preprocessing.apply(study)
        images.append(prepared.images)
        masks.append(segmenter.preprocessing.apply_mask(study.mask, prepared.placement)[..., None])
    return np.concatenate(images), np.concatenate(masks)


if __name__ == "__main__":
    main()
