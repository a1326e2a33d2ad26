"""A training run: from a configuration and studies to a segmenter, with a state on disk that it goes on from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import tensorflow as tf

from braintumorseg._core.checks import DataError, check_in, wrong
from braintumorseg._core.choices import Strategy
from braintumorseg.callbacks import PatientDice
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.io import read_study
from braintumorseg.presets.card import Card
from braintumorseg.presets.scores import Score
from braintumorseg.presets.writer import write_preset
from braintumorseg.runtimes.network import Weights, variables_of, weights_of
from braintumorseg.study import Study
from braintumorseg.training.batches import batches_from, build_samplers, name_batch
from braintumorseg.training.config import TrainConfig
from braintumorseg.training.pictures import plot_curves, plot_worst_slices, save_figure
from braintumorseg.training.progress import Progress
from braintumorseg.training.rounds import STATE_FILE, Rounds, log_table
from braintumorseg.training.state import read_info, restore_state
from braintumorseg.zoo.load import load_pretrained

CONFIG_FILE = "config.toml"


def train(
    config: TrainConfig,
    training: Iterable[str | PathLike[str]],
    validation: Iterable[Study | str | PathLike[str]],
    out: str | PathLike[str],
    *,
    cache: str | PathLike[str] | None = None,
    strategy: str = "none",
    progress: bool = True,
) -> Segmenter:
    """Train a model, or go on where a run with the same folder was killed.

    The folder gets ``config.toml``; ``state.safetensors``, replaced after every round; ``log.csv`` and ``tensorboard/``;
    ``best/`` and ``last/``, which are presets; at the end ``curves.png`` and ``worst.png``. A run that was killed, at any
    moment and any number of times, ends with the weights of one that never was: each batch follows from the seed and
    the number of its step, and the state holds everything else. On one CPU thread the weights are the same bit for bit.

    It runs on the device that TensorFlow chooses: a GPU, where there is one.

    Args:
        config: What to train, and how.
        training: Paths of studies with masks, as ``read_study`` takes them.
        validation: Studies with masks, or their paths; at most as a choice of the best weights do they enter the result.
            With none of them nothing is chosen, and the last weights are the best.
        out: The run's folder, made if need be.
        cache: Where prepared studies are kept; ``out/cache`` if not given.
        strategy: ``"none"``, or ``"mirrored"`` to share each batch between all GPUs of this machine.
        progress: Whether to show a bar with loss, validation and the time left.

    Returns:
        The segmenter with the averaged weights that did best on the validation patients.

    Raises:
        DataError: If a study can't be read or has no mask, a patient is on both sides, the weights to start from do not fit,
            the folder holds another configuration's run, or the loss is no number: the message then names the step, its
            slices and the last good state.
        ValueError: If an argument is not as stated, or Keras runs on another backend than TensorFlow.

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
    if keras.backend.backend() != "tensorflow":
        msg = wrong("Keras's backend", "tensorflow for training (KERAS_BACKEND)", keras.backend.backend())
        raise ValueError(msg)
    out = Path(out)
    paths = [Path(path).absolute() for path in training]
    studies = [each if isinstance(each, Study) else read_study(each) for each in validation]
    patients = _patients(paths, studies)
    start = _start(config)
    info = _begin(config, patients, start, out)
    if info["step"] < config.steps:
        _fit(
            config,
            paths,
            studies,
            start,
            out,
            Path(cache) if cache else out / "cache",
            strategy,
            info,
            progress=progress,
        )
    segmenter = load_pretrained(out / ("best" if studies else "last"))
    save_figure(plot_curves(log_table(read_info(out / STATE_FILE)["log"]), config.name), out / "curves.png")
    if studies:
        save_figure(plot_worst_slices(segmenter, studies), out / "worst.png")
    return segmenter


def _patients(training: Sequence[Path], validation: Sequence[Study]) -> dict[str, list[str]]:
    """Return the names of both sides' patients; refuse one that comes twice."""
    sides = {"training": [path.name for path in training], "validation": [study.name for study in validation]}
    if not training:
        msg = wrong("training", "at least one path of a study", "none")
        raise ValueError(msg)
    both = set(sides["training"]) & set(sides["validation"])
    if both:
        msg = f"{min(both)}: is both trained on and validated on"
        raise DataError(msg)
    twice = [name for names in sides.values() for name in names if names.count(name) > 1]
    if twice:
        msg = f"{twice[0]}: comes twice; a run needs one study a patient, each of its own name"
        raise DataError(msg)
    return sides


def _start(config: TrainConfig) -> Segmenter | None:
    """Return what the run starts from; refuse weights of another model, or made for another preprocessing."""
    if not config.start:
        return None
    try:
        segmenter = load_pretrained(config.start)
    except ValueError as error:
        msg = f"start: {error}"
        raise DataError(msg) from error
    if replace(segmenter.preprocessing, size=config.preprocessing.size) != config.preprocessing:
        msg = f"start: {config.start} has another preprocessing than the configuration: {segmenter.preprocessing}"
        raise DataError(msg)
    if _shapes(segmenter.model) != _shapes(config.build_model()):
        msg = f"start: {config.start} is another model than the configuration's, {config.architecture}"
        raise DataError(msg)
    return segmenter


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {path: tuple(weight.shape) for path, weight in variables_of(model).items()}


