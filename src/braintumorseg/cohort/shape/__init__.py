"""The shape of a tumour as numbers: ellipsoid, margin, sphericity, diameters."""

from braintumorseg.cohort.shape.ellipsoid import Ellipsoid, enclosing_ellipsoid
from braintumorseg.cohort.shape.features import shape_features

__all__ = ["Ellipsoid", "enclosing_ellipsoid", "shape_features"]
