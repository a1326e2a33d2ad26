"""Pages that show what was found: one per study, and an index of a batch; each a single file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
