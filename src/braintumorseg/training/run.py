"""A training run: from a configuration and studies to a segmenter, resumable from a state on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import keras

from braintumorseg._core.checks import DataError, check_in, wrong
from braintumorseg._core.choices import Strategy
from braintumorseg._core.draw import save_figure
from braintumorseg._core.optional import lazy
from braintumorseg.callbacks import PatientDice
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.dataset import Dataset
from braintumorseg.findings.reference import FEWEST
from braintumorseg.inference.reference import measure_reference
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.presets.preset import CONFIG_FILE as PRESET_FILE
from braintumorseg.presets.reader import read_preset
from braintumorseg.presets.writer import replace_reference, write_preset
from braintumorseg.study import Study
from braintumorseg.training.batches import build_samplers, name_batch
from braintumorseg.training.card import run_card
from braintumorseg.training.config import TrainConfig
from braintumorseg.training.log import log_table
from braintumorseg.training.patients import Patients
from braintumorseg.training.pictures import plot_curves, plot_worst_slices
from braintumorseg.training.progress import Progress
from braintumorseg.training.rounds import STATE_FILE, Rounds
from braintumorseg.training.sampling import TrainingBatches
from braintumorseg.training.start import copy_weights, hash_weights, load_start
from braintumorseg.training.state import read_info, restore_state
from braintumorseg.zoo.adapt import freeze_encoder
from braintumorseg.zoo.load import load_pretrained

_tensorflow = lazy("tensorflow")

CONFIG_FILE = "config.toml"
BEST_FOLDER = "best"
# Raise it when the record or the variables in a state change: a run of before is then refused by name, not by accident.
STATE_FORMAT = 2


def train(
    config: TrainConfig,
    training: Dataset | Iterable[str | PathLike[str] | Case],
    validation: Dataset | Iterable[Study | str | PathLike[str]],
    out: str | PathLike[str],
    *,
    cache: str | PathLike[str] | None = None,
    strategy: str = "none",
    progress: bool = True,
) -> Segmenter:
    """Train a model, or go on where a run with the same folder was killed.

    The folder is a preset of the last step's averaged weights (EMA): ``load_pretrained(out)`` and ``--preset out`` use it.
    Beside the preset lie ``config.toml``; ``state.safetensors``, replaced after every round; ``log.csv`` and
    ``tensorboard/``; at the end ``curves.png`` and ``worst.png``. With ``keep_best = true`` in the configuration,
    ``best/`` is a preset of the best checkpoint, by the mean Dice of the validation patients.

    With ten training patients or more, the model predicts them at the end, and the presets get the reference that their
    predictions are judged by: see ``measure_reference``.

    A run that was killed, at any moment and any number of times, ends with the weights of an uninterrupted one: each batch
    follows from the seed and the number of its step, and the state holds everything else. On one CPU thread the weights
    are the same bit for bit. Keras's backend (``KERAS_BACKEND``) may be TensorFlow, JAX or PyTorch, which draw other random
    numbers; a run goes on with the backend that began it. The device is the backend's choice: a GPU, where there is one.

    The card states the run's own facts: numbers of patients, recipe, validation scores, and the dataset where studies are
    given as an ``LGGDataset``. All else is empty unless ``config.card`` states it, the licence too.

    Args:
        config: The configuration of the run.
        training: A dataset, such as ``LGGDataset`` or what ``datasets.open_dataset`` opens; or its cases, or paths of
            studies with masks, as ``read_study`` takes them.
        validation: A dataset, studies with masks, or their paths; may be empty. Validation changes no weights, and
            chooses none without ``keep_best``.
        out: The run's folder, made if need be.
        cache: Folder of prepared studies; ``out/cache`` if not given.
        strategy: ``"none"``, or ``"mirrored"`` to share each batch between all GPUs of this machine, on TensorFlow.
        progress: Whether to show a bar with loss, validation and the time left.

    Returns:
        The segmenter of the last step's averaged weights.

    Raises:
        DataError: If a study can't be read or has no mask, a patient is on both sides, the weights to start from do not
            fit, or the folder holds another run or one of another version of this package. Also if the loss is no number:
            the message then names the step, its slices and the last good state.
        ValueError: If an argument is not as stated, or the strategy is not one of the backend.

    Examples:
        >>> from braintumorseg import Preprocessing, TrainConfig, make_study, train
        >>> from PIL import Image
        >>> import numpy as np
        >>> study = make_study(seed=0, shape=(4, 64, 64))
        >>> for number in range(4):
        ...     _ = Image.fromarray(study.volume[number].astype("uint8")).save(f"case_{number + 1}.tif")
        ...     _ = Image.fromarray(study.mask[number]).save(f"case_{number + 1}_mask.tif")
        >>> config = TrainConfig(
        ...     "tiny", model={"name": "unet", "filters": [4, 8]}, steps=2, batch_size=2, round_steps=1,
        ...     preprocessing=Preprocessing(size=32),
        ... )
        >>> segmenter = train(config, ["."], [make_study(seed=1, shape=(4, 64, 64))], "run", progress=False)
        >>> segmenter.predict(study).mask.shape
        (4, 64, 64)
    """
    check_in("strategy", strategy, get_args(Strategy))
    if strategy == "mirrored" and keras.backend.backend() != "tensorflow":
        msg = wrong(
            "strategy", f"'none' on {keras.backend.backend()}; TensorFlow alone mirrors (KERAS_BACKEND)", strategy
        )
        raise ValueError(msg)
    out = Path(out)
    patients = Patients.of(training, validation)
    if config.keep_best and not patients.validation:
        msg = wrong("validation", "at least one study where keep_best is true", "none")
        raise ValueError(msg)
    start = load_start(config)
    info = _begin(config, patients, start, out)
    if info["step"] < config.steps:
        _fit(config, patients, start, out, Path(cache) if cache else out / "cache", strategy, info, progress=progress)
    _measure_references(patients, out)
    segmenter = load_pretrained(out.absolute())  # a relative path might be the name of a bundled preset
    save_figure(
        plot_curves(log_table(read_info(out / STATE_FILE)["log"]), config.name), out / "curves.png", overwrite=True
    )
    if patients.validation:
        save_figure(plot_worst_slices(segmenter, patients.validation), out / "worst.png", overwrite=True)
    return segmenter


def _begin(config: TrainConfig, patients: Patients, start: Segmenter | None, out: Path) -> dict[str, Any]:
    """Return the run's record: that of its folder's state, if there is one; refuse that of another run."""
    new: dict[str, Any] = {
        "format": STATE_FORMAT,
        "config": config.digest(),
        "preprocessing": config.preprocessing.version,
        "backend": keras.backend.backend(),
        "start": hash_weights(start.model) if start else None,
        "patients": patients.names(),
        "step": 0,
        "log": [],
    }
    state = out / STATE_FILE
    if not state.exists():
        config.write(out / CONFIG_FILE, overwrite=True)
        return new
    info = read_info(state)
    for key, kind in (
        ("format", "of another version of braintumorseg"),
        ("config", f"with another configuration, that of its {CONFIG_FILE}"),
        ("preprocessing", "with another version of the preprocessing"),
        ("backend", "on another backend of Keras"),
        ("start", "from another start"),
        ("patients", "on other patients"),
    ):
        if info.get(key, "tensorflow" if key == "backend" else None) != new[key]:
            msg = f"{out}: holds a run {kind}; give another folder, or go on with that run as it was begun"
            raise DataError(msg)
    return info


def _fit(
    config: TrainConfig,
    patients: Patients,
    start: Segmenter | None,
    out: Path,
    cache: Path,
    strategy: str,
    info: Mapping[str, Any],
    *,
    progress: bool,
) -> None:
    samplers = build_samplers(config, list(patients.training.values()), cache)
    first = info["step"]
    studies = patients.validation
    with _scope(strategy), _policy(config.precision):
        model, averaged = config.build_model(), config.build_model()
        if config.freeze:
            freeze_encoder(model)
        model.compile(config.optimizer.build(config.steps), config.build_loss())
        model.optimizer.build(model.trainable_variables)
        if first:
            restore_state(out / STATE_FILE, model)
        elif start is not None:
            copy_weights(start.model, model)
        patient_dice = None
        if studies:
            patient_dice = PatientDice(
                studies,
                config.preprocessing,
                threshold=config.threshold,
                classes=config.classes,
                nested=config.nested,
            )
        keep = partial(_keep, config, patients, start, out)
        rounds = Rounds(config, out, averaged, patient_dice, keep, info, partial(name_batch, samplers))
        callbacks = [rounds, *([Progress(config.steps, config.round_steps)] if progress else [])]
        augmentation = config.build_augmentation()
        for last, sampler in samplers:
            if first < last:  # one call per part, as the images of each have one size
                batches = TrainingBatches(sampler, augmentation, first, last)
                try:
                    model.fit(
                        _to_share(batches) if strategy == "mirrored" else batches,
                        initial_epoch=first // config.round_steps,
                        epochs=last // config.round_steps,
                        steps_per_epoch=config.round_steps,
                        shuffle=False,  # the batches have their order
                        verbose=0,
                        callbacks=callbacks,
                    )
                finally:
                    batches.close()
                first = last
                if last < config.steps:  # Keras ends fit by putting the averages in the place of the weights
                    restore_state(out / STATE_FILE, model)


def _keep(
    config: TrainConfig,
    patients: Patients,
    start: Segmenter | None,
    out: Path,
    kind: str,
    model: keras.Model,
    dice: Mapping[str, float],
) -> None:
    """Write a model as a preset: the last one into the run's folder, the best one beside it."""
    chosen = kind == "best"
    write_preset(
        out / BEST_FOLDER if chosen else out,
        model,
        name=config.name,
        preprocessing=config.preprocessing,
        threshold=config.threshold,
        min_voxels=config.min_voxels,
        card=run_card(config, patients, start, dice, chosen=chosen),
        classes=config.classes,
        nested=config.nested,
    )


