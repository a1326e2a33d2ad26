from .measuring import measure_findings as measure_findings
from .quality import Quality as Quality
from .quality import QualityFlag as QualityFlag
from .quality import QualityReference as QualityReference
from .quality import assess_quality as assess_quality
from .records import Findings as Findings
from .records import Region as Region
from .writing import write_findings as write_findings
