"""Find brain tumours in MRI.

The public names are listed in ``__init__.pyi``, the one table of the API; each is imported at its first use, so that
``import braintumorseg`` is quick and loads neither TensorFlow nor Keras.
"""

import lazy_loader

from braintumorseg._core.after_import import import_after
from braintumorseg._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# So that keras.models.load_model finds our losses, metrics and layers without an import of each.
import_after("keras", ("braintumorseg.augmentation", "braintumorseg.losses", "braintumorseg.metrics"))
# So that Segmenter.from_preset finds its loader, which stands above it.
import_after("braintumorseg.inference.segmenter", ("braintumorseg.zoo.load",))
