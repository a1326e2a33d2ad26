from .batch import Predicted as Predicted
from .batch import predict_many as predict_many
from .batch import run_many as run_many
from .postprocessing import to_mask as to_mask
from .segmenter import Segmenter as Segmenter
from .slice_classifier import SliceClassifier as SliceClassifier
from .slice_classifier import load_slice_classifier as load_slice_classifier
from .stages import Prediction as Prediction
