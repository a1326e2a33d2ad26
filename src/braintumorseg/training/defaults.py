"""Configurations for data of one's own: fine-tuning on few patients, and a first model in minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from braintumorseg import models
from braintumorseg._core.checks import check_integer
from braintumorseg.training.config import TrainConfig
from braintumorseg.training.parts import CoarseConfig, OptimizerConfig
from braintumorseg.training.sampling import SamplingConfig
from braintumorseg.zoo.load import load_pretrained

_BASE = "resunet-lgg"  # the recipe whose augmentation and loss are taken
_ROUND = 50  # steps
_DERIVED = ("input_shape", "classes", "activation")  # from the sequences and the classes of the configuration
_SOFTMAX_LOSS = ({"name": "categorical_crossentropy"}, {"name": "dice", "per": "batch"})


def finetune_config(preset: str | PathLike[str], patients: int) -> TrainConfig:
    """Return how to fine-tune a preset on few patients: its encoder as it is, and a short schedule.

    The model, the preprocessing and the threshold are the preset's. Augmentation and loss are those of the recipe
    ``resunet-lgg``. The run has 20 steps per patient, 200 at least and 1,000 at most, of 8 slices each.

    Args:
        preset: Name or folder of the preset, as ``load_pretrained`` takes it.
        patients: Number of patients to train on.

    Raises:
        DataError: If the preset's files are damaged.
        ValueError: If there is no such preset, or no builder of this package builds its model.

    Examples:
        >>> from braintumorseg.training import finetune_config
        >>> config = finetune_config("resunet-lgg-small", patients=4)
        >>> config.name, config.freeze, config.steps, config.round_steps
        ('resunet-lgg-small-tuned', 'encoder', 200, 50)
    """
    check_integer("patients", patients, 1)
    segmenter = load_pretrained(preset)
    architecture = models.architecture_of(segmenter.model)
    steps = min(max(20 * patients, 200), 1000)
    return TrainConfig(
        name=f"{segmenter.name}-tuned",
        model={key: value for key, value in architecture.items() if key not in _DERIVED},
        steps=steps - steps % _ROUND,
        start=str(Path(preset).absolute()) if Path(preset).is_dir() else str(preset),
        freeze="encoder",
        batch_size=8,
        round_steps=_ROUND,
        validate_every=2,
        threshold=segmenter.threshold,
        min_voxels=segmenter.min_voxels,
        classes=segmenter.classes,
        nested=segmenter.labelling.nested,
        preprocessing=segmenter.preprocessing,
        coarse=CoarseConfig(),
        sampling=SamplingConfig(tumour_share=0.5, patient_power=0.3),
        augmentation=TrainConfig.read(_BASE).augmentation,
        loss=TrainConfig.read(_BASE).loss if architecture["activation"] == "sigmoid" else _SOFTMAX_LOSS,
        optimizer=OptimizerConfig(learning_rate=1e-4, warmup_steps=30, weight_decay=1e-2, clip_norm=1.0, ema=0.98),
    )


def quick_config(sequences: Sequence[str]) -> TrainConfig:
    """Return how to train a first model from scratch in minutes on two CPU cores.

    It shows whether the data can be learned from; a model to be used takes a released recipe.

    Args:
        sequences: The sequences of the model's input, such as ``("flair",)``; what a study lacks of them is filled with a
            copy of the FLAIR, or of the first one where FLAIR is none of them.

    Raises:
        ValueError: If there is no such sequence.

    Examples:
        >>> from braintumorseg.training import quick_config
        >>> quick_config(["flair", "t1"]).preprocessing.size
        96
    """
    config = TrainConfig.read("quick")
    filled = "flair" if "flair" in sequences else sequences[0]
    return config.replace(preprocessing=replace(config.preprocessing, sequences=tuple(sequences), fill_from=(filled,)))
