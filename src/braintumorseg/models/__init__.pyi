from .architecture import ARCHITECTURES as ARCHITECTURES
from .architecture import architecture_of as architecture_of
from .architecture import graph_of as graph_of
from .classifier import build_classifier as build_classifier
from .resunet import build_resunet as build_resunet
from .unet import build_unet as build_unet
