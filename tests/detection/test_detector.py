import numpy as np
import pytest

from braintumorseg import (
    DataError,
    Detector,
    Preprocessing,
    Segmenter,
    build_classifier,
    build_resunet,
    detect,
    load_detector,
)
from braintumorseg.detection.head import encode, fit_detector


@pytest.fixture(scope="module")
def made(small, studies):
    """A detector with a head fitted on nine phantoms, its threshold chosen on three."""
    train, val = encode(small, studies[:9]), encode(small, studies[9:])
    return fit_detector(small, train, val, name="made"), train, val


def test_features_are_those_of_every_slice(made, studies):
    _, train, val = made
    assert train.values.shape == (90, 32)
    assert val.truth.tolist() == np.concatenate([study.mask.any(axis=(1, 2)) for study in studies[9:]]).tolist()
    assert train.names.tolist() == [study.name for study in studies[:9] for _ in range(10)]


def test_head_on_a_frozen_encoder_detects(made, studies, small):
    detector, _, _ = made
    held = detect((study, detector.predict(study)) for study in studies[9:])
    assert held.auc > 0.8
    assert held.threshold == pytest.approx(detector.threshold, abs=0.02)
    trained = {weight.path: np.asarray(weight) for weight in small.model.weights}
    for weight in detector.model.weights:
        if not weight.path.startswith("probabilities"):
            np.testing.assert_array_equal(weight, trained[weight.path])
    assert "logistic regression on its pooled features, 90 slices of 9 patients" in detector.card.recipe


def test_saved_detector_predicts_the_same(made, studies, tmp_path):
    detector, _, _ = made
    again = load_detector(detector.save(tmp_path / "made"))
    np.testing.assert_array_equal(again.predict(studies[0]), detector.predict(studies[0]))
    assert (again.name, again.threshold, again.card) == (detector.name, detector.threshold, detector.card)
    with pytest.raises(DataError, match="exists already"):
        detector.save(tmp_path / "made")
    (tmp_path / "made" / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match="damaged"):
        load_detector(tmp_path / "made")


def test_segmenter_asks_its_detector_first(made, studies, small):
    detector, _, _ = made
    study = studies[10]
    plain = small.predict(study, engine="keras")
    both = Segmenter(small.model, small.preprocessing, detector=detector).predict(study, engine="keras")
    suspect = detector.predict(study) >= detector.threshold
    assert 0 < suspect.sum() < len(suspect)
    np.testing.assert_allclose(both.probabilities[suspect], plain.probabilities[suspect], atol=1e-5)
    assert (both.probabilities[~suspect] == 0).all()


def test_detector_is_part_of_what_a_segmenter_is(made, small):
    detector, _, _ = made
    both = Segmenter(small.model, small.preprocessing, detector=detector)
    assert both.fingerprint() != small.fingerprint()
    other = Detector(build_classifier(filters=(4, 8)), Preprocessing(size=16))
    with pytest.raises(ValueError, match="detector must be one of the same preprocessing"):
        Segmenter(small.model, small.preprocessing, detector=other)


def test_wrong_models_and_names_are_refused(studies, small):
    with pytest.raises(ValueError, match="model must be a classifier of one probability"):
        Detector(build_resunet(filters=(4, 8)), Preprocessing(size=16))
    with pytest.raises(ValueError, match="name must be one of resunet-lgg-detector, or the folder"):
        load_detector("nothing")
    with pytest.raises(DataError, match="phantom-0: has no mask; a detector is trained on masks"):
        encode(small, [studies[0].with_mask(None)])
    few = encode(small, studies[:2])
    with pytest.raises(ValueError, match="train must be at least 5 patients"):
        fit_detector(small, few, few, name="few")
