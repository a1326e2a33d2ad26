"""The shape of a tumour as numbers: ellipsoid, margin, sphericity, diameters."""

from braintumorseg.cohort.shape.ellipsoid import Ellipsoid, enclosing_ellipsoid
from braintumorseg.cohort.shape.features import shape_features
from braintumorseg.cohort.shape.table import shape_table

__all__ = ["Ellipsoid", "enclosing_ellipsoid", "shape_features", "shape_table"]
