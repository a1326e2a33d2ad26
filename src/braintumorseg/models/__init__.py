"""Architectures: one a file, each a builder that returns a functional ``keras.Model`` of stock layers.

The names are imported at their first use: ``graph`` and ``topology``, which describe layers, need no Keras.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
