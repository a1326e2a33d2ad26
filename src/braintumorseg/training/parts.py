"""Parts of a training configuration: the optimizer, and a first part on smaller images."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from braintumorseg._core.checks import check_integer, check_range


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW (Loshchilov and Hutter 2019) with a linear warm-up, a cosine decay and a moving average of the weights.

    Attributes:
        learning_rate: The highest learning rate.
        warmup_steps: Batches of the warm-up, which begins at a twentieth of ``learning_rate``.
        final_share: Learning rate of the last step, as a share of the highest.
        weight_decay: Weight decay, decoupled from the gradient.
        clip_norm: Largest norm of all gradients together; 0 for any.
        ema: Momentum of the exponential moving average of the weights, at least 0 and below 1. Validation and presets use
            the averaged weights.

    Raises:
        ValueError: If an attribute is not as stated.
    """

    learning_rate: float = 1e-3
    warmup_steps: int = 200
    final_share: float = 0.02
    weight_decay: float = 1e-4
    clip_norm: float = 0.0
    ema: float = 0.995

    def __post_init__(self) -> None:
        check_range("learning_rate", self.learning_rate, 0, low_open=True)
        check_integer("warmup_steps", self.warmup_steps, 0)
        check_range("final_share", self.final_share, 0, 1)
        check_range("weight_decay", self.weight_decay, 0)
        check_range("clip_norm", self.clip_norm, 0)
        check_range("ema", self.ema, 0, 1, high_open=True)

    def build(self, steps: int) -> keras.optimizers.Optimizer:
        """Return the Keras optimizer of a run of so many steps."""
        warmup = min(self.warmup_steps, steps - 1)
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=self.learning_rate / 20 if warmup else self.learning_rate,
            decay_steps=steps - warmup,
            alpha=self.final_share,
            warmup_target=self.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        return keras.optimizers.AdamW(
            schedule,
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm or None,
            use_ema=True,
            ema_momentum=self.ema,
        )


@dataclass(frozen=True)
class CoarseConfig:
    """A first part of the training on smaller images, which takes less time and ends at the same Dice.

    Attributes:
        size: Side of the square images of this part, in pixels.
        steps: Steps of this part, out of those of the run; 0 for none.

    Raises:
        ValueError: If an attribute is not as stated.
    """

    size: int = 128
    steps: int = 0

    def __post_init__(self) -> None:
        check_integer("size", self.size, 8)
        check_integer("steps", self.steps, 0)