def _begin(
    config: TrainConfig,
    patients: Mapping[str, Sequence[str]],
    start: Segmenter | None,
    out: Path,
) -> dict[str, Any]:
    """Return what the run knows: what its folder's state says, if there is one; refuse that of another run."""
    new: dict[str, Any] = {
        "config": config.digest(),
        "start": _hash_weights(weights_of(start.model)) if start else None,
        "patients": patients,
        "step": 0,
        "log": [],
    }
    state = out / STATE_FILE
    if not state.exists():
        config.write(out / CONFIG_FILE, overwrite=True)
        return new
    info = read_info(state)
    for key, kind in (
        ("config", f"with another configuration, that of its {CONFIG_FILE}"),
        ("start", "from another start"),
        ("patients", "on other patients"),
    ):
        if info.get(key) != new[key]:
            msg = f"{out}: holds a run {kind}; give another folder, or go on with what that run was"
            raise DataError(msg)
    return info


def _fit(
    config: TrainConfig,
    paths: Sequence[Path],
    studies: Sequence[Study],
    start: Segmenter | None,
    out: Path,
    cache: Path,
    strategy: str,
    info: Mapping[str, Any],
    *,
    progress: bool,
) -> None:
    samplers = build_samplers(config, paths, cache)
    first = info["step"]
    with _scope(strategy), _policy(config.precision):
        model, averaged = config.build_model(), config.build_model()
        model.compile(config.optimizer.build(config.steps), config.build_loss())
        model.optimizer.build(model.trainable_variables)
        if first:
            restore_state(out / STATE_FILE, model)
        elif start is not None:
            given = variables_of(start.model)
            for path, weight in variables_of(model).items():
                weight.assign(given[path])
        patient_dice = PatientDice(studies, config.preprocessing, threshold=config.threshold) if studies else None
        keep = partial(_keep, config, len(paths), _describe_recipe(config, start), out)
        rounds = Rounds(config, out, averaged, patient_dice, keep, info, partial(name_batch, samplers))
        model.fit(
            batches_from(config, samplers, first),
            initial_epoch=first // config.round_steps,
            epochs=config.steps // config.round_steps,
            steps_per_epoch=config.round_steps,
            shuffle=False,  # the batches have their order
            verbose=0,
            callbacks=[rounds, *([Progress(config.steps, config.round_steps)] if progress else [])],
        )


def _scope(strategy: str) -> AbstractContextManager[Any]:
    return tf.distribute.MirroredStrategy().scope() if strategy == "mirrored" else nullcontext()


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    """Build layers with a policy, and leave the caller's as it was."""
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def _keep(
    config: TrainConfig,
    patients: int,
    recipe: str,
    out: Path,
    kind: str,
    model: keras.Model,
    val: Mapping[str, float],
) -> None:
    """Write a model as a preset whose card says what was measured."""
    data = f"{len(val)} validation patients"
    statistics = (("mean", np.mean), ("median", np.median)) if val else ()
    scores = tuple(
        Score(
            "Dice",
            f"{name} over patients, whole volumes, every slice in",
            data,
            round(float(of(list(val.values()))), 4),
        )
        for name, of in statistics
    )
    texts: dict[str, Any] = {
        "summary": f"A {config.model['name']} for the FLAIR abnormality, trained by braintumorseg.",
        "data": f"{patients} patients",
        "split": f"{patients} patients to train on, {len(val)} to choose the best weights by",
        "intended_use": "Research and teaching. Not a medical device; not for diagnosis or treatment.",
        "limits": "Not measured on other data.",
    } | dict(config.card)
    write_preset(
        out / kind,
        model,
        name=config.name,
        architecture=config.architecture,
        preprocessing=config.preprocessing,
        threshold=config.threshold,
        min_voxels=config.min_voxels,
        card=Card(**texts, recipe=recipe, scores=scores),
    )


def _describe_recipe(config: TrainConfig, start: Segmenter | None) -> str:
    """Return what a card says of the run: how many slices of which size, and what was before it."""
    parts = [(config.coarse.steps, config.coarse.size), (config.steps - config.coarse.steps, config.preprocessing.size)]
    slices = ", then ".join(f"{steps * config.batch_size} of {size}x{size}" for steps, size in parts if steps)
    recipe = f"{config.name}, {config.digest()}: augmented slices, {slices}"
    if start is not None:
        recipe += f"; before it, {_describe_origin(start)}"
    return recipe


def _describe_origin(segmenter: Segmenter) -> str:
    """Return how a model was made, as its card says, or its name where that is not stated."""
    recipe = segmenter.card.recipe if segmenter.card else Card.recipe
    return segmenter.name if recipe == Card.recipe else recipe


def _hash_weights(weights: Weights) -> str:
    """Return a SHA-256 of weights in the order given."""
    return hashlib.sha256(b"".join(np.asarray(weight).tobytes() for weight in weights.values())).hexdigest()
