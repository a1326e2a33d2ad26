"""Architectures: one a file, each a builder that returns a functional ``keras.Model`` of stock layers."""

from braintumorseg.models.architecture import ARCHITECTURES, BUILDERS, architecture_of
from braintumorseg.models.classifier import build_classifier
from braintumorseg.models.resunet import build_resunet
from braintumorseg.models.unet import build_unet

__all__ = ["ARCHITECTURES", "BUILDERS", "architecture_of", "build_classifier", "build_resunet", "build_unet"]
