"""Judgement: each doubt where there is reason for it, and none where there is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from braintumorseg import Preprocessing, make_study
from braintumorseg.findings import Reference, gather_evidence, judge
from braintumorseg.study import SEQUENCES

SHAPE = (12, 96, 96)

USUAL = {
    "symmetry": 0.5,
    "peak": 1.0,
    "tumour share": 0.03,
    "certainty": 0.98,
    "inside": 0.98,
    "outside": 0.0,
    "level": 1.0,
}
REFERENCE = Reference(
    "forty patients",
    40,
    {
        "symmetry": (0.4, 0.45, 0.5, 0.55, 0.6),
        "certainty": (0.96, 0.97, 0.98, 0.985, 0.99),
        "level": (0.4, 0.8, 1.0, 1.5, 2.0),
        "true share": (0.01, 0.02, 0.03, 0.04, 0.08),
    },
    1.0,
    1.0,
)


@pytest.mark.parametrize("reference", [None, REFERENCE])
def test_a_usual_prediction_is_not_doubted(reference):
    assert judge(USUAL, reference) == {}


@pytest.mark.parametrize("reference", [None, REFERENCE])
def test_where_nothing_was_found_only_the_images_can_be_doubted(reference):
    nothing = {"symmetry": 0.5, "peak": 0.3, "tumour share": 0.0}
    assert judge(nothing, reference) == {}
    assert list(judge(nothing | {"symmetry": 0.0}, reference)) == (["unlike-training"] if reference else [])


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        (
            {"certainty": 0.5},
            "uncertain",
            "what was found is uncertain: by its probabilities a Dice of 0.50 is to be expected",
        ),
        ({"tumour share": 0.5}, "volume", "what was found has 50 % of the head's volume: no tumour has"),
        ({"outside": 0.25}, "place", "25 % of what was found lies in air"),
    ],
)
def test_what_holds_for_every_model(changes, kind, text):
    assert judge(USUAL | changes) == {kind: text}
    assert list(judge(USUAL | changes, REFERENCE)) == [kind]


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        (
            {"symmetry": 0.1},
            "unlike-training",
            "the images are unlike those of forty patients, 4.0 times as far from them as nearly all of them are from each "
            "other: symmetry is 0.10, and 0.40 to 0.60 among them",
        ),
        (
            {"certainty": 0.95, "level": 0.1},
            "uncertain",
            "what was found stands out little: by its probabilities a Dice of 0.95 is to be expected, and its FLAIR lies 0.10 "
            "above the head's median; in 95 % of forty patients at least 0.96 and 0.40",
        ),
        (
            {"tumour share": 0.3},
            "volume",
            "what was found has 30 % of the head's volume; the tumours of forty patients mostly have 8 % at most",
        ),
    ],
)
def test_what_a_reference_adds(changes, kind, text):
    assert judge(USUAL | changes, REFERENCE) == {kind: text}
    assert judge(USUAL | changes) == {}


@pytest.mark.parametrize(
    "changes", [{"symmetry": 0.35}, {"certainty": 0.955}, {"level": 0.3}, {"tumour share": 0.2}, {"outside": 0.05}]
)
def test_a_little_beyond_the_usual_is_not_doubted(changes):
    assert judge(USUAL | changes, REFERENCE) == {}


def test_a_model_that_is_sure_of_nothing_is_doubted_though_its_training_studies_are_no_better():
    """The reference of a model that was hardly trained says that nothing better is to be expected."""
    unsure = Reference("forty patients", 40, REFERENCE.quantiles | {"certainty": (0.1, 0.1, 0.2, 0.2, 0.3)}, 1.0, 1.0)
    assert list(judge(USUAL | {"certainty": 0.2}, unsure)) == ["uncertain"]


def test_a_reference_without_some_of_the_features():
    bare = Reference("forty patients", 40, {}, 1.0, 1.0)
    assert judge(USUAL, bare) == {}
    assert list(judge(USUAL | {"tumour share": 0.9, "certainty": 0.1}, bare)) == ["uncertain", "volume"]


def heads():
    """A reference of phantoms by a rule that finds what is bright on the FLAIR, as a trained network would."""
    return [make_study(seed, shape=SHAPE) for seed in range(12)]


def predict(study, reference):
    """Judge what the rule finds in a study."""
    images = Preprocessing(size=64).apply(study).images
    bright = images[..., SEQUENCES.index("flair")]
    probabilities = 1 / (1 + np.exp(-12 * (ndimage.gaussian_filter(bright, (0, 1, 1)) - 0.9)))
    return gather_evidence(images, SEQUENCES, probabilities.astype(np.float32), 0.5), reference


@pytest.fixture(scope="module")
def phantoms():
    return Reference.fit([predict(study, None)[0] for study in heads()], "twelve phantoms")


@pytest.mark.parametrize("seed", [50, 51, 52])
def test_another_head_of_the_same_kind_is_not_doubted(phantoms, seed):
    assert "unlike-training" not in judge(*predict(make_study(seed, shape=SHAPE), phantoms))


def noise(volume):
    return np.random.default_rng(0).random(volume.shape)


def blob(volume):
    """A knee, more or less: two bright bones with a gap."""
    rows, columns = np.mgrid[-1 : 1 : 1j * volume.shape[1], -1 : 1 : 1j * volume.shape[2]]
    bones = [((rows - middle) ** 2 / 0.2 + columns**2 / 0.15 < 1) * 160.0 for middle in (-0.5, 0.5)]
    soft = (columns**2 / 0.4 + rows**2 < 1) * 50.0
    return np.broadcast_to(np.maximum(np.maximum(*bones), soft)[None, ..., None], volume.shape)


def inverted(volume):
    return np.where(volume > 10, 260 - volume, volume)


def ct(volume):
    """Air, soft tissue of nearly one value, and a bright skull."""
    head = volume[..., 1:2] > 10
    inner = ndimage.binary_erosion(head[..., 0], np.ones((1, 3, 3)), iterations=4)[..., None]
    return np.broadcast_to(np.where(inner, 1035.0, np.where(head, 1900.0, 0.0)), volume.shape)


def constant(volume):
    return np.full(volume.shape, 7.0)


@pytest.mark.parametrize("rubbish", [noise, blob, inverted, ct, constant])
def test_what_is_no_such_head_is_doubted(phantoms, rubbish):
    study = make_study(60, shape=SHAPE)
    doubts = judge(*predict(replace(study, volume=np.asarray(rubbish(study.volume), np.float32)), phantoms))
    assert "unlike-training" in doubts
