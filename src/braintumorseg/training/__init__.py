"""Training: configurations, runs that go on where they were killed, and the recipes of the released weights."""

from braintumorseg.training.config import TrainConfig, recipes
from braintumorseg.training.parts import CoarseConfig, OptimizerConfig, TeacherConfig
from braintumorseg.training.pictures import plot_curves, plot_worst_slices
from braintumorseg.training.run import train

__all__ = [
    "CoarseConfig",
    "OptimizerConfig",
    "TeacherConfig",
    "TrainConfig",
    "plot_curves",
    "plot_worst_slices",
    "recipes",
    "train",
]
