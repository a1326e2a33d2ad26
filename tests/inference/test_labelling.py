import keras
import numpy as np
import pytest

from braintumorseg import (
    Preprocessing,
    Segmenter,
    build_resunet,
    build_unet,
    evaluate,
    load_pretrained,
    make_study,
    measure_findings,
    overlay,
    write_report,
)
from braintumorseg.inference.labelling import Labelling
from braintumorseg.study import BRATS, TumorClass, as_classes

SHAPE = (3, 4, 5)


def test_exclusive_classes_take_the_most_probable_one():
    shares = np.random.default_rng(0).dirichlet(np.ones(4), SHAPE).astype(np.float32)
    labelling = Labelling(BRATS)
    assert labelling.channels == 4
    tumour = labelling.tumor(shares)
    np.testing.assert_allclose(tumour, 1 - shares[..., 0], atol=1e-6)
    mask = tumour >= 0.5
    labels = labelling.to_labels(mask, labelling.of_classes(shares), 0.5)
    expected = np.where(mask, np.array([1, 2, 4])[shares[..., 1:].argmax(-1)], 0)
    assert np.array_equal(labels, expected)


def test_nested_regions_lie_within_each_other():
    shares = np.random.default_rng(0).random((*SHAPE, 3)).astype(np.float32)
    labelling = Labelling(as_classes({"whole": 2, "core": 1, "enhancing": 4}), nested=True)
    assert labelling.channels == 3
    mask = labelling.tumor(shares) >= 0.5
    labels = labelling.to_labels(mask, shares, 0.5)
    core = mask & (shares[..., 1] >= 0.5)
    expected = np.where(core & (shares[..., 2] >= 0.5), 4, np.where(core, 1, np.where(mask, 2, 0)))
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize("nested", [False, True])
def test_small_components_of_a_class_join_another(nested):
    classes = (TumorClass("a", 1), TumorClass("b", 2, min_voxels=3))
    mask = np.ones((1, 6, 6), bool)
    shares = np.zeros((1, 6, 6, 2), np.float32)
    shares[..., 0] = 0.6
    shares[0, 0, :2, 1] = shares[0, 3, :4, 1] = 0.9
    labels = Labelling(classes, nested).to_labels(mask, shares, 0.5)
    assert (labels == 2).sum() == 4
    assert (labels[0, 3, :4] == 2).all()


def test_background_that_no_network_gave_is_no_tumour():
    """Where a slice classifier leaves a slice out, all channels are 0."""
    assert not Labelling(BRATS).tumor(np.zeros((*SHAPE, 4), np.float32)).any()


@pytest.mark.parametrize(
    ("channels", "activation", "options", "names", "nested"),
    [
        (1, "sigmoid", {}, ["tumor"], False),
        (4, "softmax", {}, ["class 1", "class 2", "class 3"], False),
        (3, "sigmoid", {}, ["class 1", "class 2", "class 3"], True),
        (4, "softmax", {"classes": BRATS}, ["necrosis", "edema", "enhancing"], False),
        (3, "sigmoid", {"classes": BRATS, "nested": True}, ["necrosis", "edema", "enhancing"], True),
    ],
)
def test_classes_follow_from_the_model(channels, activation, options, names, nested):
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Conv2D(channels, 1, activation=activation)(inputs)
    segmenter = Segmenter(keras.Model(inputs, outputs), Preprocessing(size=32), **options)
    assert [each.name for each in segmenter.classes] == names
    assert segmenter.labelling.nested == nested
    assert segmenter.predict(make_study(0, shape=(3, 64, 64))).nested == nested


@pytest.mark.parametrize(
    ("channels", "options", "message"),
    [
        (1, {"classes": 3}, "output channels, for the .* class 1, class 2, class 3; got 1 channels"),
        (3, {"classes": 1}, "one of one output channel, the tumour's probability; classes= names several; got 3"),
        (3, {"classes": 3, "nested": False}, "one of 4 output channels, for the background and the classes"),
    ],
)
def test_a_model_of_other_outputs_is_refused(channels, options, message):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(channels, 1, activation="sigmoid")(inputs))
    with pytest.raises(ValueError, match=message):
        Segmenter(model, Preprocessing(size=32), **options).predict(make_study(0, shape=(3, 64, 64)))


