"""Load and list what is bundled with the package."""

from __future__ import annotations

from functools import partial
from os import PathLike
from pathlib import Path

from braintumorseg._checks import wrong
from braintumorseg.segmenter import Segmenter
from braintumorseg.zoo.preset import CONFIG_FILE, Preset, build_model, read_preset, read_weights

_BUNDLED = Path(__file__).parent / "presets"


def list_pretrained() -> list[str]:
    """Return the names that ``load_pretrained`` takes.

    Examples:
        >>> from braintumorseg import list_pretrained
        >>> "resunet-lgg" in list_pretrained()
        True
    """
    return sorted(path.parent.name for path in _BUNDLED.glob(f"*/{CONFIG_FILE}"))


def load_pretrained(name: str | PathLike[str]) -> Segmenter:
    """Load a pretrained model with its preprocessing, its threshold and its card.

    The weights are verified by their SHA-256 here; the Keras model is built at the first prediction or at the first
    touch of ``.model``. Works without a network.

    Args:
        name: A name out of ``list_pretrained()``, such as ``"resunet-lgg"``, or the folder of a preset, such as the ``best`` of
            a training run; names come first.

    Returns:
        A segmenter that is ready to predict.

    Raises:
        ValueError: If there is neither such a name nor such a folder.
        DataError: If the folder's files are damaged.

    Examples:
        >>> from braintumorseg import load_pretrained
        >>> segmenter = load_pretrained("resunet-lgg")
        >>> segmenter.preprocessing.sequences
        ('pre', 'flair', 'post')
    """
    folder = _BUNDLED / name if str(name) in list_pretrained() else Path(name)
    if not (folder / CONFIG_FILE).is_file():
        allowed = f"one of {', '.join(list_pretrained())}, or a folder that holds {CONFIG_FILE}"
        msg = wrong("name", allowed, repr(str(name)))
        raise ValueError(msg)
    preset: Preset = read_preset(folder)
    return Segmenter(
        partial(build_model, preset, read_weights(folder, preset)),
        preset.preprocessing,
        threshold=preset.threshold,
        min_voxels=preset.min_voxels,
        name=preset.name,
        card=preset.card,
    )
