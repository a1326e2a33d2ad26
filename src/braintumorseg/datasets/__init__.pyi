from .lgg import LGGDataset as LGGDataset
from .phantom import make_study as make_study
from .project_split import lgg_split as lgg_split
from .splits import stratified_folds as stratified_folds
from .splits import stratified_split as stratified_split
