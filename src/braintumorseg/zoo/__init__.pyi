from .card_writer import write_card as write_card
from .load import load_pretrained as load_pretrained
from .publish import push_to_hub as push_to_hub
from .quantize import Quantized as Quantized
from .quantize import quantize as quantize
