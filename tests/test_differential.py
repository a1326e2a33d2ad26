"""A few of the phantoms of `differential.py`; all of them take minutes."""

import pytest

from braintumorseg import load_pretrained
from differential import FORMATS, LEAST, check

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def segmenter():
    return load_pretrained("resunet-lgg-small")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("seed", range(4))
def test_the_same_head_in_another_file_gives_the_same_mask(kind, seed, segmenter, tmp_path):
    same, voxels, changes = check(segmenter, seed, kind, tmp_path)
    assert voxels > 100
    assert same >= LEAST, changes
