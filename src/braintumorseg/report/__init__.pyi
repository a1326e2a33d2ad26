from .index import IndexEntry as IndexEntry
from .index import write_index as write_index
from .study import write_report as write_report
