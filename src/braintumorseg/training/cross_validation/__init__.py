"""Cross-validation: every patient is judged by a model that never saw that patient."""

from braintumorseg.training.cross_validation.result import CrossValidation
from braintumorseg.training.cross_validation.run import cross_validate

__all__ = ["CrossValidation", "cross_validate"]
