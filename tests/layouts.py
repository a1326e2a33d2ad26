"""Phantoms on disk in every layout that datasets are known by, written by nibabel."""

import json

import nibabel as nib
import numpy as np

from braintumorseg import make_study
from cases import write_case

SHAPE = (6, 64, 64)


def phantom(seed):
    return make_study(seed=seed, shape=SHAPE)


def save(study, array, path, affine=None):
    """Write an array (slices, rows, columns[, channels]) of a study as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = study.geometry.to_file(array)
    nib.save(nib.Nifti1Image(stored, study.geometry.file_affine if affine is None else affine), path)
    return path


def save_mask(study, path):
    return save(study, study.mask.astype(np.uint8), path)


def save_sequence(study, sequence, path):
    return save(study, study.sequence(sequence), path)


def write_brats(root, names=("BraTS-GLI-00001-000", "BraTS-GLI-00001-001", "BraTS-GLI-00002-000")):
    """Two time points of one patient, and one of another; T2 is there too, as always."""
    for seed, name in enumerate(names):
        study = phantom(seed)
        for suffix, sequence in (("t2f", "flair"), ("t1n", "t1"), ("t1c", "t1ce"), ("t2w", "t1")):
            save_sequence(study, sequence, root / name / f"{name}-{suffix}.nii.gz")
        save_mask(study, root / name / f"{name}-seg.nii.gz")
    return root


def write_bids(root):
    """Two sessions of one subject, one session-less subject, a mask of the brain beside that of the tumour, and a table."""
    places = {
        "sub-01_ses-1": "sub-01/ses-1",
        "sub-01_ses-2": "sub-01/ses-2",
        "sub-02": "sub-02",
    }
    for seed, (name, place) in enumerate(places.items()):
        study = phantom(seed)
        save_sequence(study, "flair", root / place / "anat" / f"{name}_FLAIR.nii.gz")
        save_sequence(study, "t1", root / place / "anat" / f"{name}_T1w.nii.gz")
        save_sequence(study, "t1ce", root / place / "anat" / f"{name}_ce-gadolinium_T1w.nii.gz")
        save_sequence(study, "t1", root / place / "anat" / f"{name}_T2w.nii.gz")
        masks = root / "derivatives" / "masks" / place / "anat"
        save_mask(study, masks / f"{name}_label-lesion_mask.nii.gz")
        save(study, np.ones(SHAPE, np.uint8), masks / f"{name}_desc-brain_mask.nii.gz")
    (root / "participants.tsv").write_text(
        "participant_id\tsite\tage\nsub-02\tLeeds\t61\nsub-01\tYork\tn/a\nsub-09\tBath\t3\n"
    )
    (root / "dataset_description.json").write_text('{"Name": "phantoms", "BIDSVersion": "1.9.0"}')
    return root


def write_nnunet(root, version=2, names=("case_001", "case_002", "case_003")):
    for seed, name in enumerate(names):
        study = phantom(seed)
        for channel, sequence in enumerate(("flair", "t1", "t1ce", "t1")):
            save_sequence(study, sequence, root / "imagesTr" / f"{name}_{channel:04d}.nii.gz")
        save_mask(study, root / "labelsTr" / f"{name}.nii.gz")
    channels = {"0": "FLAIR", "1": "T1w", "2": "T1gd", "3": "T2w"}
    record = {"numTraining": len(names), "file_ending": ".nii.gz"}
    if version == 2:
        record |= {"channel_names": channels, "labels": {"background": 0, "whole": [1, 2], "core": 2}}
    else:
        training = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
        record |= {"modality": channels, "labels": {"0": "background", "1": "tumour"}, "training": training}
    (root / "dataset.json").write_text(json.dumps(record))
    return root


def write_decathlon(root, names=("BRATS_001", "BRATS_002", "BRATS_003")):
    for seed, name in enumerate(names):
        study = phantom(seed)
        stack = np.stack([study.sequence(each) for each in ("flair", "t1", "t1ce", "t1")], -1)
        save(study, stack, root / "imagesTr" / f"{name}.nii.gz")
        save_mask(study, root / "labelsTr" / f"{name}.nii.gz")
    training = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    record = {
        "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "edema"},
        "tensorImageSize": "4D",
        "training": training,
        "test": ["./imagesTs/BRATS_900.nii.gz"],
    }
    (root / "dataset.json").write_text(json.dumps(record))
    return root


def write_list(root):
    """Two studies of one patient, and one of another without T1; a column ``adc`` that no study holds."""
    rows = ["patient,study,flair,T1w,adc,mask,site,age"]
    for seed, (patient, name) in enumerate((("007", "007a"), ("007", "007b"), ("12", "12"))):
        study = phantom(seed)
        save_sequence(study, "flair", root / f"{name}_x.nii.gz")
        save_sequence(study, "t1", root / f"{name}_y.nii.gz")
        save_mask(study, root / "drawn" / f"{name}.nii.gz")
        t1 = "" if name == "12" else f"{name}_y.nii.gz"
        rows.append(f"{patient},{name},{name}_x.nii.gz,{t1},{name}_y.nii.gz,drawn/{name}.nii.gz,S{seed},{50 + seed}")
    path = root / "studies.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def write_folder(root, names=("a", "b", "c")):
    for seed, name in enumerate(names):
        write_case(root / name, seed, slices=SHAPE[0], side=SHAPE[1])
    return root
