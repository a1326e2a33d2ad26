import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from braintumorseg.preprocessing.foreground import _smooth, find_foreground, quantile


def test_bright_tumour_is_not_taken_for_the_head():
    """Skull-stripped, uniform brain on an exact background: nothing but brain lies below the tumour."""
    random = np.random.default_rng(0)
    flair = np.zeros((6, 80, 80), np.float32)
    flair[:, 15:65, 20:60] = random.normal(100, 15, (6, 50, 40))
    flair[2:4, 30:40, 30:40] = random.normal(300, 15, (2, 10, 10))
    assert (find_foreground(flair) != (flair > 0)).mean() < 1e-3


@pytest.mark.parametrize("gamma", [0.7, 1.0])
def test_noise_of_the_air_is_not_taken_for_the_head(gamma):
    """Scalp brighter than brain, ventricles darker, noise of 5 % of the scalp everywhere: brighter still by a gamma."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[-1:1:128j, -1:1:128j]
    radius = np.hypot(rows / 0.75, columns / 0.6)
    head = np.select([radius < 0.2, radius < 0.85, radius < 1], [30.0, 60.0, 150.0])
    noisy = np.abs(head + random.normal(0, 7.5, (8, 128, 128)))
    image = (255 * (noisy / 255) ** gamma).astype(np.float32)
    foreground = find_foreground(image)
    assert foreground[:, radius < 1].mean() > 0.95
    assert foreground[:, radius > 1.1].mean() < 0.01


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 2000), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_quantile_is_that_of_numpy(size, share, seed):
    values = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    assert quantile(values, share) == pytest.approx(np.quantile(values.astype(np.float64), share), abs=1e-5)
    assert quantile(values, 0.5) == pytest.approx(np.median(values), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 12)] * 3), seed=st.integers(0, 99))
def test_slices_are_smoothed_as_scipy_smooths_them(shape, seed):
    stack = np.random.default_rng(seed).random(shape, np.float32)
    expected = ndimage.uniform_filter(stack.astype(np.float64), (1, 5, 5), mode="constant")
    np.testing.assert_allclose(_smooth(stack), expected, atol=1e-6)