def test_softmax_heads_have_a_channel_for_the_background():
    assert build_unet(classes=3, activation="softmax", filters=(4, 8)).output_shape[-1] == 4
    assert build_resunet(classes=3, filters=(4, 8)).output_shape[-1] == 3


@pytest.fixture(scope="module")
def segmenter():
    """A model of three classes that was never trained."""
    keras.utils.set_random_seed(1)
    model = build_unet(classes=3, activation="softmax", filters=(4, 8))
    return Segmenter(model, Preprocessing(size=32), classes=BRATS, name="untrained", threshold=0.6)


@pytest.fixture(scope="module")
def study():
    return make_study(0, shape=(6, 64, 64), classes=BRATS)


def test_engines_agree_on_classes(segmenter, study):
    keras_own, *others = (segmenter.predict(study, engine=each) for each in ("keras", "openvino", "onnxruntime"))
    assert set(np.unique(keras_own.labels)) <= {0, 1, 2, 4}
    assert keras_own.class_probabilities.shape == (*study.shape, 3)
    np.testing.assert_allclose(keras_own.class_probabilities.sum(-1), keras_own.probabilities, atol=1e-5)
    for other in others:
        np.testing.assert_allclose(other.class_probabilities, keras_own.class_probabilities, atol=1e-4)
        assert (other.labels == keras_own.labels).mean() > 0.999


def test_classes_with_mirror_images_and_variants(segmenter, study):
    found = segmenter.predict(study, tta=True, uncertainty=True)
    assert found.classes == BRATS
    assert set(found.agreement) == {"mirrored", "without t1", "without t1ce", "without t1 and t1ce"}


def test_classes_travel_with_the_preset(segmenter, study, tmp_path):
    loaded = load_pretrained(segmenter.save(tmp_path / "mine"))
    assert loaded.classes == BRATS
    assert loaded.fingerprint() == segmenter.fingerprint()
    other = Segmenter(segmenter.model, segmenter.preprocessing, classes=3, threshold=0.6)
    assert other.fingerprint() != segmenter.fingerprint()
    assert np.array_equal(loaded.predict(study).labels, segmenter.predict(study).labels)


def test_classes_are_measured_and_shown(segmenter, study, tmp_path):
    found = segmenter.predict(study)
    findings = measure_findings(study, found)
    assert {each.name: each.volume_ml for each in findings.classes} == pytest.approx(found.class_ml)
    assert findings.to_row()["voxels of edema"] == np.count_nonzero(found.labels == 2)
    page = write_report(study, found, tmp_path / "report.html", segmenter=segmenter, findings=findings).read_text()
    assert all(f"of it {each.name}" in page and each.color in page for each in BRATS)
    labels = [each.get_label() for each in overlay(study, found).legends[0].legend_handles]
    assert labels == ["necrosis", "edema", "enhancing", "truth"]


def test_an_evaluation_has_a_dice_per_class(segmenter, study):
    evaluation = evaluate(segmenter, [study])
    found = segmenter.predict(study)
    for each in BRATS:
        truth, own = study.labels == each.value, found.labels == each.value
        expected = 2 * (truth & own).sum() / (truth.sum() + own.sum())
        assert evaluation.table[f"dice of {each.name}"][0] == pytest.approx(expected)
        assert evaluation.summary(f"dice of {each.name}").mean == pytest.approx(expected)
    assert "dice of edema" in str(evaluation)
    assert not [name for name in evaluate(load_pretrained("resunet-lgg-small"), [study]).table if "dice of" in name]


def test_loading_for_other_classes():
    three = load_pretrained("resunet-lgg-small", classes={"necrosis": 1, "edema": 2, "enhancing": 4})
    assert three.model.output_shape[-1] == 4
    assert [each.value for each in three.classes] == [1, 2, 4]
    nested = load_pretrained("resunet-lgg-small", classes=3, nested=True)
    assert nested.model.output_shape[-1] == 3
    assert nested.labelling.nested
    assert load_pretrained("resunet-lgg-small", classes=1).card is not None
    with pytest.raises(ValueError, match="nested must be False for one class"):
        load_pretrained("resunet-lgg-small", nested=True)
