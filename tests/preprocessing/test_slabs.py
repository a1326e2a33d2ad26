"""Slabs of thin slices: means on the way in, interpolation on the way back."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg import Preprocessing, Study, make_study
from braintumorseg.preprocessing.slabs import Slabs

SIZE = 96


def dice(first, second):
    return 2 * np.sum(first & second) / (np.sum(first) + np.sum(second))


def thin(spacing, slices, channels=1, seed=0):
    volume = np.random.default_rng(seed).uniform(50, 100, (slices, 40, 40, channels)).astype(np.float32)
    return Study(volume, ("flair", "t1", "t1ce")[:channels], spacing=(spacing, 1.0, 1.0))


def float64_means(slabs, stack):
    """Means over each slab, from the overlap of its extent in mm with that of each slice."""
    edges = np.arange(slabs.slices + 1) * slabs.spacing
    middle = edges[-1] / 2
    count = max(1, 1 + int(np.ceil((edges[-1] - slabs.thickness) / slabs.step - 1e-6)))
    result = []
    for number in range(count):
        centre = middle + (number - (count - 1) / 2) * slabs.step
        low, high = centre - slabs.thickness / 2, centre + slabs.thickness / 2
        overlap = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
        result.append(np.tensordot(overlap / overlap.sum(), stack.astype(np.float64), axes=1))
    return np.array(result)


# --- which studies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [5.0, 5.5, 7.0, None])
def test_thick_slices_and_unknown_spacings_are_read_as_they_are(spacing):
    study = make_study(seed=0, shape=(6, 64, 64))
    study = replace(study, geometry=None, spacing=None if spacing is None else (spacing, 1.0, 1.0))
    usual, by_slice = (Preprocessing(size=32, slab=slab).apply(study) for slab in (5.0, 0))
    assert usual.placement.slabs is None
    np.testing.assert_array_equal(usual.images, by_slice.images)


def test_one_slice_stays_one():
    study = Study(np.random.default_rng(0).uniform(0, 9, (1, 40, 40, 1)), ("flair",), spacing=(1.0, 1.0, 1.0))
    prepared = Preprocessing(size=32, sequences=("flair",)).apply(study)
    assert prepared.placement.slabs is None
    assert "one slice only" in prepared.notes[-1]


def test_a_slab_of_0_reads_each_slice_by_itself():
    assert Preprocessing(size=32, sequences=("flair",), slab=0).apply(thin(1.0, 20)).images.shape[0] == 20


@pytest.mark.parametrize("slab", [-1, float("nan"), float("inf"), "5"])
def test_a_wrong_thickness_is_named(slab):
    with pytest.raises(ValueError, match="slab must be"):
        Preprocessing(slab=slab)


# --- the slabs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slices", "spacing", "count", "step"),
    [
        (155, 1.0, 61, 2.5),  # 1 + (155 - 5) / 2.5
        (150, 1.0, 59, 2.5),
        (100, 1.5, 59, 2.5),
        (75, 2.0, 59, 2.5),
        (50, 3.0, 50, 3.0),  # one per slice where slices lie further apart than half a slab
        (40, 4.5, 40, 4.5),
        (4, 1.0, 1, 2.5),
        (5, 1.0, 1, 2.5),
        (6, 1.0, 2, 2.5),
    ],
)
def test_number_and_distance_of_slabs(slices, spacing, count, step):
    slabs = Slabs(slices, spacing, 5.0)
    assert len(slabs.centres) == count
    assert slabs.step == step
    np.testing.assert_allclose(slabs.centres + slabs.centres[::-1], slices - 1, atol=1e-9)  # symmetric


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.floats(0.3, 4.99), st.floats(5.0, 8.0))
def test_means_are_those_of_the_overlap_in_mm(slices, spacing, thickness):
    slabs = Slabs(slices, spacing, thickness)
    stack = np.random.default_rng(slices).normal(size=(slices, 3)).astype(np.float32)
    expected = float64_means(slabs, stack)
    np.testing.assert_allclose(slabs.average(stack), expected, atol=1e-5)
    assert slabs.spread(slabs.average(stack)).shape == stack.shape
    # Every slice has a part in some slab, and a constant stays one both ways.
    assert (np.abs(slabs.average(np.eye(slices, dtype=np.float32))).sum(axis=0) > 0).all()
    np.testing.assert_allclose(slabs.spread(np.ones((len(expected), 1), np.float32)), 1, atol=1e-6)


def test_a_linear_change_comes_back_as_it_was():
    slabs = Slabs(60, 1.0, 5.0)
    ramp = np.arange(60, dtype=np.float32)[:, None]
    inside = slice(3, -3)  # the outermost slabs go on to the ends
    np.testing.assert_allclose(slabs.spread(slabs.average(ramp))[inside], ramp[inside], atol=1e-4)


@pytest.mark.parametrize("value", [0.0, -1.7, 1e6, 0.1])
def test_air_of_one_value_stays_exactly_that_value(value):
    study = thin(1.0, 30, channels=2)
    volume = study.volume.copy()
    volume[:, :12] = value
    averaged = Slabs.of(study, 5.0).apply(replace(study, volume=volume))
    assert (averaged.volume[:, :12] == np.float32(value)).all()
    assert averaged.spacing == (2.5, 1.0, 1.0)


def test_voxels_that_are_not_covered_have_no_part_in_a_mean():
    study = thin(1.0, 20, channels=2)
    covered = np.ones(study.volume.shape, bool)
    covered[:8, ..., 1] = False
    volume = np.where(covered, np.float32(70), np.float32(9))
    volume[:, 0, 0] = 9  # air
    averaged = Slabs.of(study, 5.0).apply(replace(study, volume=volume, covered=covered))
    np.testing.assert_allclose(averaged.volume[..., 1][averaged.covered[..., 1]].max(), 70, rtol=1e-5)
    centres = Slabs.of(study, 5.0).centres
    np.testing.assert_array_equal(averaged.covered[:, 5, 5, 1], centres >= 7.5)  # half of the slab, and more


# --- to slabs and back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [0.7, 1.0, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_mask_comes_back(spacing, seed):
    study = make_study(seed=seed, shape=(round(132 / spacing), 128, 128))
    preprocessing = Preprocessing(size=128)
    prepared = preprocessing.apply(study)
    assert prepared.images.shape[0] == prepared.placement.images == len(prepared.placement.slabs.centres)
    target = preprocessing.apply_mask(study.mask, prepared.placement)
    assert target.shape == prepared.images.shape[:3]
    back = preprocessing.restore(target, prepared.placement)
    assert back.shape == study.shape
    assert dice(back >= 0.5, study.mask) >= 0.97


def test_slabs_of_a_fine_scan_are_the_slices_of_a_thick_one():
    """Slices of 5 mm are means over five of 1 mm, and every second slab is one of them."""
    volume = make_study(seed=2, shape=(130, 64, 64)).volume
    slabs = Slabs.of(Study(volume, spacing=(1.0, 3.0, 3.0)), 5.0).apply(Study(volume, spacing=(1.0, 3.0, 3.0)))
    assert slabs.shape == (51, 64, 64)
    np.testing.assert_allclose(slabs.volume[::2], volume.reshape(26, 5, 64, 64, 3).mean(axis=1), rtol=1e-4, atol=1e-3)


def test_probabilities_of_another_number_are_refused():
    study = thin(1.0, 30)
    preprocessing = Preprocessing(size=32, sequences=("flair",))
    placement = preprocessing.apply(study).placement
    with pytest.raises(ValueError, match=r"probabilities must be of shape \(11, 32, 32\)"):
        preprocessing.restore(np.zeros((30, 32, 32), np.float32), placement)


def test_studies_with_a_label_map_are_read_as_those_without():
    study = make_study(seed=0, shape=(100, 32, 32), classes=("necrosis", "edema", "enhancing"))
    preprocessing = Preprocessing(size=32)
    expected = preprocessing.apply(study.with_mask(study.mask)).images
    np.testing.assert_array_equal(preprocessing.apply(study).images, expected)
