from .bundled import list_pretrained as list_pretrained
from .bundled import verify_pretrained as verify_pretrained
from .card import Card as Card
from .card import Drop as Drop
from .card import Figure as Figure
from .pins import Pin as Pin
