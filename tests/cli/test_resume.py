"""What an earlier run with ``--resume`` finished counts only if nothing changed that decides its masks."""

from dataclasses import replace

import numpy as np
import pytest

from braintumorseg import Segmenter, load_pretrained
from braintumorseg.cli._resume import Record


@pytest.fixture(scope="module")
def segmenter():
    return load_pretrained("resunet-lgg-small")


def rounded_otherwise(segmenter):
    """The same network, as if it had been quantized again."""
    network = segmenter.network()
    table = {place: array * np.float32(1.01) for place, array in network.quantization.items()}
    return Segmenter(
        replace(network, quantization=table),
        segmenter.preprocessing,
        threshold=segmenter.threshold,
        min_voxels=segmenter.min_voxels,
        precision=segmenter.precision,
    )


@pytest.mark.parametrize(
    ("change", "options", "settings"),
    [
        (rounded_otherwise, {}, {}),
        (None, {"precision": "float32"}, {}),
        (None, {"engine": "onnxruntime"}, {}),
        (None, {"tta": True}, {}),
        (None, {"uncertainty": True}, {}),
        (None, {}, {"overlay": True}),
    ],
)
def test_what_was_made_otherwise_is_made_again(segmenter, tmp_path, change, options, settings):
    source, target = tmp_path / "study.nii.gz", tmp_path / "mask.nii.gz"
    source.touch()
    target.touch()
    Record(tmp_path, segmenter, segmenter.prediction(), {"overlay": False}).add(target, [source])
    assert Record(tmp_path, segmenter, segmenter.prediction(), {"overlay": False}).holds(target, [source])
    other = change(segmenter) if change else segmenter
    assert not Record(tmp_path, other, other.prediction(**options), {"overlay": False} | settings).holds(
        target, [source]
    )
