from .findings import Findings as Findings
from .findings import Region as Region
from .findings import measure_findings as measure_findings
from .findings import write_findings as write_findings
from .quality import Quality as Quality
from .quality import QualityFlag as QualityFlag
from .quality import QualityReference as QualityReference
from .quality import assess_quality as assess_quality
