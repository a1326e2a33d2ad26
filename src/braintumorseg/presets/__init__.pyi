from .bundled import bundled_presets as bundled_presets
from .bundled import list_pretrained as list_pretrained
from .bundled import verify_pretrained as verify_pretrained
from .card import Card as Card
from .pins import Pin as Pin
from .preset import CONFIG_FILE as CONFIG_FILE
from .scores import Drop as Drop
from .scores import Score as Score
