"""Load a pretrained model: from the package, from a folder, or from the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from braintumorseg.inference.segmenter import Segmenter, register_loader
from braintumorseg.presets.reader import read_network, read_preset
from braintumorseg.study import TumorClass
from braintumorseg.zoo.adapt import adapt
from braintumorseg.zoo.sources import Source, locate


def load_pretrained(
    name: str | PathLike[str],
    *,
    revision: str | None = None,
    source: Source = "auto",
    cache_dir: str | PathLike[str] | None = None,
    classes: int | Sequence[str | TumorClass] | Mapping[str, int] | None = None,
    nested: bool = False,
    channels: int | Sequence[str] | None = None,
    weights: bool = True,
    freeze: str | None = None,
) -> Segmenter:
    """Load a pretrained model with its preprocessing, its threshold and its card.

    The weights are verified by their SHA-256 here; the Keras model is built at the first touch of ``.model``, and
    predictions on the CPU need none. Nothing that is downloaded is executed or unpickled: the architecture is a
    list of stock layers with checked settings.

    Args:
        name: A name out of ``list_pretrained()``, such as ``"resunet-lgg"``; ``"hf://owner/repo"`` or
            ``"hf://owner/repo@revision"`` for a preset on the Hugging Face Hub; or the folder of a preset, such as the
            ``best`` of a training run. Names come first.
        revision: Commit, branch or tag on the Hub; the commit that this version of the package pins, or ``main``, if not
            given. A commit that is in the cache is loaded without any request.
        source: ``"auto"`` takes the copy that comes with the package, else the cache's, else the Hub's; ``"hub"`` always
            downloads; ``"bundled"`` never touches the network.
        cache_dir: Folder of downloads; the Hub's own, ``$HF_HOME/hub``, if not given. The Hub's own variables are
            honoured: ``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_TOKEN``, ``HF_ENDPOINT`` and those of proxies.
        classes: For fine-tuning: the classes of tumour, in any form that ``as_classes`` takes, such as 3 or
            ``{"necrosis": 1, "edema": 2, "enhancing": 4}``; the background is not counted. A head of other classes than the
            preset's is drawn anew. Several classes exclude each other (softmax, with a channel for the background).
        nested: Whether each class is to lie within the one before it, from the whole tumour inwards (sigmoid).
        channels: For fine-tuning: the sequences of the input, such as ``("flair", "t1ce")``; 1 for the FLAIR alone. The first
            layer keeps the kernels of the sequences that stay, and adds those of the others to FLAIR's, so that a study
            without these gives what it gave.
        weights: ``False`` for the same architecture with all weights drawn anew.
        freeze: ``"encoder"`` to train neither the encoder nor the bottleneck, but for a first layer that was adapted.

    Returns:
        A segmenter that is ready to predict. One with other classes, channels or weights has to be trained first: it is
        called ``<name>-adapted``. Its card states its origin alone, in ``recipe``: the licence of the preset's weights, and
        which of them were kept.

    Raises:
        ValueError: If there is neither such a name nor such a folder, an argument is not as stated, or two of them
            contradict each other.
        DataError: If the files are damaged, or can't be had from the Hub and are not in the cache.

    Examples:
        >>> from braintumorseg import load_pretrained
        >>> segmenter = load_pretrained("resunet-lgg")
        >>> segmenter.preprocessing.sequences
        ('t1', 'flair', 't1ce')
        >>> to_tune = load_pretrained("resunet-lgg", classes=3, channels=("flair", "t1ce"), freeze="encoder")
        >>> to_tune.model.input_shape, to_tune.model.output_shape
        ((None, None, None, 2), (None, None, None, 4))
        >>> to_tune.card.recipe.split(": ")[2].split(";")[0]
        '2,035,056 of 2,035,444 weights kept'
    """
    folder = locate(name, revision=revision, source=source, cache_dir=cache_dir)
    preset = read_preset(folder)
    segmenter = Segmenter(
        read_network(folder, preset),
        preset.preprocessing,
        threshold=preset.threshold,
        min_voxels=preset.min_voxels,
        name=preset.name,
        card=preset.card,
        precision=preset.precision,
        reference=preset.reference,
        classes=preset.classes,
        nested=preset.nested,
    )
    return adapt(segmenter, classes=classes, nested=nested, channels=channels, weights=weights, freeze=freeze)


register_loader(load_pretrained)
