"""Any folder of studies, as ``find_studies`` finds them; BraTS is one whose folders are named so."""

from __future__ import annotations

import re
from pathlib import Path

import braintumorseg.io.nifti as nifti
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.layouts.found import Found, check_names
from braintumorseg.io import find_studies, study_name
from braintumorseg.io.names import meaning

# BraTS-GLI-00001-000 is the first time point of the patient BraTS-GLI-00001; older names have no time point.
_TIME_POINT = re.compile(r"(brats-[a-z]+-\d+)-\d{3}", re.IGNORECASE)


def find(root: Path) -> Found:
    """Return the studies below a folder.

    Raises:
        DataError: If there is none, or two have one name.
    """
    paths = find_studies(root)
    cases = []
    for path in paths:
        name = study_name(path)
        dated = _TIME_POINT.fullmatch(name)
        subject = re.fullmatch(r"(sub-[a-z0-9]+)_ses-[a-z0-9]+", name, re.IGNORECASE)
        patient = dated[1] if dated else subject[1] if subject else name
        cases.append(Case(name, patient, path))
    is_brats = all(_is_brats(path) for path in paths)
    expected = "a file *_seg.nii.gz in its folder" if is_brats else "a mask with every study, as read_study reads it"
    return Found("BraTS" if is_brats else "folder of studies", check_names(root, cases), expected)


def _is_brats(folder: Path) -> bool:
    """Tell whether a study is a folder of NIfTI files, one of them called ``_seg``."""
    if not folder.is_dir():
        return False
    kinds = {meant.kind for meant in map(meaning, nifti.named_files(folder)) if meant is not None}
    return {"flair", "seg"} <= kinds and folder.name.lower().startswith("brats")
