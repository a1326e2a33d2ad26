"""Quality: each flag on a study that has the fault and none on one that has not; the score ranks as it should."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from braintumorseg import DataError, LGGDataset, Segmentation, dice, load_pretrained, make_study
from braintumorseg.datasets import lgg_split
from braintumorseg.evaluation.perturbations import keep_sequences
from braintumorseg.findings import QualityReference, assess_quality

SHAPE = (6, 64, 64)


@pytest.fixture(scope="module")
def studies():
    return [make_study(seed=seed, shape=SHAPE) for seed in range(6)]


@pytest.fixture(scope="module")
def reference(studies):
    return QualityReference.fit(studies, "six phantoms")


@pytest.fixture
def ball():
    mask = np.zeros(SHAPE, bool)
    mask[2:4, 20:30, 20:30] = True
    return mask


def flags(study, segmentation, reference):
    return [flag.name for flag in assess_quality(study, segmentation, reference=reference).flags]


def test_nothing_stands_out(studies, reference, ball):
    quality = assess_quality(studies[0], Segmentation(ball), reference=reference)
    assert (quality.level, quality.flags, quality.score, quality.components) == ("good", (), 1, 1)


@pytest.mark.parametrize("place", [np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]])
def test_border(studies, reference, place):
    mask = np.zeros(SHAPE, bool)
    mask[place] = True
    assert "border" in flags(studies[0], Segmentation(mask), reference)


def test_a_study_of_one_slice_has_no_first_and_last(reference):
    study = make_study(seed=0, shape=(1, 64, 64))
    mask = np.zeros(study.shape, bool)
    mask[0, 20:30, 20:30] = True
    assert "border" not in flags(study, Segmentation(mask), reference)


def test_pieces(studies, reference, ball):
    ball[2, 40, 40] = True
    assert "components" not in flags(studies[0], Segmentation(ball), reference)
    ball[2, 50, 50] = True
    quality = assess_quality(studies[0], Segmentation(ball), reference=reference)
    assert [(flag.name, flag.text) for flag in quality.flags] == [
        ("components", "the tumour is in 3 pieces (flagged above 2)")
    ]
    assert quality.score == pytest.approx(0.95)
    assert quality.level == "check"


def test_agreement(studies, reference, ball):
    quality = assess_quality(studies[0], Segmentation(ball, agreement={"a": 0.9, "b": 0.8}), reference=reference)
    assert quality.score == quality.agreement == pytest.approx(0.85)
    assert [flag.name for flag in quality.flags] == ["agreement"]
    assert flags(studies[0], Segmentation(ball, agreement={"a": 0.96}), reference) == []


def test_nothing_found_is_ranked_last(studies, reference, ball):
    quality = assess_quality(studies[0], Segmentation(ball & False, agreement={"a": 1.0}), reference=reference)
    assert (quality.score, [flag.name for flag in quality.flags]) == (0, ["nothing-found"])


def test_missing_sequences_and_copies_in_their_place(studies, reference, ball):
    study = studies[0]
    assert flags(keep_sequences(study, ("flair", "t1ce")), Segmentation(ball), reference) == ["missing"]
    volume = study.volume.copy()
    volume[..., 2] = volume[..., 1]
    copied = replace(study, volume=volume)
    quality = assess_quality(copied, Segmentation(ball), reference=reference)
    assert [flag.text for flag in quality.flags] == ["t1ce missing: filled with a copy of flair"]
    assert quality.distance == pytest.approx(reference.distance(keep_sequences(study, ("t1", "flair"))))


def test_certainty_is_the_dice_to_be_expected(studies, reference, ball):
    """Against the mean Dice with truths drawn from the probabilities, voxel by voxel."""
    random = np.random.default_rng(0)
    probabilities = np.where(ball, 0.9, 0.02 * random.random(SHAPE)).astype(np.float32)
    quality = assess_quality(studies[0], Segmentation(ball, probabilities), reference=reference)
    drawn = [dice(random.random(SHAPE) < probabilities, ball) for _ in range(40)]
    assert quality.certainty == pytest.approx(np.mean(drawn), abs=0.01)
    assert quality.score == quality.certainty


def test_other_images_are_far(studies, reference, ball):
    fresh = make_study(seed=50, shape=SHAPE)
    assert reference.distance(fresh) < 3
    rough = make_study(seed=50, shape=SHAPE, noise=25)
    assert reference.distance(rough) > 3 * reference.distance(fresh)
    assert "unlike-training" in flags(rough, Segmentation(ball), reference)


def test_intensity_scale_is_no_distance(studies, reference):
    scaled = replace(studies[0], volume=studies[0].volume * 7 + 100)
    assert reference.distance(scaled) == pytest.approx(reference.distance(studies[0]), rel=0.01)


def test_a_constant_image_is_far(studies, reference, ball):
    blank = replace(studies[0], volume=np.zeros_like(studies[0].volume))
    assert "unlike-training" in flags(blank, Segmentation(ball), reference)


def test_packaged_reference_knows_real_heads_from_noise(ball):
    noise = np.random.default_rng(0).random((*SHAPE, 3), np.float32)
    packaged = assess_quality(replace(make_study(seed=0, shape=SHAPE), volume=noise), Segmentation(ball))
    assert "unlike-training" in [flag.name for flag in packaged.flags]


def test_reference_as_a_file(reference, studies, tmp_path):
    path = reference.to_json(tmp_path / "reference.json")
    read = QualityReference.from_json(path)
    assert (read.source, read.studies) == ("six phantoms", 6)
    assert read.distance(studies[0]) == pytest.approx(reference.distance(studies[0]), rel=0.01)
    path.write_text("{}")
    with pytest.raises(DataError, match="expected a reference"):
        QualityReference.from_json(path)
    with pytest.raises(DataError, match="can't be read"):
        QualityReference.from_json(tmp_path / "none.json")


def test_two_studies_are_no_reference(studies):
    with pytest.raises(ValueError, match="at least three"):
        QualityReference.fit(studies[:2], "two")


@pytest.mark.lgg
def test_the_score_ranks_patients(lgg_root):
    """Five of the val patients; the benchmark takes all thirteen."""
    dataset, segmenter = LGGDataset(lgg_root), load_pretrained("resunet-lgg")
    scores, truths = [], []
    for name in sorted(lgg_split("val"))[::3]:
        study = dataset.study(name)
        found = segmenter.predict(study, uncertainty=True)
        scores.append(assess_quality(study, found).score)
        truths.append(dice(study.mask, found.mask))
        print(f"{name}: Dice {truths[-1]:.3f}, score {scores[-1]:.3f}")
    assert spearmanr(scores, truths).statistic > 0.5
