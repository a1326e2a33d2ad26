"""Where presets lie on the Hugging Face Hub: in which repository, at which commit, with which hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """A preset on the Hub that can't change: ``push_to_hub`` returns it, ``load_pretrained`` verifies against it.

    Attributes:
        repo: Such as ``"owner/resunet-lgg"``.
        commit: The full hash of the commit.
        sha256: Hash of each of the preset's files, ``braintumorseg.json`` and ``model.safetensors``.

    Examples:
        >>> from braintumorseg.presets import Pin
        >>> pin = Pin("me/mine", "1f0c5a4e9b7d2c3a8e6f4b1d0a9c8e7f6b5d4c3a", {"model.safetensors": "5e88..."})
        >>> f"hf://{pin.repo}@{pin.commit[:7]}"
        'hf://me/mine@1f0c5a4'
    """

    repo: str
    commit: str
    sha256: Mapping[str, str]


PINS: dict[str, Pin] = {}
"""What ``push_to_hub`` returned when the presets of this package were published, by name.

None has been published yet: all of them come with the package alone.
"""
