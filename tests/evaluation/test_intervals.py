import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg.evaluation.intervals import bootstrap_interval


def test_bootstrap_of_two_values_by_hand():
    """The mean of a draw is 0, 1/2 or 1, with chances 1/4, 1/2, 1/4."""
    assert bootstrap_interval([0, 1]) == (0, 1)
    assert bootstrap_interval([0, 1], confidence=0.4) == (0.5, 0.5)


def test_draws_are_pinned():
    """Intervals of cards and pages stay as they are: these came from a generator that drew patients by hand."""
    values = [0.90, 0.85, 0.60, 0.92, 0.88]
    assert bootstrap_interval(values) == pytest.approx((0.712, 0.904))
    assert bootstrap_interval(values, np.median, seed=3) == pytest.approx((0.6, 0.92))


def test_draws_are_those_of_the_generator():
    values = np.random.default_rng(0).beta(8, 2, size=40)
    places = np.random.default_rng(7).integers(40, size=(2500, 40))
    drawn = np.sort(values)[places].mean(axis=1)
    assert bootstrap_interval(values, resamples=2500, seed=7) == pytest.approx(
        tuple(np.quantile(drawn, [0.025, 0.975]))
    )


def test_rows_of_several_values_stay_together():
    rows = np.random.default_rng(0).random((12, 2))
    low, high = bootstrap_interval(
        np.stack([rows[:, 0], 1 - rows[:, 0]], axis=1), lambda drawn, axis: drawn.mean(axis).sum(-1)
    )
    assert (low, high) == pytest.approx((1, 1))


def _share_of_small(drawn, *, axis):
    """The mean of the values below 0.5; NaN in a draw that has none."""
    small = drawn < 0.5
    count = small.sum(axis=axis)
    return np.divide((drawn * small).sum(axis=axis), count, out=np.full(len(drawn), np.nan), where=count > 0)


@pytest.mark.filterwarnings("error")
def test_undefined_draws_make_the_interval_undefined_or_are_left_out():
    values = [0.1, 0.3, 0.9, 0.9]
    assert np.isnan(bootstrap_interval(values, _share_of_small)).all()
    assert bootstrap_interval(values, _share_of_small, nan_policy="omit") == pytest.approx((0.1, 0.3))
    assert np.isnan(bootstrap_interval([0.9, 0.8], _share_of_small, nan_policy="omit")).all()


finite = st.lists(st.floats(0, 1), min_size=2, max_size=20)


@settings(deadline=None, max_examples=40)
@given(finite, st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_interval_holds_the_mean_and_ignores_the_order(values, seed, random):
    low, high = bootstrap_interval(values, resamples=400, seed=seed)
    assert low - 1e-12 <= np.mean(values) <= high + 1e-12
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    shuffled = random.sample(values, len(values))
    assert bootstrap_interval(shuffled, resamples=400, seed=seed) == (low, high)


def test_interval_depends_on_seed_confidence_and_draws():
    values = np.random.default_rng(0).random(12)
    assert (
        bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)
    )
    wide, narrow = bootstrap_interval(values, confidence=0.99), bootstrap_interval(values, confidence=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert bootstrap_interval(values, resamples=1500) != bootstrap_interval(values, resamples=1000)


def test_interval_of_one_patient_is_unknown():
    assert np.isnan(bootstrap_interval([0.5])).all()


@pytest.mark.parametrize(
    ("values", "options", "name"),
    [
        ([], {}, "values"),
        ([0.1, math.nan], {}, "values"),
        ([0.1, math.inf], {}, "values"),
        (np.zeros((2, 2, 2)), {}, "values"),
        ([0, 1], {"confidence": 1}, "confidence"),
        ([0, 1], {"resamples": 1}, "resamples"),
        ([0, 1], {"nan_policy": "raise"}, "nan_policy"),
    ],
)
def test_bootstrap_refuses(values, options, name):
    with pytest.raises(ValueError, match=f"{name} must be"):
        bootstrap_interval(values, **options)
