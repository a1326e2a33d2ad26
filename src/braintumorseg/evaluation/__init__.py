"""How well a segmenter does on studies with known masks, in figures that name how they were counted."""

from braintumorseg.evaluation.comparison import Comparison, compare
from braintumorseg.evaluation.evaluate import evaluate, score
from braintumorseg.evaluation.intervals import bootstrap_interval
from braintumorseg.evaluation.pictures import plot_dice
from braintumorseg.evaluation.report import write_evaluation
from braintumorseg.evaluation.table import Evaluation, Summary

__all__ = [
    "Comparison",
    "Evaluation",
    "Summary",
    "bootstrap_interval",
    "compare",
    "evaluate",
    "plot_dice",
    "score",
    "write_evaluation",
]
