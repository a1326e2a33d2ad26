import json

import pytest

from braintumorseg import LGGDataset, cross_validate
from braintumorseg.datasets import open_dataset
from braintumorseg.training.cross_validation.sources import Sources
from cases import write_case
from layouts import write_list


@pytest.fixture
def others(tmp_path):
    paths = [tmp_path / "others" / name for name in ("case-1", "case-2")]
    for seed, path in enumerate(paths, 7):
        write_case(path, seed, slices=6)
    return paths


def test_the_dataset_and_other_studies_side_by_side(root, others):
    dataset = LGGDataset(root)
    sources = Sources.of([dataset, *others])
    assert list(sources.places) == [*dataset.patients, "case-1", "case-2"]
    assert sources.lgg == set(dataset.patients)
    # Copies of the FLAIR stand for absent sequences in the dataset alone.
    assert sources.study(dataset.patients[0]).sequences == ("t1", "flair")
    assert sources.study("case-1").sequences == ("t1", "flair", "t1ce")
    assert Sources.from_config(sources.get_config()) == sources


def test_one_name_twice_is_refused(root):
    dataset = LGGDataset(root)
    with pytest.raises(
        ValueError, match="studies must be one study per patient, each of its own name; got 'TCGA_AA_0001_"
    ):
        Sources.of([dataset, dataset.path(dataset.patients[0])])


@pytest.mark.slow
def test_other_studies_are_a_group_of_their_own(root, others, tiny, tmp_path):
    dataset = LGGDataset(root)
    short = tiny.replace(steps=2)
    result = cross_validate(short, [dataset, *others], tmp_path / "cv", folds=2, progress=False)
    assert sorted(name for fold in result.folds for name in fold) == sorted([*dataset.patients, "case-1", "case-2"])
    assert all(len({"case-1", "case-2"} & set(fold)) == 1 for fold in result.folds)  # stratified
    table = result.evaluation.table.set_index("name")
    assert table.loc["case-1", "institution"] == "others"
    assert table.loc[dataset.patients[0], "institution"] == "AA"


@pytest.mark.slow
def test_sessions_of_a_patient_are_in_one_fold_and_columns_stratify(tiny, tmp_path):
    dataset = open_dataset(write_list(tmp_path / "data"))
    sources = Sources.of(dataset)
    assert Sources.from_config(json.loads(json.dumps(sources.get_config()))) == sources
    assert sources.patients == {"007a": "007", "007b": "007", "12": "12"}
    result = cross_validate(tiny.replace(steps=2), dataset, tmp_path / "cv", stratify="site", folds=2, progress=False)
    assert sorted(result.folds) == [("007a", "007b"), ("12",)]
    assert result.evaluation.table.set_index("name").loc["12", "institution"] == "S2"
    assert {study.name for study, _ in result.pairs()} == {"007a", "007b", "12"}
    with pytest.raises(ValueError, match=r"column must be a column of the clinical table \(site, age\); got 'grade'"):
        cross_validate(tiny, dataset, tmp_path / "other", stratify="grade", folds=2, progress=False)
