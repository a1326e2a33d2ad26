"""Pages that show what was found: one a study, and one that leads to those of a batch; each a single file."""

from braintumorseg.report.index import IndexEntry, write_index
from braintumorseg.report.study import write_report

__all__ = ["IndexEntry", "write_index", "write_report"]
