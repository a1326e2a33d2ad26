import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braintumorseg import DataError, Segmentation, Study, make_study
from braintumorseg.evaluation import find_disagreements


def test_what_counts_is_confident_and_wrong(pair):
    probabilities = [0.9, 0.89, 1.0, 0.1, 0.11, 0.0, 0.5, 0.95, 0.05]
    mask = [0, 0, 0, 1, 1, 1, 1, 1, 0]
    [found] = find_disagreements([pair("a", probabilities, mask)])
    assert (found.name, found.slice, found.slice_name) == ("a", 0, "a, slice 1")
    assert (found.unmarked, found.unconfirmed, found.voxels) == (2, 2, 4)


def test_confidence_can_be_asked_for(pair):
    both = pair("a", [0.7, 0.2], [0, 1])
    assert find_disagreements([both]) == []
    [found] = find_disagreements([both], confidence=0.7)
    assert (found.unmarked, found.unconfirmed) == (1, 1)


def test_the_most_voxels_come_first_and_no_patient_fills_the_list(pair):
    many = pair("many", np.ones((4, 9)), np.arange(9) >= [[5], [9], [8], [7]])
    few = pair("few", np.zeros((3, 9)), np.arange(9) < [[1], [0], [1]])
    everything = find_disagreements([few, many], per_patient=9)
    assert [(each.name, each.slice, each.voxels) for each in everything] == [
        ("many", 1, 9), ("many", 2, 8), ("many", 3, 7), ("many", 0, 5), ("few", 0, 1), ("few", 2, 1)
    ]  # fmt: skip
    usual = find_disagreements([few, many])
    assert [(each.name, each.slice) for each in usual] == [("many", 1), ("many", 2), ("few", 0), ("few", 2)]
    assert [each.slice for each in find_disagreements([few, many], count=3)] == [1, 2, 0]


@given(seed=st.integers(0, 10**6), count=st.integers(1, 9), per_patient=st.integers(1, 4))
def test_the_list_is_that_of_a_full_sort(pair, seed, count, per_patient):
    rng = np.random.default_rng(seed)
    pairs = [pair(name, rng.choice([0.0, 0.5, 1.0], (5, 6)), rng.random((5, 6)) < 0.5) for name in "abcd"]
    rows = []
    for study, segmentation in pairs:
        counts = ((segmentation.probabilities != 0.5) & (segmentation.mask != study.mask)).sum(axis=(1, 2))
        own = sorted((-voxels, study.name, index) for index, voxels in enumerate(counts) if voxels)
        rows += own[:per_patient]
    found = find_disagreements(pairs, count=count, per_patient=per_patient)
    assert [(-each.voxels, each.name, each.slice) for each in found] == sorted(rows)[:count]


def test_slices_have_the_names_of_their_files(pair):
    [found] = find_disagreements([pair("a", [1.0], [0], slice_names=("case_17",))])
    assert found.slice_name == "case_17"


def test_picture_shows_the_slice_and_both_outlines(found):
    first, _ = found
    study = make_study(seed=3, shape=(8, 96, 96))
    np.testing.assert_array_equal(first.flair, study.sequence("flair")[first.slice])
    np.testing.assert_array_equal(first.truth, study.mask[first.slice])
    np.testing.assert_array_equal(first.found, np.roll(study.mask[first.slice], 12, axis=1))
    plain, outlined = first.plot().axes
    assert not plain.collections
    for contour, mask in zip(outlined.collections, (first.truth, first.found), strict=True):
        points = np.concatenate([path.vertices for path in contour.get_paths()])
        columns = np.flatnonzero(mask.any(axis=0))
        assert points[:, 0].min() == columns[0] - 0.5
        assert points[:, 0].max() == columns[-1] + 0.5


def test_voxels_that_are_not_square_keep_their_shape(phantom):
    nothing = np.zeros(phantom.shape)
    study = Study(phantom.volume, mask=phantom.mask, spacing=(5.0, 2.0, 1.0))
    first, *_ = find_disagreements([(study, Segmentation(nothing > 0, probabilities=nothing))])
    assert first.aspect == 2
    assert first.plot().axes[0].get_aspect() == 2


def test_what_is_lacking_is_named(pair):
    study, segmentation = pair("case-7", [1.0], [0])
    with pytest.raises(DataError, match="case-7: has no mask"):
        find_disagreements([(study.with_mask(None), segmentation)])
    without = Study(study.volume[..., :1], ("t1",), mask=study.mask, name="case-8")
    with pytest.raises(DataError, match="case-8: has no FLAIR"):
        find_disagreements([(without, segmentation)])
    with pytest.raises(DataError, match="case-7: its segmentation has no probabilities"):
        find_disagreements([(study, Segmentation(segmentation.mask))])
    _, other = pair("case-7", [1.0, 1.0], [0, 0])
    with pytest.raises(ValueError, match=re.escape("pairs must be on one grid, case-7 on (1, 1, 1)")):
        find_disagreements([(study, other)])


@pytest.mark.parametrize("options", [{"count": 0}, {"per_patient": 0}, {"confidence": 0.5}, {"confidence": 1.1}])
def test_arguments_are_checked(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        find_disagreements([], **options)
