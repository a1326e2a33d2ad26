"""What a newcomer to the LGG dataset wants to see first: pictures, counts, oddities."""

from braintumorseg.cohort.exploration.explore import Exploration, explore
from braintumorseg.cohort.exploration.report import EXPLORATION_FILES, write_exploration

__all__ = ["EXPLORATION_FILES", "Exploration", "explore", "write_exploration"]
