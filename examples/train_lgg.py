"""Train a ResUNet on the LGG dataset and store it as a preset.

Needs: the published dataset (the folder with data.csv and 110 patients; fewer are fine), 6 GiB of memory.
Takes: about 70 minutes on four CPU cores with the defaults; --steps 100 shows within minutes that all of it works.

    python examples/train_lgg.py --data kaggle_3m --out runs/resunet-lgg

Run it again after an interruption, and it goes on from the last finished epoch, its batches drawn anew. The preset
(weights, preprocessing, and a card with the figures measured here) goes to OUT/preset, the log to OUT/log.jsonl.
"""

import argparse
import json
import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from braintumorseg import Card, Figure, Preprocessing, Segmenter, build_resunet, dice, lgg_split, read_study
from braintumorseg.zoo.preset import write_preset

STEPS_PER_EPOCH = 200
EPS = 1e-6
ARCHITECTURE = {
    "name": "resunet",
    "input_shape": [None, None, 3],
    "classes": 1,
    "filters": [16, 32, 64, 128, 256],
    "activation": "sigmoid",
    "dropout": 0.0,
    "normalization": "batch",
}
LIMITS = (
    "Trained on the patients of one dataset, with the skull on. Not measured on skull-stripped volumes, on other scanners, "
    "after surgery, on children, or on other tumours."
)


def load(root, part, preprocessing):
    """Return (images, masks) per patient: (slices, size, size, 3) and (slices, size, size, 1), of the same dtype."""
    patients = {}
    for name in lgg_split(part):
        if not (root / name).is_dir():
            continue
        study = read_study(root / name)
        prepared = preprocessing.apply(study)
        target = preprocessing.apply_mask(study.mask, prepared.placement)[..., None]
        patients[name] = (prepared.images, target)
    if not patients:
        msg = f"{root}: holds no patient of the {part} part of the split"
        raise SystemExit(msg)
    return patients


def batches(patients, batch, tumour_share, seed):
    """Yield batches without end: a share of slices with tumour; patients weighted by the root of their slices."""
    random = np.random.default_rng(seed)
    names = list(patients)
    touched = {name: np.flatnonzero((target >= 0.5).any(axis=(1, 2, 3))) for name, (_, target) in patients.items()}
    empty = {name: np.setdiff1d(np.arange(len(patients[name][0])), touched[name]) for name in names}
    weights = {}
    for key, slices in (("tumour", touched), ("empty", empty)):
        counts = np.sqrt([len(slices[name]) for name in names])
        weights[key] = counts / counts.sum()
    while True:
        images, targets = [], []
        for _ in range(batch):
            key, slices = ("tumour", touched) if random.random() < tumour_share else ("empty", empty)
            name = names[random.choice(len(names), p=weights[key])]
            index = random.choice(slices[name])
            images.append(patients[name][0][index])
            targets.append(patients[name][1][index])
        yield np.stack(images), np.stack(targets)


def augment(images, targets):
    """Turn, zoom, shift and flip; change intensities above the air; replace pre or post by FLAIR."""
    count, size = tf.shape(images)[0], images.shape[1]

    def draw(low, high, *shape):
        return tf.random.uniform((count, *shape), low, high)

    floor = tf.reduce_min(images, axis=(1, 2), keepdims=True)
    above = images - floor

    angle = draw(-0.26, 0.26)
    zoom = tf.exp(draw(-0.2, 0.2))
    flip = tf.sign(draw(-1, 1))
    cosine, sine = tf.cos(angle) / zoom, tf.sin(angle) / zoom
    centre = (size - 1) / 2
    shift_x, shift_y = draw(-0.06, 0.06) * size, draw(-0.06, 0.06) * size
    a, b, c, d = cosine * flip, -sine * flip, sine, cosine
    zero = tf.zeros_like(a)
    # Output (x, y) looks up input (a x + b y + tx, c x + d y + ty): rotation about the centre, then the shift.
    transform = tf.stack(
        [
            a,
            b,
            centre + shift_x - a * centre - b * centre,
            c,
            d,
            centre + shift_y - c * centre - d * centre,
            zero,
            zero,
        ],
        axis=1,
    )
    both = keras.ops.image.affine_transform(tf.concat([above, targets], -1), transform, interpolation="bilinear")
    above, targets = both[..., :3], tf.cast(both[..., 3:] >= 0.5, tf.float32)

    top = tf.reduce_max(above, axis=(1, 2), keepdims=True) + EPS
    above = top * tf.pow(above / top, tf.exp(draw(-0.35, 0.35, 1, 1, 3)))
    above *= tf.exp(draw(-0.2, 0.2, 1, 1, 3))
    bias = tf.image.resize(draw(-0.3, 0.3, 4, 4, 1), (size, size), method="bicubic")
    above *= tf.exp(bias)
    head = tf.cast(above > 0, tf.float32)
    above += (
        head
        * tf.random.normal(tf.shape(above))
        * draw(0, 0.15, 1, 1, 1)
        * tf.cast(draw(0, 1, 1, 1, 1) < 0.5, tf.float32)
    )
    images = floor + above + head * draw(-0.15, 0.15, 1, 1, 3)

    pre, flair, post = tf.split(images, 3, axis=-1)
    chance = draw(0, 1, 1, 1, 1)
    pre = tf.where((chance < 0.1) | (chance > 0.9), flair, pre)
    post = tf.where(chance < 0.2, flair, post)
    return tf.concat([pre, flair, post], -1), targets


