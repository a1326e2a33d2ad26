"""Evidence: each feature against what it must be for images that are made for it."""

import numpy as np
import pytest

from braintumorseg import Preprocessing, make_study
from braintumorseg.evaluation.perturbations import add_air, add_noise, interpolate_slices, keep_sequences, scale
from braintumorseg.findings import gather_evidence
from braintumorseg.findings.evidence import OUTPUT_FEATURES, describe_images, describe_output
from braintumorseg.preprocessing import strip_skull
from braintumorseg.study import SEQUENCES

SHAPE = (12, 96, 96)
SIZE = 64


def images_of(study):
    return Preprocessing(size=SIZE).apply(study).images


def describe(study):
    return describe_images(images_of(study), SEQUENCES)


@pytest.fixture(scope="module")
def study():
    return make_study(seed=0, shape=SHAPE)


@pytest.fixture(scope="module")
def plain(study):
    return describe(study)


def test_every_sequence_has_its_features(plain):
    each = {f"{name} {kind}" for name in SEQUENCES for kind in ("p5", "p25", "p50", "p75", "p95", "roughness")}
    assert plain.keys() == each | {"head share", "symmetry", "t1 with flair", "t1ce with flair"}
    assert not plain.keys() & OUTPUT_FEATURES


@pytest.mark.parametrize(
    ("change", "largest"),
    [
        pytest.param(lambda study: scale(study, 3), 0.01, id="scale"),
        pytest.param(add_air, 0.15, id="air"),
        pytest.param(interpolate_slices, 0.4, id="thin slices"),  # of 11 mm, which mix what lies between them
        pytest.param(lambda study: strip_skull(study, background="zero"), 0.4, id="no skull"),
    ],
)
def test_what_says_nothing_of_the_brain_changes_little(study, plain, change, largest):
    """In units of the head's median, or of a correlation."""
    changed = describe(change(study))
    assert changed.keys() == plain.keys()
    for name, value in plain.items():
        assert changed[name] == pytest.approx(value, abs=largest), name


def test_noise_is_rough_and_uneven(study, plain):
    noisy = describe(add_noise(study))
    assert all(noisy[f"{name} roughness"] > 1.3 * plain[f"{name} roughness"] for name in SEQUENCES)
    assert noisy["symmetry"] < plain["symmetry"]


@pytest.mark.parametrize("size", [64, 65])
def test_a_mirror_image_of_itself_is_symmetric(size):
    images = np.random.default_rng(0).random((3, size, size, 1), np.float32)
    mirrored = images + images[:, :, ::-1]
    assert describe_images(mirrored, ("flair",))["symmetry"] == pytest.approx(1)
    assert abs(describe_images(images, ("flair",))["symmetry"]) < 0.1


def test_copies_and_constant_sequences_have_no_features(study):
    alone = describe(keep_sequences(study, ("flair",)))
    assert {name for name in alone if not name.startswith("flair ")} == {"head share", "symmetry"}
    images = images_of(study)
    images[..., 2] = 0
    assert not [name for name in describe_images(images, SEQUENCES) if "t1ce" in name]


@pytest.mark.parametrize("shape", [(1, 64, 64, 1), (40, 64, 64, 3)])
@pytest.mark.parametrize("value", [-2.0, 0.0])
def test_constant_images_are_described_without_a_number_that_is_none(shape, value):
    row = gather_evidence(
        np.full(shape, value, np.float32), SEQUENCES[: shape[-1]], np.zeros(shape[:3], np.float32), 0.5
    )
    assert row == {"head share": float(value == 0), "peak": 0, "tumour share": 0}


def test_output(study):
    images = images_of(study)
    probabilities = np.zeros(images.shape[:3], np.float32)
    probabilities[4:6, 24:40, 24:40] = 0.9  # in the head
    probabilities[0, 0, 0] = 0.4
    row = describe_output(images, SEQUENCES, probabilities, 0.5)
    voxels = 2 * 16 * 16
    assert row["peak"] == row["inside"] == pytest.approx(0.9)
    assert row["certainty"] == pytest.approx(2 * 0.9 * voxels / (voxels + 0.9 * voxels + 0.4))
    assert row["outside"] == 0
    assert row["level"] == pytest.approx(images[4:6, 24:40, 24:40, 1].mean(), rel=1e-5)
    head = np.count_nonzero(images.max(axis=-1) > -1.99)
    assert row["tumour share"] == pytest.approx(voxels / head, rel=0.1)


def test_output_in_air(study):
    images = images_of(study)
    probabilities = np.zeros(images.shape[:3], np.float32)
    probabilities[:, :4, :4] = 1
    assert describe_output(images, SEQUENCES, probabilities, 0.5)["outside"] == pytest.approx(1)


def test_nothing_found_has_no_certainty(study):
    images = images_of(study)
    row = describe_output(images, SEQUENCES, np.full(images.shape[:3], 0.2, np.float32), 0.5)
    assert row == {"peak": pytest.approx(0.2), "tumour share": 0}
