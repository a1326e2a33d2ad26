from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braintumorseg.datasets.splits import stratified_folds, stratified_split

NAMES = st.text("abc0_é", min_size=1, max_size=6)
GROUPS = st.dictionaries(NAMES, st.sampled_from(["CS", "DU", "HT", "X"]), min_size=2, max_size=60)
SHARES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(
    lambda weights: {f"part{index}": weight / sum(weights) for index, weight in enumerate(weights)}
)


def count(names, groups, group):
    return sum(groups[name] == group for name in names)


def check_partition(parts, patients):
    """Every patient is in exactly one part."""
    for first, second in combinations(parts, 2):
        assert not set(first) & set(second)
    assert sorted(name for part in parts for name in part) == sorted(patients)


@given(GROUPS, st.data(), st.integers(0, 9))
def test_folds_share_no_patient_and_are_even(groups, data, seed):
    number = data.draw(st.integers(2, len(groups)))
    folds = stratified_folds(groups, groups, number, seed=seed)
    assert len(folds) == number
    check_partition(folds, groups)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    for group in set(groups.values()):
        counts = [count(fold, groups, group) for fold in folds]
        assert max(counts) - min(counts) <= 1


@given(GROUPS, SHARES, st.integers(0, 9))
def test_parts_share_no_patient_and_hold_the_shares(groups, shares, seed):
    parts = stratified_split(groups, groups, shares, seed=seed)
    assert list(parts) == list(shares)
    check_partition(parts.values(), groups)
    for group in set(groups.values()):
        size = count(groups, groups, group)
        for part, share in shares.items():
            assert abs(count(parts[part], groups, group) - share * size) <= 1 + 1e-6


@given(GROUPS, st.randoms(use_true_random=False))
def test_order_of_input_does_not_matter(groups, random):
    names = list(groups)
    random.shuffle(names)
    shares = {"train": 0.7, "val": 0.3}
    assert stratified_folds(names, groups, 2) == stratified_folds(groups, groups, 2)
    assert stratified_split(names, groups, shares) == stratified_split(groups, groups, shares)


def test_same_seed_gives_the_same_division_in_every_process():
    """Literal results: Python's randomised hash has no part in them."""
    groups = {f"p{number}": "AB"[number % 2] for number in range(8)}
    assert stratified_folds(groups, groups, 2, seed=1) == (("p1", "p2", "p6", "p7"), ("p0", "p3", "p4", "p5"))
    assert stratified_split(groups, groups, {"train": 0.75, "val": 0.25}, seed=1)["val"] == ("p0", "p5")


def test_seeds_differ():
    groups = {f"p{number}": "A" for number in range(20)}
    assert len({stratified_folds(groups, groups, 2, seed=seed) for seed in range(5)}) == 5


def test_shares_that_fit_are_met_exactly():
    groups = {f"p{number}": "A" for number in range(100)} | {f"q{number}": "B" for number in range(100)}
    parts = stratified_split(groups, groups, {"train": 0.71, "val": 0.29})
    assert [count(names, groups, group) for names in parts.values() for group in "AB"] == [71, 71, 29, 29]


def test_many_small_groups_do_not_starve_a_small_part():
    groups = {f"p{number}": f"group {number:02}" for number in range(20)}
    parts = stratified_split(groups, groups, {"train": 0.7, "val": 0.1, "test": 0.2})
    assert {part: len(names) for part, names in parts.items()} == {"train": 14, "val": 2, "test": 4}


def test_groups_may_hold_others():
    groups = {"a": "A", "b": "A", "other": "A"}
    assert sorted(stratified_folds(["a", "b"], groups, 2)) == [("a",), ("b",)]


@pytest.mark.parametrize(
    ("patients", "groups", "folds", "message"),
    [
        ([], {}, 2, "patients must be at least one name; got none"),
        (["a", "a"], {"a": "A"}, 2, "patients must be distinct names; got 'a' twice"),
        (["a", "b"], {"a": "A"}, 2, "groups must be the group of every patient; got none of 'b'"),
        (["a", "b"], {"a": "A", "b": "A"}, 3, "folds must be at most the number of patients, 2; got 3"),
        (["a", "b"], {"a": "A", "b": "A"}, 1, "folds must be an integer of at least 2; got 1"),
    ],
)
def test_folds_refuse(patients, groups, folds, message):
    with pytest.raises(ValueError, match=message):
        stratified_folds(patients, groups, folds)


@pytest.mark.parametrize("shares", [{}, {"train": 0.5}, {"train": 1.5, "val": -0.5}, {"train": 1.0, "val": 0.0}])
def test_split_refuses_shares(shares):
    with pytest.raises(ValueError, match="shares must be shares above 0 that are 1 together"):
        stratified_split(["a"], {"a": "A"}, shares)


def test_seed_is_checked():
    with pytest.raises(ValueError, match="seed must be an integer of at least 0; got -1"):
        stratified_folds(["a", "b"], {"a": "A", "b": "A"}, 2, seed=-1)
