from .skull import find_brain as find_brain
from .skull import strip_skull as strip_skull
from .transform import Placement as Placement
from .transform import Prepared as Prepared
from .transform import Preprocessing as Preprocessing
