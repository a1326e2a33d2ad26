import json
import re
from pathlib import Path

import pytest

from braintumorseg import DataError
from braintumorseg.datasets import open_dataset, read_split, split_patients, write_split
from braintumorseg.datasets.split_file import folds_of_studies, part_of
from layouts import write_bids, write_folder

SHARES = {"train": 0.5, "val": 0.5}


@pytest.fixture
def bids(tmp_path):
    return open_dataset(write_bids(tmp_path / "data"))


def test_sessions_of_one_subject_stay_on_one_side(bids):
    for seed in range(8):
        parts = split_patients(bids, SHARES, seed=seed)
        assert sorted(name for part in parts.values() for name in part) == ["sub-01", "sub-02"]
        assert {len(bids.subset(part)) for part in parts.values()} == {1, 2}


def test_a_column_is_spread_over_the_parts(tmp_path):
    names = [f"{letter}{number}" for letter in "ab" for number in range(4)]
    write_folder(tmp_path, names)
    rows = "".join(f"{name},{name}.png,{name[0]}\n" for name in names)
    for name in names:
        (tmp_path / f"{name}.png").write_bytes(b"")
    (tmp_path / "list.csv").write_text(f"patient,flair,site\n{rows}")
    dataset = open_dataset(tmp_path / "list.csv")
    for seed in range(8):
        parts = split_patients(dataset, SHARES, stratify="site", seed=seed)
        assert sorted(name[0] for name in parts["val"]) == ["a", "a", "b", "b"]
    with pytest.raises(ValueError, match=r"column must be a column of the clinical table \(site\); got 'age'"):
        split_patients(dataset, SHARES, stratify="age")


def test_folds_keep_the_studies_of_a_patient_together():
    patients = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    groups = dict.fromkeys(patients, "all")
    for seed in range(8):
        folds = folds_of_studies(patients, groups, 2, seed=seed)
        assert sorted(name for fold in folds for name in fold) == sorted(patients)
        assert any({"a1", "a2"} <= set(fold) for fold in folds)
    with pytest.raises(ValueError, match="folds must be at most the number of patients, 3; got 4"):
        folds_of_studies(patients, groups, 4)


def test_written_and_read_back(bids, tmp_path):
    path = write_split({"val": ["sub-02"], "train": ["sub-01"]}, tmp_path / "out" / "split.json")
    assert read_split(path, bids) == {"val": ("sub-02",), "train": ("sub-01",)}
    assert part_of(bids, read_split(path), "train").names == ("sub-01_ses-1", "sub-01_ses-2")
    with pytest.raises(ValueError, match=r"part must be a part of the split that holds patients \(val, train\); got"):
        part_of(bids, read_split(path), "test")
    with pytest.raises(DataError, match="already exists"):
        write_split({"val": ["sub-02"]}, path)
    assert write_split({"val": ["sub-02"]}, path, overwrite=True) == path
    with pytest.raises(DataError, match="the patient x is in a and in b"):
        write_split({"a": ["x"], "b": ["x"]}, path, overwrite=True)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"train": ["sub-01"], "val": ["sub-01", "sub-02"]}, "the patient sub-01 is in train and in val; expected"),
        ({"train": ["sub-01", "sub-01"], "val": ["sub-02"]}, "the patient sub-01 is twice in train"),
        ({"train": ["sub-01", "sub-02", "sub-03"]}, "the patient sub-03 is not in data; expected its patients alone"),
        ({"train": ["sub-01", "x", "y"]}, "the patient x is not in data"),
        ({"train": ["sub-01"]}, "the patient sub-02 of data is in no part; list it, if only as excluded"),
        ({"train": "sub-01"}, "is no split; expected an object of lists of patients by part"),
        ({"train": [1]}, "is no split"),
        ({}, "is no split"),
        ([], "is no split"),
    ],
)
def test_what_is_wrong_is_one_line(record, message):
    dataset = open_dataset(write_bids(Path("data")))
    Path("split.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=re.escape(f"split.json: {message}")) as caught:
        read_split("split.json", dataset)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_splits(tmp_path):
    with pytest.raises(DataError, match=r"split.json: can't be read .*; expected a split, as write_split writes it"):
        read_split(tmp_path / "split.json")
    (tmp_path / "split.json").write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        read_split(tmp_path / "split.json")
