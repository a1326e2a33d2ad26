"""Pretrained models: each a folder of ``braintumorseg.json`` (what it is) and ``model.safetensors`` (its weights)."""

from braintumorseg.zoo.load import list_pretrained, load_pretrained

__all__ = ["list_pretrained", "load_pretrained"]
