"""How well a segmenter does on studies with known masks, in scores that name how they were counted."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
