"""The shape of a tumour as numbers: ellipsoid, margin, sphericity, diameters."""

from braintumorseg.shape.ellipsoid import Ellipsoid, enclosing_ellipsoid
from braintumorseg.shape.features import shape_features

__all__ = ["Ellipsoid", "enclosing_ellipsoid", "shape_features"]
