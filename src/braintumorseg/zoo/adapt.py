"""Adapt a segmenter for fine-tuning: other classes, other sequences, new weights, a frozen encoder."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from braintumorseg._core.checks import check_in, wrong
from braintumorseg._core.optional import lazy
from braintumorseg.inference.labelling import Labelling
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.presets.card import Card
from braintumorseg.runtimes.network import variables_of, weights_of
from braintumorseg.study import NAMES, TumorClass, are_sequences, as_classes

if TYPE_CHECKING:
    import keras

_models = lazy("braintumorseg.models")

_log = logging.getLogger(__name__)

_ENCODER = re.compile(r"(encoder_\d+|bottleneck)_.*")


def adapt(
    segmenter: Segmenter,
    *,
    classes: int | Sequence[str | TumorClass] | Mapping[str, int] | None = None,
    nested: bool = False,
    channels: int | Sequence[str] | None = None,
    weights: bool = True,
    freeze: str | None = None,
) -> Segmenter:
    """Return a segmenter to start fine-tuning from; the same one where nothing is to be changed.

    Weights are kept wherever they fit. A new head is drawn anew. The first layer's kernels of the sequences that stay are
    kept, and those of a sequence that goes are added to FLAIR's: a study without it gives just what the segmenter gave, which
    puts a copy of the FLAIR in its place.

    The new segmenter's card states its origin alone, in ``recipe``: the licence of the weights, which of them were kept, and
    how they were trained. Its data, split, limits and scores are left empty, since they follow from the new training.

    Args:
        segmenter: Of a model that ``build_unet`` or ``build_resunet`` builds.
        classes: The classes of tumour, in any form that ``as_classes`` takes, without the background. Several exclude each
            other (softmax).
        nested: Whether each class is to lie within the one before it (sigmoid).
        channels: The sequences of the model's input, such as ``("flair", "t1ce")``; 1 for the FLAIR alone.
        weights: Whether to keep weights; all are drawn anew if not.
        freeze: ``"encoder"`` to train neither the encoder nor the bottleneck, except layers whose weights were not kept as
            they are; frozen normalisations use the statistics that they have.

    Raises:
        ValueError: If an argument is not as stated.
    """
    check_in("freeze", freeze, (None, "encoder"))
    wanted = segmenter.labelling if classes is None else Labelling(as_classes(classes), nested)
    if nested and len(wanted.classes) == 1:
        msg = wrong("nested", "False for one class; classes= names several", nested)
        raise ValueError(msg)
    if freeze and not weights:
        msg = wrong("freeze", "None where weights=False, for new weights have to be trained", repr(freeze))
        raise ValueError(msg)
    if classes is None and channels is None and weights and freeze is None:
        return segmenter
    architecture = _models.architecture_of(segmenter.model)
    before = segmenter.preprocessing.sequences
    # What preprocessing puts in the place of a sequence that a study lacks.
    reference = segmenter.preprocessing.fill_from[0]
    sequences = before if channels is None else _sequences(channels, reference)
    changed = architecture | {"input_shape": [*architecture["input_shape"][:2], len(sequences)]}
    if wanted != segmenter.labelling:
        exclusive = wanted.channels > len(wanted.classes)
        changed |= {"classes": len(wanted.classes), "activation": "softmax" if exclusive else "sigmoid"}
    if weights and changed == architecture and sequences == before and wanted == segmenter.labelling:
        _freeze(segmenter.model, freeze, ())
        return segmenter

    model = _models.ARCHITECTURES[changed["name"]](**{key: value for key, value in changed.items() if key != "name"})
    old = weights_of(segmenter.model) if weights else {}
    drawn, adapted = _transfer(old, model, before, sequences, reference)
    _freeze(model, freeze, (*drawn, *adapted))
    record = _record(_origin(segmenter) if weights else segmenter.name, model, drawn, adapted, sequences)
    _log.warning("%s%s", record, "; train it before you predict with it" if drawn else "")
    return Segmenter(
        model,
        replace(segmenter.preprocessing, sequences=sequences),
        threshold=segmenter.threshold,
        min_voxels=segmenter.min_voxels,
        name=f"{segmenter.name}-adapted",
        card=_card(segmenter, record, weights=weights),
        classes=wanted.classes,
        nested=wanted.nested,
    )


def _sequences(channels: int | Sequence[str], reference: str) -> tuple[str, ...]:
    names = (reference,) if channels == 1 else () if isinstance(channels, (int, str)) else tuple(channels)
    if not are_sequences(names):
        msg = wrong("channels", f"1 (FLAIR alone), or {NAMES}", repr(channels))
        raise ValueError(msg)
    return names


def _transfer(
    old: Mapping[str, NDArray[np.float32]],
    model: keras.Model,
    before: Sequence[str],
    after: Sequence[str],
    reference: str,
) -> tuple[list[str], list[str]]:
    """Give a model the old weights that fit it; name the layers with weights drawn anew, and those with adapted ones."""
    first = {layer.name for layer in model.layers if layer.weights and layer.input is model.inputs[0]}
    drawn, adapted = [], []
    for path, variable in variables_of(model).items():
        layer, _, kind = path.rpartition("/")
        array = old.get(path)
        if array is not None and layer in first and kind == "kernel" and before != after:
            array = np.einsum("hwio,ij->hwjo", array, _shares(before, after, reference))
            adapted.append(layer)
        if array is None or array.shape != tuple(variable.shape):
            drawn.append(layer)
        else:
            variable.assign(array)
    return list(dict.fromkeys(drawn)), adapted


def _shares(before: Sequence[str], after: Sequence[str], reference: str) -> NDArray[np.float32]:
    """Return how much of each old sequence's kernel goes into each new sequence's, ``(old, new)``.

    Each row sums to 1, so that sequences that are all alike give what they gave. What stays keeps its kernel, what goes
    gives it to the reference, FLAIR (to all that stay alike, where FLAIR is not one of them), and what is new gets the mean,
    scaled.
    """
    staying = [name for name in after if name in before]
    heirs = [reference] if reference in staying else staying
    shares = np.full((len(before), len(after)), 1 / len(after), np.float32)
    for row, name in zip(shares, before, strict=True):
        own = [name] if name in after else heirs
        for column, target in enumerate(after):
            if target in staying:
                row[column] = (target in own) / len(own) * len(staying) / len(after)
    return shares


def freeze_encoder(model: keras.Model, changed: Sequence[str] = ()) -> None:
    """Train neither the encoder nor the bottleneck of a model, but for the layers named in ``changed``."""
    for layer in model.layers:
        if _ENCODER.fullmatch(layer.name) and layer.name not in changed:
            layer.trainable = False


def _freeze(model: keras.Model, freeze: str | None, changed: Sequence[str]) -> None:
    if freeze:
        freeze_encoder(model, changed)


def _origin(segmenter: Segmenter) -> str:
    """Return a segmenter's name with the licence of its weights, which binds those that are made from them."""
    return f"{segmenter.name} (licence: {(segmenter.card or Card()).stated('licence')})"


def _record(
    origin: str, model: keras.Model, drawn: Sequence[str], adapted: Sequence[str], sequences: Sequence[str]
) -> str:
    """Return the origin of a model, and which of its weights were kept."""
    sizes = {layer.name: layer.count_params() for layer in model.layers}
    kept = model.count_params() - sum(sizes[layer] for layer in (*drawn, *adapted))
    parts = [f"adapted from {origin}: {kept:,} of {model.count_params():,} weights kept"]
    if adapted:
        parts.append(f"kernels combined to the sequences {', '.join(sequences)} in {', '.join(adapted)}")
    if drawn:
        parts.append(f"drawn anew: {', '.join(drawn) if kept else 'all'}")
    return "; ".join(parts)


def _card(segmenter: Segmenter, record: str, *, weights: bool) -> Card:
    """Return the card of an adapted segmenter: its origin, and nothing of the origin's data, limits and scores."""
    recipe = segmenter.card.recipe if weights and segmenter.card else ""
    return Card(recipe=f"{record}; {segmenter.name}: {recipe}" if recipe else record)
