"""What predictions are judged by, from the studies of a model to the notes of its predictions."""

import numpy as np
import pytest

from braintumorseg import Preprocessing, Segmenter, build_unet, load_pretrained, make_study, predict_many
from braintumorseg.inference import measure_reference
from braintumorseg.presets import list_pretrained

SHAPE = (6, 64, 64)


@pytest.fixture(scope="module")
def segmenter():
    """A model that was never trained: it finds half of everything, or nothing."""
    return Segmenter(build_unet(filters=(4, 8)), Preprocessing(size=32), threshold=0.3, name="untrained")


@pytest.fixture(scope="module")
def reference(segmenter):
    return measure_reference(segmenter, (make_study(seed, shape=SHAPE) for seed in range(10)), "ten phantoms")


def test_a_reference_travels_with_its_preset(segmenter, reference, tmp_path):
    assert "true share" in reference.quantiles
    assert (reference.source, reference.studies, segmenter.reference) == ("ten phantoms", 10, None)
    segmenter.reference = reference
    loaded = load_pretrained(segmenter.save(tmp_path / "mine"))
    fingerprint = segmenter.fingerprint()
    segmenter.reference = None
    assert loaded.reference == reference
    assert loaded.fingerprint() == fingerprint != segmenter.fingerprint()


def test_an_adapted_model_has_no_reference_of_its_own():
    segmenter = load_pretrained("resunet-lgg-small")
    assert segmenter.reference is not None
    assert load_pretrained("resunet-lgg-small", channels=1).reference is None


@pytest.mark.parametrize("name", list_pretrained().index)
def test_released_presets_have_a_reference(name):
    reference = load_pretrained(name).reference
    assert (reference.source, reference.studies) == ("the 77 train patients of the LGG dataset", 77)


def test_a_model_that_finds_everything_is_doubted_without_a_reference(segmenter):
    found = segmenter.predict(make_study(0, shape=SHAPE))
    assert found.voxels > 0.5 * np.prod(SHAPE)
    assert {"uncertain", "volume", "place"} <= found.doubts.keys()
    assert found.notes == tuple(found.doubts.values())
    assert found.evidence["tumour share"] > 0.4


def test_a_head_without_tumour_on_which_one_is_found_is_noted():
    """The notes of ``predict`` and of ``predict_many`` are the same."""
    segmenter = load_pretrained("resunet-lgg")
    study = make_study(seed=0, tumours=0)
    found = segmenter.predict(study)
    assert found.voxels > 0
    assert list(found.doubts) == ["uncertain"]
    assert found.notes == (found.doubts["uncertain"],)
    (many,) = predict_many(segmenter, [study], read=lambda each: each)
    assert many.segmentation.notes == found.notes


def test_pieces_that_are_dropped_as_too_small_are_not_doubted(segmenter):
    strict = Segmenter(segmenter.model, segmenter.preprocessing, threshold=0.3, min_voxels=10**6)
    found = strict.predict(make_study(0, shape=SHAPE))
    assert (found.voxels, dict(found.doubts), found.notes) == (0, {}, ())
