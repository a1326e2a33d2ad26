"""Pretrained models: each a folder of ``braintumorseg.json`` (what it is) and ``model.safetensors`` (its weights)."""
