import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braintumorseg import Segmentation, Study, make_study
from braintumorseg.study import BRATS, TUMOR, TumorClass, as_classes, from_configs, named_values

SHAPE = (3, 8, 8)


def label_map(*values):
    labels = np.zeros(SHAPE, np.int16)
    for place, value in enumerate(values):
        labels[place % 3, place : place + 3, 2:6] = value
    return labels


@pytest.mark.parametrize(
    ("given_as", "pairs"),
    [
        (1, [("tumor", 1)]),
        (3, [("class 1", 1), ("class 2", 2), ("class 3", 3)]),
        (["core", "edema"], [("core", 1), ("edema", 2)]),
        ({"necrosis": 1, "edema": 2, "enhancing": 4}, [("necrosis", 1), ("edema", 2), ("enhancing", 4)]),
        (BRATS, [("necrosis", 1), ("edema", 2), ("enhancing", 4)]),
    ],
)
def test_classes_in_every_form(given_as, pairs):
    classes = as_classes(given_as)
    assert [(each.name, each.value) for each in classes] == pairs
    assert len({each.color for each in classes}) == len(classes)
    assert from_configs([each.get_config() for each in classes]) == classes


@pytest.mark.parametrize(
    ("given_as", "message"),
    [
        (0, "classes must be an integer of at least 1; got 0"),
        (256, "classes must be 1 to 255, the background not counted; got 256"),
        ([], "classes must be 1 to 255, the background not counted; got 0"),
        ("core", "classes must be a number, names"),
        ({"core": 0}, "value of a class must be an integer of at least 1"),
        ({"core": 256}, "value of a class must be 1 to 255, as a label map has 8 bits; got 256"),
        ({"core": 1, "edema": 1}, "classes must be of distinct values; got 1 twice"),
        (["core", "core"], "classes must be of distinct names; got 'core' twice"),
        ([TumorClass("a", 1), TumorClass("a", 2)], "distinct names"),
        (["core", ""], "name of a class must be a text of 1 to 64 characters"),
    ],
)
def test_what_is_no_set_of_classes_is_named(given_as, message):
    with pytest.raises(ValueError, match=message):
        as_classes(given_as)


def test_a_label_that_is_not_listed_is_named():
    with pytest.raises(ValueError, match=r"labels must be 0 and the values of its classes \(a = 1, b = 2\).*value 4"):
        Segmentation(labels=label_map(1, 2, 4), classes=("a", "b"))
    with pytest.raises(ValueError, match="the value 4"):
        Study(np.ones((*SHAPE, 3)), labels=label_map(1, 4), classes=("a", "b"))


def test_a_segmentation_of_classes():
    labels = label_map(1, 2, 4)
    found = Segmentation(labels=labels, classes=BRATS, spacing=(5, 1, 1))
    assert found.labels.dtype == np.uint8
    assert np.array_equal(found.mask, labels > 0)
    counts = {each.name: np.count_nonzero(labels == each.value) for each in BRATS}
    assert found.class_ml == pytest.approx({name: count * 0.005 for name, count in counts.items()})
    assert sum(found.class_ml.values()) == pytest.approx(found.volume_ml)
    assert np.array_equal(found.region("necrosis", "enhancing"), np.isin(labels, (1, 4)))
    assert "necrosis, edema, enhancing" in repr(found)
    assert Segmentation(labels=labels, classes=BRATS).class_ml is None


def test_the_region_of_a_nested_class_holds_those_within():
    labels = label_map(1, 2, 4)
    found = Segmentation(labels=labels, classes={"whole": 2, "core": 1, "enhancing": 4}, nested=True)
    assert np.array_equal(found.region("whole"), labels > 0)
    assert np.array_equal(found.region("core"), np.isin(labels, (1, 4)))
    assert np.array_equal(found.region("enhancing"), labels == 4)


def test_a_mask_is_the_label_map_of_one_class():
    mask = label_map(1) > 0
    found = Segmentation(mask)
    assert found.classes == TUMOR
    assert np.array_equal(found.labels, mask.astype(np.uint8))
    assert np.array_equal(Segmentation(mask, classes={"lesion": 7}).labels, mask * 7)
    with pytest.raises(ValueError, match="labels must be given for 2 classes; got a mask alone"):
        Segmentation(mask, classes=2)


def test_a_mask_that_is_not_that_of_the_labels_is_refused():
    labels = label_map(1, 2)
    assert Segmentation(labels > 0, labels=labels, classes=2).voxels == np.count_nonzero(labels)
    with pytest.raises(ValueError, match="mask must be left out, or true just where labels are above 0"):
        Segmentation(labels > 1, labels=labels, classes=2)


def test_probabilities_of_each_class():
    labels = label_map(1, 2)
    shares = np.stack([labels == 1, labels == 2], axis=-1).astype(np.float32)
    found = Segmentation(labels=labels, classes=("core", "edema"), class_probabilities=shares)
    assert np.array_equal(found.probabilities_of("edema"), shares[..., 1])
    with pytest.raises(ValueError, match="name must be one of"):
        found.probabilities_of("cyst")
    with pytest.raises(ValueError, match="one that a model found"):
        Segmentation(labels=labels, classes=2).probabilities_of("class 1")
    with pytest.raises(ValueError, match=r"class_probabilities must be of the mask's shape"):
        Segmentation(labels=labels, classes=2, class_probabilities=shares[..., :1])


def test_a_study_with_a_label_map():
    labels = label_map(1, 2)
    study = Study(np.ones((*SHAPE, 3)), labels=labels, classes=("core", "edema"))
    assert np.array_equal(study.mask, labels > 0)
    assert study.with_classes({"a": 1, "b": 2}).classes[1].name == "b"
    assert study.with_mask(labels > 1).labels is None
    with pytest.raises(ValueError, match="the value 2"):
        study.with_classes({"a": 1, "b": 3})
    with pytest.raises(ValueError, match="labels must be of the shape"):
        Study(np.ones((*SHAPE, 3)), labels=labels[:2])


def test_names_for_values_that_nobody_explained():
    assert [(each.name, each.value) for each in named_values([1, 4])] == [("label 1", 1), ("label 4", 4)]


@given(st.lists(st.integers(1, 255), min_size=1, max_size=20, unique=True))
def test_any_values_go_through_a_segmentation(values):
    classes = as_classes({f"value {value}": value for value in values})
    labels = np.resize(np.array([0, *values]), (2, 5, 7))
    found = Segmentation(labels=labels, classes=classes)
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(found.region(*(each.name for each in classes)), labels > 0)


def test_a_phantom_of_three_classes():
    study = make_study(0, shape=(16, 96, 96), classes=BRATS, sequences=("t1", "flair", "t1ce", "t2"))
    assert study.sequences == ("t1", "flair", "t1ce", "t2")
    assert set(np.unique(study.labels)) == {0, 1, 2, 4}
    plain = make_study(0, shape=(16, 96, 96))
    assert np.array_equal(plain.mask, study.mask)
    t1ce = study.sequence("t1ce")
    assert t1ce[study.labels == 4].mean() > t1ce[study.labels == 1].mean() + 50
    with pytest.raises(ValueError, match="classes must be three"):
        make_study(classes=("a", "b"))
