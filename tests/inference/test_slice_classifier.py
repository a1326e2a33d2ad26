import keras
import numpy as np
import pytest

from braintumorseg import DataError, Preprocessing, Segmenter, build_resunet
from braintumorseg.datasets import open_dataset
from braintumorseg.evaluation import classify_slices
from braintumorseg.inference import SliceClassifier, load_slice_classifier
from braintumorseg.models import build_classifier
from braintumorseg.training.fit_slice_classifier import encode_slices, fit_slice_classifier
from layouts import write_bids


@pytest.fixture(scope="module")
def made(small, studies):
    """A slice classifier with a head fitted on nine phantoms, its threshold chosen on three."""
    train, val = encode_slices(small, studies[:9]), encode_slices(small, studies[9:])
    return fit_slice_classifier(small, train, val, name="made"), train, val


def test_features_are_those_of_every_slice(made, studies):
    _, train, val = made
    assert train.values.shape == (90, 32)
    assert val.truth.tolist() == np.concatenate([study.mask.any(axis=(1, 2)) for study in studies[9:]]).tolist()
    assert train.names.tolist() == [study.name for study in studies[:9] for _ in range(10)]


def test_head_on_a_frozen_encoder_detects(made, studies, small):
    slice_classifier, _, _ = made
    held = classify_slices((study, slice_classifier.predict(study)) for study in studies[9:])
    assert held.auc > 0.8
    assert held.threshold == pytest.approx(slice_classifier.threshold, abs=0.02)
    trained = {weight.path: np.asarray(weight) for weight in small.model.weights}
    for weight in slice_classifier.model.weights:
        if not weight.path.startswith("probabilities"):
            np.testing.assert_array_equal(weight, trained[weight.path])
    assert "logistic regression on its pooled features, 90 slices of 9 patients" in slice_classifier.card.recipe


def test_saved_slice_classifier_predicts_the_same(made, studies, tmp_path):
    slice_classifier, _, _ = made
    again = load_slice_classifier(slice_classifier.save(tmp_path / "made"))
    np.testing.assert_array_equal(again.predict(studies[0]), slice_classifier.predict(studies[0]))
    assert (again.name, again.threshold, again.card) == (
        slice_classifier.name,
        slice_classifier.threshold,
        slice_classifier.card,
    )
    with pytest.raises(DataError, match="already exists"):
        slice_classifier.save(tmp_path / "made")
    (tmp_path / "made" / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match="damaged"):
        load_slice_classifier(tmp_path / "made")


def test_segmenter_asks_its_slice_classifier_first(made, studies, small):
    slice_classifier, _, _ = made
    study = studies[10]
    plain = small.predict(study, engine="keras")
    both = Segmenter(small.model, small.preprocessing, slice_classifier=slice_classifier).predict(study, engine="keras")
    suspect = slice_classifier.predict(study) >= slice_classifier.threshold
    assert 0 < suspect.sum() < len(suspect)
    np.testing.assert_allclose(both.probabilities[suspect], plain.probabilities[suspect], atol=1e-5)
    assert (both.probabilities[~suspect] == 0).all()


def leak(layer):
    """The same layer, or another rectifier, which has no weights either."""
    return keras.layers.LeakyReLU(name=layer.name) if isinstance(layer, keras.layers.ReLU) else layer


def test_slice_classifier_is_part_of_what_a_segmenter_is(made, small):
    slice_classifier, _, _ = made
    both = Segmenter(small.model, small.preprocessing, slice_classifier=slice_classifier)
    assert both.fingerprint() != small.fingerprint()
    stricter = SliceClassifier(slice_classifier.model, slice_classifier.preprocessing, threshold=0.99)
    leaky = SliceClassifier(
        keras.models.clone_model(slice_classifier.model, clone_function=leak), slice_classifier.preprocessing
    )
    leaky.model.set_weights(slice_classifier.model.get_weights())
    found = {
        Segmenter(small.model, small.preprocessing, slice_classifier=each).fingerprint()
        for each in (slice_classifier, stricter, leaky)
    }
    assert len(found) == 3
    other = SliceClassifier(build_classifier(filters=(4, 8)), Preprocessing(size=16))
    with pytest.raises(ValueError, match="slice_classifier must be one of the same preprocessing"):
        Segmenter(small.model, small.preprocessing, slice_classifier=other)


def test_wrong_models_and_names_are_refused(studies, small):
    with pytest.raises(ValueError, match="model must be a classifier of one probability"):
        SliceClassifier(build_resunet(filters=(4, 8)), Preprocessing(size=16))
    with pytest.raises(ValueError, match="name must be one of resunet-lgg-slices, or the folder"):
        load_slice_classifier("nothing")
    with pytest.raises(DataError, match="phantom-0: has no mask; a slice classifier is trained on masks"):
        encode_slices(small, [studies[0].with_mask(None)])
    few = encode_slices(small, studies[:2])
    with pytest.raises(ValueError, match="train must be at least 5 patients"):
        fit_slice_classifier(small, few, few, name="few")


def test_slices_of_a_dataset_are_known_by_patient(small, tmp_path):
    features = encode_slices(small, open_dataset(write_bids(tmp_path)))
    assert sorted(set(features.names.tolist())) == ["sub-01", "sub-02"]
