from itertools import combinations

import pytest

from braintumorseg.datasets import lgg_split


def test_no_patient_is_in_two_parts():
    parts = {part: set(lgg_split(part)) for part in ("train", "val", "test")}
    assert {part: len(names) for part, names in parts.items()} == {"train": 77, "val": 13, "test": 20}
    for first, second in combinations(parts.values(), 2):
        assert not first & second


def test_every_institution_is_in_train_and_all_but_the_smallest_in_val():
    institutions = {part: {name.split("_")[1] for name in lgg_split(part)} for part in ("train", "val")}
    assert institutions["train"] == {"CS", "DU", "EZ", "FG", "HT"}
    assert institutions["val"] == {"CS", "DU", "FG", "HT"}


def test_unknown_part_is_named():
    with pytest.raises(ValueError, match="part must be one of 'train', 'val', 'test'; got 'valid'"):
        lgg_split("valid")
