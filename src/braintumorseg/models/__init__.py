"""Architectures: one a file, each a builder that returns a functional ``keras.Model`` of stock layers."""

from braintumorseg.models.resunet import build_resunet
from braintumorseg.models.unet import build_unet

ARCHITECTURES = {"resunet": build_resunet, "unet": build_unet}
"""Builders by the name that configs and presets use."""

__all__ = ["ARCHITECTURES", "build_resunet", "build_unet"]
