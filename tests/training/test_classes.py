"""Training on label maps of several classes, from files to a preset that predicts them."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import (
    DataError,
    TrainConfig,
    evaluate,
    load_pretrained,
    make_study,
    measure_findings,
    read_segmentation,
    read_study,
    train,
    write_report,
    write_segmentation,
)
from braintumorseg.augmentation import TRANSFORMS
from braintumorseg.study import BRATS
from braintumorseg.training import CoarseConfig
from dicom_files import DESCRIPTIONS, write_classic

pytestmark = pytest.mark.slow

CLASSES = {each.name: each.value for each in BRATS}
NESTED = {"edema": 2, "necrosis": 1, "enhancing": 4}
STILL = dict.fromkeys(TRANSFORMS, 0) | {"flip_left_right": False}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three phantoms as BraTS has its patients."""
    root, found = tmp_path_factory.mktemp("data"), []
    for seed in (0, 1, 2):
        study = make_study(seed, shape=(12, 64, 64), classes=BRATS, sequences=("flair", "t1ce"))
        folder = root / f"case{seed}"
        folder.mkdir()
        affine = study.geometry.file_affine
        for channel, name in enumerate(study.sequences):
            nib.save(nib.Nifti1Image(study.volume[..., channel].T, affine), folder / f"case{seed}_{name}.nii.gz")
        nib.save(nib.Nifti1Image(study.labels.T, affine), folder / f"case{seed}_seg.nii.gz")
        found.append(folder)
    return found


def configure(**options):
    return TrainConfig.from_config(
        {
            "name": "classes",
            "model": {"name": "unet", "filters": [12, 24, 48]},
            "steps": 200,
            "batch_size": 8,
            "preprocessing": {"size": 64, "sequences": ["flair", "t1ce"], "slab": 0},
            "augmentation": STILL,
            "optimizer": {"learning_rate": 0.01, "ema": 0.9, "warmup_steps": 10},
            "classes": CLASSES,
            **options,
        }
    )


@pytest.mark.parametrize("nested", [False, True])
def test_classes_are_learnt(folders, tmp_path, nested):
    config = configure(nested=nested, classes=NESTED if nested else CLASSES)
    segmenter = train(config, folders[:2], folders[2:], tmp_path / "run", progress=False)
    assert segmenter.labelling.nested is nested
    assert {each.value for each in segmenter.classes} == {1, 2, 4}
    evaluation = evaluate(segmenter, folders[:1])
    assert evaluation.table["dice"][0] > 0.75
    assert evaluation.table["dice of edema"][0] > 0.5
    if nested:  # in so few steps, cross-entropy over exclusive classes has hardly begun with the small ones
        assert all(evaluation.table[f"dice of {name}"][0] > 0.4 for name in CLASSES)
    again = TrainConfig.read(tmp_path / "run" / "config.toml")
    assert again == config
    assert again.digest() == config.digest()


def test_studies_of_other_labels_are_named(folders, tmp_path):
    config = configure(classes=("a", "b"))
    with pytest.raises(DataError, match=r"case0: holds the label 4; expected 0 and a = 1, b = 2"):
        train(config, folders[:1], [], tmp_path / "run", progress=False)
    study = read_study(folders[0])
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in study.sequences:
        (plain / f"case0_{name}.nii.gz").write_bytes((folders[0] / f"case0_{name}.nii.gz").read_bytes())
    nib.save(
        nib.Nifti1Image((study.labels > 0).astype(np.uint8).T, study.geometry.file_affine), plain / "case0_seg.nii"
    )
    with pytest.raises(DataError, match="has a mask of one kind of tumour; expected a label map of necrosis = 1"):
        train(configure(), [plain], [], tmp_path / "run", progress=False)


def test_configurations_of_classes_are_checked():
    assert configure().architecture["activation"] == "softmax"
    assert configure(nested=True).architecture["activation"] == "sigmoid"
    assert configure(nested=True).architecture["classes"] == 3
    with pytest.raises(ValueError, match="nested must be false for one class"):
        configure(classes=1, nested=True)
    with pytest.raises(ValueError, match="'activation'"):
        configure(model={"name": "unet", "filters": [4, 8], "activation": "softmax"})
    one, other = configure(classes=1), TrainConfig("classes", model={"name": "unet", "filters": [4, 8]}, steps=10)
    assert one.classes == other.classes


@pytest.mark.lgg
def test_a_released_preset_learns_four_classes_of_real_patients(tmp_path, capsys):
    """Four patients of BraTS 2013 train it, and two others judge it: the whole tumour is found no worse than before."""
    if "BRAINTUMORSEG_NATIVE" not in os.environ:
        pytest.skip("needs the data beside the checkout")
    patients = sorted((Path(os.environ["BRAINTUMORSEG_NATIVE"]).parent / "brats2013").iterdir())
    names = {"necrosis": 1, "edema": 2, "non-enhancing": 3, "enhancing": 4}
    judging = [read_study(each, classes=names) for each in patients[4:]]
    before = evaluate(load_pretrained("resunet-lgg"), judging).table["dice"]

    start = load_pretrained("resunet-lgg", classes=names, channels=("flair", "t1ce"), freeze="encoder")
    start.save(tmp_path / "start")
    config = TrainConfig.read("resunet-lgg").replace(
        name="brats",
        start=str(tmp_path / "start"),
        classes=start.classes,
        preprocessing=start.preprocessing,
        coarse=CoarseConfig(),
        steps=120,
        round_steps=40,
        batch_size=8,
    )
    tuned = train(config, patients[:4], judging, tmp_path / "run", progress=False)
    after = evaluate(tuned, judging)
    with capsys.disabled():
        print(f"\n{after.table[['name', *(each for each in after.overlaps if 'dice' in each)]].round(3).to_string()}")
    assert after.table["dice"].mean() >= before.mean() - 0.01

    study = judging[0]
    stack = np.round(np.clip(study.volume, 0, None)).astype(np.uint16)
    for number, name in enumerate(study.sequences):
        scan = tmp_path / "scan" / name
        write_classic(scan, stack[..., number], study.geometry.affine @ _to_file(), DESCRIPTIONS[name], number + 1)
    scanned = read_study(tmp_path / "scan")
    found = tuned.predict(scanned)
    assert [each.name for each in found.classes] == list(names)
    seg = write_segmentation(found, tmp_path / "seg.dcm")
    assert np.array_equal(read_segmentation(seg, scanned, classes=names).labels, found.labels)
    write_report(scanned, found, tmp_path / "report.html", segmenter=tuned, findings=measure_findings(scanned, found))


def _to_file():
    """From (column, row, slice) as DICOM stacks them to (slice, row, column)."""
    turn = np.zeros((4, 4))
    turn[0, 2] = turn[1, 1] = turn[2, 0] = turn[3, 3] = 1
    return turn
