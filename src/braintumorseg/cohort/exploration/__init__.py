"""What a newcomer to the LGG dataset wants to see first: pictures, counts, oddities."""

from braintumorseg.cohort.exploration.explore import Exploration, explore
from braintumorseg.cohort.exploration.report import write_exploration

__all__ = ["Exploration", "explore", "write_exploration"]