def _measure_references(patients: Patients, out: Path) -> None:
    """Store in each preset of the run what its predictions are judged by, once; a few patients are no reference."""
    if len(patients.training) < FEWEST:
        return
    source = f"the {patients.counts[0]} patients that trained the model"
    for folder in (out.absolute(), out.absolute() / BEST_FOLDER):
        if (folder / PRESET_FILE).exists() and read_preset(folder).reference is None:
            segmenter = load_pretrained(folder)
            reference = measure_reference(segmenter, patients.studies(segmenter.preprocessing.fill_from), source)
            replace_reference(folder, reference)


def _to_share(batches: TrainingBatches) -> Any:
    """Return batches as a dataset of TensorFlow, which splits what a ``batch`` in it has put together."""
    sampler = batches.sampler
    shapes = (sampler.shape, (*sampler.shape[:3], sampler.labelling.channels))
    spec = tuple(_tensorflow.TensorSpec(shape, "float32") for shape in shapes)
    dataset = _tensorflow.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    return dataset.unbatch().batch(sampler.batch_size, drop_remainder=True)


def _scope(strategy: str) -> AbstractContextManager[Any]:
    return _tensorflow.distribute.MirroredStrategy().scope() if strategy == "mirrored" else nullcontext()


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    """Build layers with a policy, and leave the caller's as it was."""
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)