def bce_dice(truth, prediction):
    """Binary cross-entropy plus one minus the Dice of the whole batch."""
    cross_entropy = keras.ops.mean(keras.losses.binary_crossentropy(truth, prediction))
    overlap = keras.ops.sum(truth * prediction)
    total = keras.ops.sum(truth) + keras.ops.sum(prediction)
    return cross_entropy + 1 - (2 * overlap + 1) / (total + 1)


def patient_dice(segmenter, studies):
    """Return the Dice of each patient over the whole volume, every slice in, on the study's own grid."""
    scores = {}
    for study in studies:
        scores[study.name] = dice(study.mask, segmenter.predict(study).mask)
    return scores


class Validate(keras.callbacks.Callback):
    """Every few epochs, print the per-patient Dice of the averaged weights on the validation patients."""

    def __init__(self, studies, preprocessing, log, every):
        super().__init__()
        self.studies, self.preprocessing, self.log, self.every = studies, preprocessing, log, every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every and epoch + 1 != self.params["epochs"]:
            return
        scores = patient_dice(Segmenter(self.model, self.preprocessing), self.studies)
        values = list(scores.values())
        record = {"epoch": epoch + 1, **logs, "mean": np.mean(values), "median": np.median(values), "patients": scores}
        with self.log.open("a") as file:
            file.write(json.dumps(record, default=float) + "\n")
        print(f"\nepoch {epoch + 1}: val Dice per patient, whole volumes: mean {np.mean(values):.3f}, ", end="")
        print(f"median {np.median(values):.3f}")


def export(model, preprocessing, studies, recipe, folder):
    """Measure the model on the validation patients and write it as a preset with a card that says so."""
    segmenter = Segmenter(model, preprocessing)
    by_patient = patient_dice(segmenter, studies)
    scores = list(by_patient.values())
    worst = min(by_patient, key=by_patient.get)
    data = f"{len(scores)} validation patients of the LGG dataset"
    figures = tuple(
        Figure("Dice", f"per-patient {name}, whole volumes, every slice in", data, round(float(function(scores)), 4))
        for name, function in (("mean", np.mean), ("median", np.median))
    )
    card = Card(
        summary="Finds the FLAIR abnormality of lower-grade gliomas in T1 before contrast, FLAIR and T1 after contrast.",
        data="LGG segmentation dataset (TCGA-LGG: images CC BY 3.0; masks of M. Buda et al. CC BY-NC-SA 4.0)",
        split="by patient: 77 train, 13 val (looked at during training, no choice was made on them), 20 test (never seen)",
        recipe=recipe,
        licence="CC BY-NC-SA 4.0, as the masks that it was trained on",
        intended_use="Research and teaching. Not a medical device; not for diagnosis or treatment.",
        limits=f"{LIMITS} Lowest Dice of a validation patient: {by_patient[worst]:.2f} ({worst}).",
        figures=figures,
    )
    write_preset(
        folder,
        model,
        name="resunet-lgg",
        architecture=ARCHITECTURE,
        preprocessing=preprocessing,
        threshold=segmenter.threshold,
        min_voxels=segmenter.min_voxels,
        card=card,
    )
    print(f"{folder}: " + "; ".join(map(str, figures)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the dataset's folder (kaggle_3m)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the log, the state and the weights")
    parser.add_argument("--steps", type=int, default=3000, help="batches to train on")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--tumour-share", type=float, default=0.6)
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all")
    parser.add_argument("--every", type=int, default=3, help="epochs between validations")
    parser.add_argument("--finished", action="store_true", help="train no more: measure and export OUT/last.weights.h5")
    args = parser.parse_args()

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    keras.utils.set_random_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    preprocessing = Preprocessing(size=args.size)
    val = [read_study(args.data / name) for name in lgg_split("val") if (args.data / name).is_dir()]
    model = build_resunet(**{key: value for key, value in ARCHITECTURE.items() if key != "name"})
    if args.finished:
        model.load_weights(args.out / "last.weights.h5")
    else:
        fit(model, preprocessing, val, args)
        model.save_weights(args.out / "last.weights.h5")
    recipe = (
        f"examples/train_lgg.py: ResUNet, {args.steps * args.batch} augmented slices of {args.size}x{args.size} "
        f"({args.tumour_share:.0%} with tumour, patients weighted by the root of their slices), BCE + batch Dice, "
        f"AdamW {args.rate:g} with cosine decay, average of weights 0.995, seed {args.seed}"
    )
    export(model, preprocessing, val, recipe, args.out / "preset")


def fit(model, preprocessing, val, args):
    """Train the model in place; it ends with the moving average of its weights."""
    train = load(args.data, "train", preprocessing)
    print(f"{len(train)} patients to train on, {len(val)} to validate", flush=True)

    shape = (args.batch, args.size, args.size)
    signature = (tf.TensorSpec((*shape, 3), tf.float32), tf.TensorSpec((*shape, 1), tf.float32))
    data = tf.data.Dataset.from_generator(
        lambda: batches(train, args.batch, args.tumour_share, args.seed), output_signature=signature
    )
    data = data.map(augment, num_parallel_calls=1).prefetch(4)

    warmup = min(200, args.steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        args.rate / 20, args.steps - warmup, alpha=0.02, warmup_target=args.rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-4, use_ema=True, ema_momentum=0.995)
    model.compile(optimizer, bce_dice)
    model.fit(
        data,
        epochs=math.ceil(args.steps / STEPS_PER_EPOCH),
        steps_per_epoch=min(STEPS_PER_EPOCH, args.steps),
        verbose=2,
        callbacks=[
            # First, so that it stores the weights under training, not their average.
            keras.callbacks.BackupAndRestore(args.out / "state"),
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            Validate(val, preprocessing, args.out / "log.jsonl", args.every),
        ],
    )


if __name__ == "__main__":
    main()
