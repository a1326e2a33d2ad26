from .lgg import LGGDataset as LGGDataset
from .lgg import lgg_split as lgg_split
from .phantom import make_study as make_study
from .splits import stratified_folds as stratified_folds
from .splits import stratified_split as stratified_split
