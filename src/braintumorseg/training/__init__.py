"""Training: configurations, runs that go on where they were killed, and the recipes of the released weights."""

from braintumorseg.training.config import TrainConfig, recipes
from braintumorseg.training.parts import CoarseConfig, OptimizerConfig
from braintumorseg.training.pictures import plot_curves, plot_worst_slices
from braintumorseg.training.run import train

__all__ = [
    "CoarseConfig",
    "OptimizerConfig",
    "TrainConfig",
    "plot_curves",
    "plot_worst_slices",
    "recipes",
    "train",
]
