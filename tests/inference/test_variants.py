"""Uncertainty: variants, their spread, their agreement with the mask that was found."""

from dataclasses import replace

import keras
import nibabel as nib
import numpy as np
import pytest

from braintumorseg import DataError, Preprocessing, Segmentation, Segmenter, build_resunet, dice, write_segmentation
from braintumorseg.evaluation.perturbations import keep_sequences
from braintumorseg.inference.postprocessing import to_mask
from braintumorseg.inference.variants import measure_spread, run_without_sequences


@pytest.fixture(scope="module")
def lopsided():
    """An untrained model: every variant changes what it says."""
    keras.utils.set_random_seed(0)
    return Segmenter(build_resunet(filters=(4, 8)), Preprocessing(size=96))


def test_variants_are_the_study_mirrored_and_with_fewer_sequences(lopsided, phantom):
    found = lopsided.predict(phantom, uncertainty=True)
    assert list(found.agreement) == ["mirrored", "without t1", "without t1ce", "without t1 and t1ce"]
    without_pre = lopsided.predict(keep_sequences(phantom, ("flair", "t1ce")))
    assert found.agreement["without t1"] == pytest.approx(dice(found.mask, without_pre.mask), abs=0.01)
    flair_alone = lopsided.predict(keep_sequences(phantom, ("flair",)))
    assert found.agreement["without t1 and t1ce"] == pytest.approx(dice(found.mask, flair_alone.mask), abs=0.01)
    both = 2 * lopsided.predict(phantom, tta=True).probabilities - found.probabilities
    mirrored = to_mask(np.clip(both, 0, 1), lopsided.threshold, lopsided.min_voxels)
    assert found.agreement["mirrored"] == pytest.approx(dice(found.mask, mirrored), abs=0.01)
    assert found.uncertainty.shape == phantom.shape
    assert 0.01 < found.uncertainty.max() <= 1


@pytest.mark.parametrize(("tta", "runs"), [(False, 5), (True, 5)])
def test_the_mirror_image_runs_once(lopsided, phantom, tta, runs):
    """The study, its mirror image, and three times fewer sequences; test-time augmentation takes the same mirror image."""
    prediction = lopsided.prediction(uncertainty=True, tta=tta)
    images = []

    def run(stack, batch_size):
        images.append(stack)
        return prediction.choice.run(stack, batch_size)

    prepared = prediction.prepare(phantom)
    counted = replace(prediction, choice=prediction.choice._replace(run=run))
    outputs = counted.compute(prepared)
    assert len(images) == runs
    plain = lopsided.prediction(tta=tta).compute(prepared)
    np.testing.assert_array_equal(outputs.images, plain.images)
    alone = lopsided.prediction(uncertainty=True).compute(prepared)
    assert list(outputs.variants) == list(alone.variants)
    for name, variant in alone.variants.items():
        np.testing.assert_array_equal(outputs.variants[name], variant)


def test_mask_and_probabilities_stay_those_of_the_study(lopsided, phantom):
    plain, found = lopsided.predict(phantom), lopsided.predict(phantom, uncertainty=True)
    np.testing.assert_allclose(found.probabilities, plain.probabilities, atol=1e-6)
    assert plain.uncertainty is None
    assert plain.agreement is None


def test_what_is_not_there_is_not_dropped(lopsided, phantom):
    assert list(lopsided.predict(keep_sequences(phantom, ("flair",)), uncertainty=True).agreement) == ["mirrored"]
    names = list(lopsided.predict(keep_sequences(phantom, ("flair", "t1")), uncertainty=True).agreement)
    assert names == ["mirrored", "without t1"]


def test_a_model_that_ignores_side_and_sequences_agrees_with_itself():
    images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    flair = images[..., 1]
    outputs = run_without_sequences(lambda each: each[..., 1], images, ("t1", "flair", "t1ce"))
    for output in outputs.values():
        np.testing.assert_array_equal(output, flair)
    np.testing.assert_allclose(measure_spread([flair, *outputs.values()]), 0, atol=1e-6)


def test_spread_is_1_where_half_say_yes_and_half_no():
    no, yes = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32)
    assert measure_spread([no, yes]).item() == 1
    assert measure_spread([no, no, no, yes]).item() == pytest.approx(3**0.5 / 2)
    assert measure_spread([yes, yes]).item() == 0


def test_the_map_is_written_beside_the_mask(lopsided, phantom, tmp_path):
    found = lopsided.predict(phantom, uncertainty=True)
    write_segmentation(found, tmp_path / "a_mask.nii.gz", uncertainty=True)
    image = nib.load(tmp_path / "a_mask_uncertainty.nii.gz")
    np.testing.assert_array_equal(image.affine, phantom.geometry.file_affine)
    np.testing.assert_array_equal(phantom.geometry.to_volume(np.asarray(image.dataobj)), found.uncertainty)


def test_what_was_not_estimated_can_t_be_written(phantom, tmp_path):
    with pytest.raises(DataError, match="has no uncertainty to write"):
        write_segmentation(Segmentation(phantom.mask), tmp_path / "a.nii.gz", uncertainty=True)
    with pytest.raises(DataError, match="can't hold uncertainty"):
        write_segmentation(Segmentation(phantom.mask), tmp_path / "a", uncertainty=True)
    assert not list(tmp_path.iterdir())


def test_values_outside_0_to_1_are_refused(phantom):
    with pytest.raises(ValueError, match="uncertainty must be between 0 and 1"):
        Segmentation(phantom.mask, uncertainty=np.full(phantom.shape, 1.5))
