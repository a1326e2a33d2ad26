import nibabel as nib
import numpy as np
import pytest

from braintumorseg import (
    DataError,
    Preprocessing,
    Segmenter,
    Study,
    build_unet,
    load_pretrained,
    make_study,
    read_study,
)
from braintumorseg.study import are_sequences, check_sequences, in_order

VOLUME = make_study(0, shape=(4, 64, 64)).volume


@pytest.mark.parametrize("names", [("t2",), ("adc", "flair"), ("t1ce", "t2", "my-own_2")])
def test_names_of_ones_own(names):
    study = Study(np.repeat(VOLUME[..., :1], len(names), axis=-1), names)
    assert study.sequences == names
    assert study.with_sequences(names[-1:]).sequences == names[-1:]


@pytest.mark.parametrize("names", [(), ("FLAIR",), ("t1", "t1"), ("mask",), ("2d",), ("a b",), (1,), "flair"])
def test_names_that_no_sequence_has(names):
    with pytest.raises(ValueError, match="sequences must be distinct names such as t1, flair, t1ce, t2 or adc"):
        check_sequences("sequences", names)
    if not isinstance(names, str):
        assert not are_sequences(names)


def test_known_names_come_first():
    assert in_order(("swi", "t2", "adc", "t1")) == ("t1", "t2", "swi", "adc")


def test_a_model_of_other_sequences_predicts():
    names = ("t2", "adc")
    study = Study(VOLUME[..., :2], names, spacing=(5, 1, 1))
    preprocessing = Preprocessing(size=32, sequences=names, fill_from=("t2",))
    segmenter = Segmenter(build_unet((None, None, 2), filters=(4, 8)), preprocessing)
    found = segmenter.predict(study, uncertainty=True)
    assert found.shape == study.shape
    assert "without adc" in found.agreement
    assert "adc is missing: filled with a copy of t2" in segmenter.predict(study.with_sequences(["t2"])).notes
    with pytest.raises(DataError, match="the model needs t2; the study holds adc"):
        segmenter.predict(study.with_sequences(["adc"]))


def test_a_preset_is_adapted_to_four_sequences():
    """The kernels of the sequences that stay are kept, in proportion."""
    adapted = load_pretrained("resunet-lgg-small", channels=("t1", "t1ce", "t2", "flair"))
    assert adapted.preprocessing.sequences == ("t1", "t1ce", "t2", "flair")
    study = make_study(0, shape=(4, 64, 64), sequences=("t1", "flair", "t1ce", "t2"))
    assert adapted.predict(study).shape == study.shape
    before = load_pretrained("resunet-lgg-small").model.get_layer("encoder_1_conv_1").get_weights()[0]
    after = adapted.model.get_layer("encoder_1_conv_1").get_weights()[0]
    np.testing.assert_allclose(after[:, :, 3], before[:, :, 1] * 3 / 4, rtol=1e-5)


def test_a_study_without_flair_lies_on_the_grid_of_another_sequence(tmp_path):
    for name in ("t1", "t2"):
        nib.save(nib.Nifti1Image(VOLUME[..., 0].T, np.diag([1, 1, 5, 1])), tmp_path / f"case_{name}.nii.gz")
    with pytest.raises(DataError, match="holds no FLAIR"):
        read_study(tmp_path)
    assert read_study(tmp_path, reference=("flair", "t2")).sequences == ("t1", "t2")
    with pytest.raises(ValueError, match="reference must be distinct names"):
        read_study(tmp_path, reference="FLAIR")
    model = build_unet((None, None, 1), filters=(4, 8))
    needs = Segmenter(model, Preprocessing(size=32, sequences=("flair",)))
    with pytest.raises(DataError, match="holds no FLAIR"):
        needs.predict(tmp_path)
    takes = Segmenter(model, Preprocessing(size=32, sequences=("flair",), fill_from=("flair", "t1")))
    assert "flair is missing: filled with a copy of t1" in takes.predict(tmp_path).notes


def test_files_by_ones_own_pattern(tmp_path):
    affine = np.diag([1, 1, 5, 1])
    for name in ("pat1_FL", "pat1_DIFF", "pat1_roi"):
        values = VOLUME[..., 0].T if name != "pat1_roi" else (VOLUME[..., 0].T > 60).astype(np.uint8)
        nib.save(nib.Nifti1Image(values, affine), tmp_path / f"{name}.nii.gz")
    study = read_study(tmp_path, files={"flair": "*_FL.nii.gz", "adc": "*_DIFF.nii.gz", "mask": "*_roi.nii.gz"})
    assert study.sequences == ("flair", "adc")
    assert study.mask.any()
    same = read_study(files={"FLAIR": tmp_path / "pat1_FL.nii.gz", "adc": tmp_path / "pat1_DIFF.nii.gz"})
    assert same.sequences == ("flair", "adc")
    with pytest.raises(DataError, match=r"holds 3 files \*\.nii\.gz; expected 1"):
        read_study(tmp_path, files={"flair": "*.nii.gz"})
    with pytest.raises(ValueError, match="files must be a table by distinct names"):
        read_study(tmp_path, files={"ADC!": "*_FL.nii.gz"})
