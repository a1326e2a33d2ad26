"""BIDS: images by subject and session, masks in ``derivatives``, ``participants.tsv`` as the clinical table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

import braintumorseg.io.nifti as nifti
from braintumorseg._core.checks import DataError
from braintumorseg.datasets.case import Case
from braintumorseg.datasets.layouts.found import Found, check_names, is_read, left_out
from braintumorseg.datasets.layouts.listed import read_table
from braintumorseg.io.names import meaning
from braintumorseg.io.results import is_same_grid

_ENTITIES = re.compile(r"(sub-[a-z0-9]+)(?:_(ses-[a-z0-9]+))?_", re.IGNORECASE)
_MASK = re.compile(r".*_(?:mask|dseg)\.nii(?:\.gz)?", re.IGNORECASE)
_TUMOUR = re.compile(r"tumou?r|lesion|glioma", re.IGNORECASE)
_OTHER = re.compile(r"brain|head|skull|tissue|ventricle|aseg|aparc|(?:label|desc)-(?:[wcg][mfs]f?)(?=_)", re.IGNORECASE)


def is_bids(root: Path) -> bool:
    """Tell whether a folder holds the images of subjects."""
    return next(_anatomies(root), None) is not None


def find(root: Path) -> Found:
    """Return the sessions of all subjects that have a FLAIR; or all sessions, where none has one.

    Raises:
        DataError: If no session has an image, one has two FLAIRs, or several masks; if ``participants.tsv`` is no table.
    """
    masks = _masks(root)
    cases, notes, left = [], [], set()
    sessions = list(_anatomies(root))
    alone = [subject for subject, _, _ in sessions]
    for subject, session, folder in sessions:
        name = subject if session is None else f"{subject}_{session}"
        found: dict[str, Path] = {}
        for path in nifti.named_files(folder):
            meant = meaning(path)
            kind = None if meant is None else meant.kind
            if kind is None:
                continue
            if kind in found and kind == "flair":
                msg = f"{folder}: {found[kind].name} and {path.name} look alike; list the right one in a CSV"
                raise DataError(msg)
            if kind in found:
                notes.append(f"{path.name} left out: {found[kind].name} is taken as {kind}")
            found.setdefault(kind, path)
        own = found.pop("seg", None)
        left |= {kind for kind in found if not is_read(kind)}
        sequences = {kind: path for kind, path in found.items() if is_read(kind)}
        if not sequences:
            notes.append(f"{name} left out: it has no image whose name is known")
            continue
        near = [*masks.get((subject, session), ())]
        if session is not None and alone.count(subject) == 1:
            near += masks.get((subject, None), ())
        first = sequences.get("flair") or next(iter(sequences.values()))
        mask = _choose(name, near, first) or own
        cases.append(Case(name, subject, sequences=sequences, mask=mask))
    cases = [case for case in cases if "flair" in case.sequences] or cases
    if not cases:
        msg = f"{root}: holds no image; expected sub-*/anat/*_FLAIR.nii.gz, or sub-*/ses-*/anat/*_FLAIR.nii.gz"
        raise DataError(msg)
    without = sorted({subject for subject, _, _ in sessions} - {case.patient for case in cases})
    notes += [
        f"{subject} left out: it has no FLAIR, as others have" for subject in without if "flair" in cases[0].sequences
    ]
    ordered = check_names(root, cases)
    expected = "derivatives/**/sub-*_mask.nii.gz or *_dseg.nii.gz"
    return Found("BIDS", ordered, expected, _participants(root, ordered), notes=(*notes, *left_out(left)))


def _anatomies(root: Path) -> Iterator[tuple[str, str | None, Path]]:
    """Yield subject, session and the folder of images."""
    for subject in sorted(root.glob("sub-*")):
        if (subject / "anat").is_dir():
            yield subject.name, None, subject / "anat"
        for session in sorted(subject.glob("ses-*")):
            if (session / "anat").is_dir():
                yield subject.name, session.name, session / "anat"


def _masks(root: Path) -> dict[tuple[str, str | None], list[Path]]:
    """Return what may be masks of the tumour, by subject and session."""
    found: dict[tuple[str, str | None], list[Path]] = {}
    for path in sorted((root / "derivatives").rglob("*")):
        entities = _ENTITIES.match(path.name)
        if entities and _MASK.fullmatch(path.name) and path.is_file():
            found.setdefault((entities[1], entities[2]), []).append(path)
    return found


def _choose(name: str, masks: Sequence[Path], image: Path) -> Path | None:
    """Return the mask of the tumour: one that is called so, before one that is not called otherwise.

    Raises:
        DataError: If several may be it.
    """
    called = [path for path in masks if _TUMOUR.search(path.name)]
    unnamed = [path for path in masks if not _OTHER.search(path.name)]
    chosen = called or unnamed
    if len(chosen) > 1:
        chosen = [path for path in chosen if is_same_grid(path, image)] or chosen
    if len(chosen) > 1:
        names = ", ".join(path.name for path in chosen)
        msg = f"{name}: {names} may each be its mask; keep one in derivatives, or list the right one in a CSV"
        raise DataError(msg)
    return chosen[0] if chosen else None


def _participants(root: Path, cases: Sequence[Case]) -> pd.DataFrame | None:
    """Return the row of each study's subject."""
    path = root / "participants.tsv"
    if not path.is_file():
        return None
    table = read_table(path)
    if "participant_id" not in table:
        msg = f"{path}: has the columns {', '.join(map(str, table.columns))}; expected participant_id"
        raise DataError(msg)
    subjects = ["sub-" + str(each).removeprefix("sub-") for each in table["participant_id"]]
    twice = next((each for each in subjects if subjects.count(each) > 1), None)
    if twice is not None:
        msg = f"{path}: has {twice} twice; expected one row per subject"
        raise DataError(msg)
    rows = table.drop(columns="participant_id").set_axis(pd.Index(subjects))
    index = pd.Index([case.name for case in cases], name="name")
    return rows.reindex([case.patient for case in cases]).set_axis(index)
