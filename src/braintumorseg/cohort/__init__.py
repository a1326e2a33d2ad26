"""Research on many patients: shape of tumours, association with genomics, exploration of a dataset."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
