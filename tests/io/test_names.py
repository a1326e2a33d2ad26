"""Names of sequences in other conventions, and where readers take them."""

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import read_study
from braintumorseg.io import sequence_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("flair", "flair"),
        ("t1", "t1"),
        ("t1ce", "t1ce"),
        ("t2", "t2"),
        ("pre", "t1"),
        ("post", "t1ce"),
        ("FLAIR", "flair"),
        ("T1w", "t1"),
        ("ce-gadolinium_T1w", "t1ce"),
        ("t2f", "flair"),
        ("t1n", "t1"),
        ("t1c", "t1ce"),
        ("t1gd", "t1ce"),
        ("t2w", "t2"),
        ("dwi", "dwi"),
        ("seg", "seg"),
        ("", ""),
    ],
)
def test_names_of_other_conventions(text, name):
    assert sequence_name(text) == name


@pytest.fixture
def volume(tmp_path):
    values = np.random.default_rng(0).uniform(1, 100, (8, 8, 4, 3)).astype(np.float32)
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 1, 5, 1])), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


@pytest.mark.parametrize("names", [("t1c", "t2f", "t1n"), ("post", "FLAIR", "pre"), ("t1ce", "flair", "t1")])
def test_readers_accept_other_names(volume, names):
    study = read_study(volume, sequences=names)
    assert study.sequences == ("t1ce", "flair", "t1")


@pytest.mark.parametrize("names", [("pre", "t1", "flair"), ("DWI b0", "flair", "t1"), "flair", ()])
def test_names_must_be_distinct_and_known(volume, names):
    with pytest.raises(ValueError, match="sequences must be"):
        read_study(volume, sequences=names)


def test_one_series_under_two_names_is_refused(tmp_path):
    with pytest.raises(ValueError, match="series must be"):
        read_study(tmp_path, series={"pre": 3, "t1": 4})
