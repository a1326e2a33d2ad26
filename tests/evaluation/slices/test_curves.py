import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from braintumorseg.evaluation import Curves, average_precision, best_threshold, roc_auc
from braintumorseg.evaluation.slices.curves import calibration

cases = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30).filter(
    lambda pairs: len({truth for _, truth in pairs}) == 2
)


@settings(max_examples=60)
@given(cases)
def test_area_by_pairs_by_ranks_and_under_the_curve_are_one(pairs):
    scores, truth = (np.array(each) for each in zip(*pairs, strict=True))
    differences = scores[truth][:, None] - scores[~truth]
    expected = ((differences > 0) + 0.5 * (differences == 0)).mean()
    assert roc_auc(scores, truth) == pytest.approx(expected)
    ranks = mannwhitneyu(scores[truth], scores[~truth]).statistic / differences.size
    assert expected == pytest.approx(ranks)
    curves = Curves.of(scores, truth)
    assert np.trapezoid(curves.sensitivity, curves.false_alarms) == pytest.approx(expected)


@settings(max_examples=60)
@given(cases)
def test_curves_are_counts_at_their_thresholds(pairs):
    scores, truth = (np.array(each) for each in zip(*pairs, strict=True))
    curves = Curves.of(scores, truth)
    for threshold, sensitivity, false_alarms, precision in zip(
        curves.thresholds, curves.sensitivity, curves.false_alarms, curves.precision, strict=True
    ):
        found = scores >= threshold
        assert sensitivity == pytest.approx(found[truth].mean())
        assert false_alarms == pytest.approx(found[~truth].mean())
        assert precision == pytest.approx(truth[found].mean() if found.any() else 1)


@settings(max_examples=60)
@given(cases)
def test_no_threshold_is_more_accurate_than_the_best(pairs):
    scores, truth = (np.array(each) for each in zip(*pairs, strict=True))
    best = ((scores >= best_threshold(scores, truth)) == truth).mean()
    assert all(((scores >= threshold) == truth).mean() <= best + 1e-12 for threshold in scores)


def test_average_precision_by_hand():
    # Found in this order: right, wrong, right, wrong. Precision at the right ones: 1 and 2/3.
    assert average_precision([4, 3, 2, 1], [1, 0, 1, 0]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([1, 1, 1, 1], [1, 0, 1, 0]) == 0.5


def test_calibration_by_hand():
    means, shares, counts = calibration([0.1, 0.3, 0.8, 0.9, 1.0], [False, True, True, False, True], bins=2)
    np.testing.assert_allclose(means, [0.2, 0.9])
    np.testing.assert_allclose(shares, [0.5, 2 / 3])
    assert counts.tolist() == [2, 3]
    with pytest.raises(ValueError, match="scores must be probabilities"):
        calibration([0, 3], [True, False])


def test_score_on_an_edge_is_in_the_lower_bin():
    means, shares, counts = calibration([0, 0.5, 0.75, 1], [False, True, True, True], bins=2)
    assert (means.tolist(), shares.tolist(), counts.tolist()) == ([0.25, 0.875], [0.5, 1], [2, 2])


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(1, 12))
def test_calibration_counts_every_score_once(scores, bins):
    truth = [place % 2 == 0 for place in range(len(scores))]
    means, shares, counts = calibration(scores, truth, bins=bins)
    assert len(means) == len(shares) == len(counts)
    assert counts.sum() == len(scores)
    assert (means * counts).sum() == pytest.approx(sum(scores))
    assert (shares * counts).sum() == pytest.approx(sum(truth))


def test_perfect_scores_have_an_area_of_one():
    scores = np.arange(50) / 7
    assert roc_auc(scores, scores > 3) == 1
    assert average_precision(scores, scores > 3) == pytest.approx(1)
    assert roc_auc(-scores, scores > 3) == 0


@pytest.mark.parametrize("function", [roc_auc, average_precision, best_threshold, Curves.of, calibration])
def test_without_scikit_learn_the_extra_is_named(monkeypatch, function):
    for module in ("sklearn", "sklearn.metrics", "sklearn.calibration"):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(
        ImportError, match=r"^sklearn\.\w+ is not installed; run: pip install 'braintumorseg\[research\]'$"
    ):
        function([0.1, 0.9], [False, True])


@pytest.mark.parametrize("function", [roc_auc, average_precision, best_threshold, Curves.of])
def test_what_has_no_curve_is_refused(function):
    with pytest.raises(ValueError, match="truth must be of both kinds"):
        function([1, 2], [True, True])
    with pytest.raises(ValueError, match="scores must be finite numbers"):
        function([1, np.nan], [True, False])
    with pytest.raises(ValueError, match="scores must be finite numbers"):
        function([1, 2, 3], [True, False])
