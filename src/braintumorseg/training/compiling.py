"""A recipe for plain ``model.fit``: its loss, its metrics and its optimizer, without its data."""

from __future__ import annotations

from os import PathLike
from typing import Any

import keras

from braintumorseg._core.checks import check_integer
from braintumorseg.metrics import DiceScore
from braintumorseg.training.config import TrainConfig


def compile_model(
    model: keras.Model, recipe: str | PathLike[str] | TrainConfig = "resunet-lgg", *, steps: int, **options: Any
) -> keras.Model:
    """Compile any segmentation model with the loss and the optimizer of a recipe, and a Dice score as its metric.

    The learning rate rises and falls over ``steps`` as in the recipe, and the optimizer keeps an exponential moving average of
    the weights: ``keras.callbacks.SwapEMAWeights(swap_on_epoch=True)`` validates with it.

    Args:
        model: From images ``(batch, height, width, sequences)`` to probabilities ``(batch, height, width, channels)``.
        recipe: Name of a released recipe, path of a configuration, or the configuration.
        steps: Number of batches that ``fit`` will train on: epochs times the batches in one.
        options: Further arguments of ``keras.Model.compile``, which replace those of the recipe.

    Returns:
        The same model.

    Raises:
        ValueError: If ``steps`` is below 1.
        DataError: If there is no such recipe.

    Examples:
        >>> import numpy as np
        >>> from braintumorseg import build_unet
        >>> from braintumorseg.training import compile_model
        >>> images, masks = np.zeros((8, 32, 32, 3), "float32"), np.zeros((8, 32, 32, 1), "float32")
        >>> model = compile_model(build_unet(filters=(4, 8)), steps=2)
        >>> sorted(model.fit(images, masks, batch_size=4, verbose=0).history)
        ['dice_score', 'loss']
    """
    check_integer("steps", steps, 1)
    config = recipe if isinstance(recipe, TrainConfig) else TrainConfig.read(recipe)
    model.compile(
        **{
            "optimizer": config.optimizer.build(steps),
            "loss": config.build_loss(),
            "metrics": [DiceScore(empty="skip")],
            **options,
        }
    )
    return model
