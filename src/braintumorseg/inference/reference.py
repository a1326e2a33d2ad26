"""Measuring what predictions of a model are judged by, on the studies that trained it."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike

from braintumorseg.findings.evidence import describe_output, gather_evidence
from braintumorseg.findings.reference import Reference
from braintumorseg.inference.segmenter import Segmenter
from braintumorseg.inference.sources import as_study
from braintumorseg.study import Study


def measure_reference(segmenter: Segmenter, studies: Iterable[Study | str | PathLike[str]], source: str) -> Reference:
    """Measure what predictions of a segmenter are judged by: its training studies, and what it finds in them.

    ``train`` does so at its end, and stores it in the preset. For a model that was trained otherwise, give the result to
    ``Segmenter(reference=...)``; ``Segmenter.save`` then stores it.

    Args:
        segmenter: The segmenter; its default precision is used.
        studies: At least ten studies that trained it, or their paths; each is in memory alone. Of those with masks, the size
            of the drawn tumours is measured too.
        source: What to call the studies together, such as ``"the 77 train patients of the LGG dataset"``.

    Raises:
        DataError: If a study can't be read or predicted.
        ValueError: If there are fewer than ten studies.

    Examples:
        >>> from braintumorseg import load_pretrained, make_study
        >>> from braintumorseg.inference import measure_reference
        >>> segmenter = load_pretrained("resunet-lgg-small")
        >>> studies = (make_study(seed, shape=(4, 64, 64)) for seed in range(10))
        >>> segmenter.reference = measure_reference(segmenter, studies, "ten phantoms")
        >>> segmenter.reference.studies
        10
    """
    prediction, rows = segmenter.prediction(), []
    preprocessing = segmenter.preprocessing
    for each in studies:
        study = as_study(each)
        prepared = prediction.prepare(study)
        images = prepared.images
        probabilities = prediction.labelling.tumor(prediction.compute(prepared).images)
        row = gather_evidence(images, preprocessing.sequences, probabilities, segmenter.threshold)
        if study.mask is not None:
            drawn = preprocessing.apply_mask(study.mask, prepared.placement)
            row["true share"] = describe_output(images, preprocessing.sequences, drawn, 0.5)["tumour share"]
        rows.append(row)
    return Reference.fit(rows, source)
