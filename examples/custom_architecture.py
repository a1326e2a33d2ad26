"""Train a network of your own, and judge it as the released ones are judged: preprocessing, losses, measures stay.

Needs: a folder of studies with masks; a GPU, or patience. Takes: minutes to hours, by the number of slices.

    python examples/custom_architecture.py --data my-studies -o runs/attention --epochs 50
    python examples/custom_architecture.py --smoke

The network here is a U-Net whose skip connections pass attention gates (Oktay et al. 2018, "Attention U-Net"), in stock Keras
layers. Any Keras model will do that maps images (batch, height, width, sequences) to one channel of probabilities. A
model of stock layers, as this one, can also be saved as a preset (`Segmenter.save`) and runs on every engine.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from keras import layers
from phantoms import write_phantoms

from braintumorseg import Preprocessing, Segmenter, evaluate, find_studies, read_study
from braintumorseg.augmentation import Augmentation
from braintumorseg.callbacks import PatientDice
from braintumorseg.datasets import stratified_split
from braintumorseg.losses import Dice


def build_attention_unet(channels, filters):
    """Build a U-Net with attention gates, for images whose sides can be halved `len(filters) - 1` times."""
    inputs = keras.Input((None, None, channels))
    features, skips = inputs, []
    for width in filters[:-1]:
        features = block(features, width)
        skips.append(features)
        features = layers.MaxPooling2D()(features)
    features = block(features, filters[-1])
    for width, skip in zip(filters[-2::-1], skips[::-1], strict=True):
        features = layers.Conv2DTranspose(width, 2, strides=2)(features)
        features = block(layers.Concatenate()([features, gate(skip, features, width)]), width)
    return keras.Model(
        inputs, layers.Conv2D(1, 1, activation="sigmoid", dtype="float32")(features), name="attention_unet"
    )


def block(features, width):
    for _ in range(2):
        features = layers.Conv2D(width, 3, padding="same", use_bias=False)(features)
        features = layers.ReLU()(layers.BatchNormalization()(features))
    return features


def gate(skip, signal, width):
    """Weaken what comes over the skip connection where the deeper features see nothing of interest."""
    both = layers.Add()([layers.Conv2D(width // 2, 1)(skip), layers.Conv2D(width // 2, 1)(signal)])
    return layers.Multiply()([skip, layers.Conv2D(1, 1, activation="sigmoid")(layers.ReLU()(both))])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of studies with masks")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("runs/custom_architecture"),
        help="folder that gets model.keras and the log (%(default)s)",
    )
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--smoke", action="store_true", help="a tiny network on phantoms, in seconds")
    args = parser.parse_args()
    filters, preprocessing, batch_size = (32, 64, 128, 256), Preprocessing(size=192), 16
    if args.smoke:
        filters, preprocessing, batch_size, args.epochs = (4, 8), Preprocessing(size=32), 4, 1
        write_phantoms(args.output / "phantoms", seeds=range(4))
        args.data = args.output / "phantoms"
    elif args.data is None:
        parser.error("--data is needed, or --smoke")

    keras.utils.set_random_seed(0)
    studies = {study.name: study for study in map(read_study, find_studies(args.data))}
    groups = dict.fromkeys(studies, "all")  # of one institution; the split is by patient, never by slice
    split = stratified_split(studies, groups, {"train": 0.75, "val": 0.25})
    training, validation = ([studies[name] for name in split[part]] for part in ("train", "val"))
    images, masks = prepare(preprocessing, training)
    augment = Augmentation(rotation=15, zoom=0.2, gamma=0.3, brightness=0.2, noise=0.2, flip_left_right=True, seed=0)
    batches = Batches(images, masks, augment, batch_size)

    model = build_attention_unet(len(preprocessing.sequences), filters)
    model.compile(keras.optimizers.AdamW(1e-3), Dice(per="batch") + keras.losses.BinaryCrossentropy())
    path = args.output / "model.keras"
    callbacks = [
        PatientDice(validation, preprocessing),  # whole patients on their own grid; before those that watch it
        keras.callbacks.ModelCheckpoint(path, "val_patient_dice", mode="max", save_best_only=True),
        keras.callbacks.CSVLogger(args.output / "log.csv"),
    ]
    model.fit(batches, epochs=args.epochs, verbose=2, callbacks=callbacks)

    segmenter = Segmenter(keras.saving.load_model(path), preprocessing, name="attention-unet")
    print(evaluate(segmenter, validation).summary())


class Batches(keras.utils.PyDataset):
    """Shuffled, augmented batches; each follows from the seed and its number, on any backend."""

    def __init__(self, images, masks, augment, batch_size):
        super().__init__()
        self.images, self.masks, self.augment, self.batch_size = images, masks, augment, batch_size
        self.epoch = 0
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index):
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.augment(self.images[chosen], self.masks[chosen], step=self.epoch * len(self) + index)

    def on_epoch_end(self):
        self.epoch += 1
        self.order = np.random.default_rng(self.epoch).permutation(len(self.images))


def prepare(preprocessing, studies):
    """Return images (slices, size, size, sequences) and masks (slices, size, size, 1), as the model takes them."""
    images, masks = [], []
    for study in studies:
        prepared = preprocessing.apply(study)
        images.append(prepared.images)
        masks.append(preprocessing.apply_mask(study.mask, prepared.placement)[..., None])
    return np.concatenate(images), np.concatenate(masks).astype(np.float32)


if __name__ == "__main__":
    main()
