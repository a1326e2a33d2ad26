"""Quality: each flag on a study that has the fault and none on one that has not; the score ranks as it should."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from braintumorseg import LGGDataset, Segmentation, dice, load_pretrained, make_study
from braintumorseg.datasets import lgg_split
from braintumorseg.evaluation.perturbations import keep_sequences
from braintumorseg.findings import assess_quality

SHAPE = (6, 64, 64)


@pytest.fixture(scope="module")
def studies():
    return [make_study(seed=seed, shape=SHAPE) for seed in range(6)]


@pytest.fixture
def ball():
    mask = np.zeros(SHAPE, bool)
    mask[2:4, 20:30, 20:30] = True
    return mask


def flags(study, segmentation):
    return [flag.name for flag in assess_quality(study, segmentation).flags]


def test_nothing_stands_out(studies, ball):
    quality = assess_quality(studies[0], Segmentation(ball))
    assert (quality.level, quality.flags, quality.score, quality.components) == ("good", (), 1, 1)


@pytest.mark.parametrize("place", [np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]])
def test_border(studies, place):
    mask = np.zeros(SHAPE, bool)
    mask[place] = True
    assert "border" in flags(studies[0], Segmentation(mask))


def test_a_study_of_one_slice_has_no_first_and_last():
    study = make_study(seed=0, shape=(1, 64, 64))
    mask = np.zeros(study.shape, bool)
    mask[0, 20:30, 20:30] = True
    assert "border" not in flags(study, Segmentation(mask))


def test_pieces(studies, ball):
    ball[2, 40, 40] = True
    assert "components" not in flags(studies[0], Segmentation(ball))
    ball[2, 50, 50] = True
    quality = assess_quality(studies[0], Segmentation(ball))
    assert [(flag.name, flag.text) for flag in quality.flags] == [
        ("components", "the tumour is in 3 pieces (flagged above 2)")
    ]
    assert quality.score == pytest.approx(0.95)
    assert quality.level == "check"


def test_agreement(studies, ball):
    quality = assess_quality(studies[0], Segmentation(ball, agreement={"a": 0.9, "b": 0.8}))
    assert quality.score == quality.agreement == pytest.approx(0.85)
    assert [flag.name for flag in quality.flags] == ["agreement"]
    assert flags(studies[0], Segmentation(ball, agreement={"a": 0.96})) == []


def test_nothing_found_is_ranked_last(studies, ball):
    quality = assess_quality(studies[0], Segmentation(ball & False, agreement={"a": 1.0}))
    assert (quality.score, [flag.name for flag in quality.flags]) == (0, ["nothing-found"])


def test_missing_sequences_and_copies_in_their_place(studies, ball):
    study = studies[0]
    assert flags(keep_sequences(study, ("flair", "t1ce")), Segmentation(ball)) == ["missing"]
    volume = study.volume.copy()
    volume[..., 2] = volume[..., 1]
    copied = replace(study, volume=volume)
    quality = assess_quality(copied, Segmentation(ball))
    assert [flag.text for flag in quality.flags] == ["t1ce missing: filled with a copy of flair"]


def test_doubts_of_a_prediction_are_flags(studies, ball):
    doubted = Segmentation(ball, evidence={"distance": 3.5}, doubts={"volume": "more than a head holds"})
    quality = assess_quality(studies[0], doubted)
    assert [(flag.name, flag.text) for flag in quality.flags] == [("volume", "more than a head holds")]
    assert (quality.level, quality.distance, quality.score) == ("check", 3.5, pytest.approx(0.95))
    assert assess_quality(studies[0], Segmentation(ball)).distance is None


def test_certainty_is_the_dice_to_be_expected(studies, ball):
    """Against the mean Dice with truths drawn from the probabilities, voxel by voxel."""
    random = np.random.default_rng(0)
    probabilities = np.where(ball, 0.9, 0.02 * random.random(SHAPE)).astype(np.float32)
    quality = assess_quality(studies[0], Segmentation(ball, probabilities))
    drawn = [dice(random.random(SHAPE) < probabilities, ball) for _ in range(40)]
    assert quality.certainty == pytest.approx(np.mean(drawn), abs=0.01)
    assert quality.score == quality.certainty


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
