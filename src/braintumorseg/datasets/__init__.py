"""Data to train and judge on: the LGG dataset, splits by patient, synthetic studies."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
