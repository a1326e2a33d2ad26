from pathlib import Path

import pytest

from braintumorseg import DataError, LGGDataset, make_study
from braintumorseg.datasets import Dataset, open_dataset
from braintumorseg.training.patients import Patients
from cases import write_case
from layouts import write_bids, write_nnunet


def test_both_sides_by_name(cases):
    patients = Patients.of(map(str, cases[1:]), [cases[0], make_study(seed=7, shape=(1, 32, 32))])
    assert patients.names() == {"training": ["case_1", "case_2", "case_3"], "validation": ["case_0", "phantom-7"]}
    assert list(patients.training.values()) == [Path(case).absolute() for case in cases[1:]]
    assert not patients.lgg_training
    assert not patients.lgg_validation


def test_a_dataset_is_known_as_one(tmp_path):
    names = [f"TCGA_CS_000{number}_20000101" for number in (1, 2, 3)]
    for seed, name in enumerate(names):
        write_case(tmp_path / name, seed, slices=1)
    dataset = LGGDataset(tmp_path)
    patients = Patients.of(dataset.subset(names[:2]), dataset.subset(names[2:]))
    assert patients.names() == {"training": names[:2], "validation": names[2:]}
    assert patients.training[names[0]] == tmp_path / names[0]
    assert patients.lgg_training
    assert patients.lgg_validation


def test_a_patient_is_on_one_side(cases):
    with pytest.raises(DataError, match="case_0: is both trained on and validated on"):
        Patients.of(cases, cases[:1])
    with pytest.raises(DataError, match="case_1: comes twice"):
        Patients.of([cases[1], cases[1]], ())
    image = cases[0] / "case_0_1.tif"  # a study of one file is called by its name without suffix, on both sides
    with pytest.raises(DataError, match="case_0_1: is both trained on and validated on"):
        Patients.of([image], [image])


def test_a_patient_is_no_column_of_the_log(cases, tmp_path):
    study = write_case(tmp_path / "loss", 9, slices=1)
    with pytest.raises(DataError, match="loss: is a column of the log; rename the validation study"):
        Patients.of(cases, [study])


def test_sessions_of_one_subject_are_one_patient(tmp_path):
    dataset = open_dataset(write_bids(tmp_path))
    patients = Patients.of(dataset.subset(["sub-01"]), dataset.subset(["sub-02"]))
    assert patients.names() == {"training": ["sub-01_ses-1", "sub-01_ses-2"], "validation": ["sub-02"]}
    assert patients.counts == (1, 1)
    assert [study.name for study in patients.studies()] == ["sub-01_ses-1", "sub-01_ses-2"]
    first, second = map(dataset.case, dataset.names[:2])
    with pytest.raises(DataError, match="sub-01: is both trained on and validated on"):
        Patients.of([first], StudiesOf(dataset, second.name))


class StudiesOf(Dataset):
    """One study of a dataset, as nobody should divide one."""

    def __init__(self, dataset, name):
        self.root, self.layout, self._dataset, self._name = dataset.root, dataset.layout, dataset, name

    names = property(lambda self: (self._name,))
    table = property(lambda self: self._dataset.table.loc[[self._name]])

    def case(self, name):
        return self._dataset.case(self._checked(name))

    def subset(self, patients):
        return self

    def problems(self):
        return []


def test_a_study_of_a_dataset_without_a_mask_is_refused_before_anything_is_read(tmp_path):
    root = write_nnunet(tmp_path)
    (root / "labelsTr" / "case_001.nii.gz").unlink()
    (root / "imagesTr" / "case_002_0000.nii.gz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"case_001 has no mask; expected labelsTr/CASE.nii.gz"):
        Patients.of(open_dataset(root), ())
