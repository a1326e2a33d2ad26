"""Training on label maps of several classes, from files to a preset that predicts them."""

import nibabel as nib
import numpy as np
import pytest

from braintumorseg import (
    DataError,
    TrainConfig,
    evaluate,
    make_study,
    read_study,
    train,
)
from braintumorseg.augmentation import TRANSFORMS
from braintumorseg.study import BRATS

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
