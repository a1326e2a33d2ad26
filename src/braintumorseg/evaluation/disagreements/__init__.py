"""Slices on which a confident prediction and the mask disagree: found, and shown to whoever judges the labels."""

from braintumorseg.evaluation.disagreements.finding import Disagreement, find_disagreements
from braintumorseg.evaluation.disagreements.report import write_disagreements

__all__ = ["Disagreement", "find_disagreements", "write_disagreements"]
