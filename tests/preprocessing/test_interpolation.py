import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg.preprocessing.interpolation import interpolation, resample


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), *[st.integers(1, 40)] * 2),
    sides=st.tuples(*[st.integers(1, 40)] * 2),
    seed=st.integers(0, 99),
)
def test_a_stack_is_resampled_slice_by_slice(shape, sides, seed):
    random = np.random.default_rng(seed)
    stack = random.normal(size=shape).astype(np.float32)
    rows, columns = (
        random.normal(size=(side, length)).astype(np.float32) for side, length in zip(sides, shape[1:], strict=True)
    )
    expected = np.stack([rows @ each @ columns.T for each in stack])
    np.testing.assert_allclose(resample(stack, rows, columns), expected, rtol=1e-4, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 50),
    source=st.integers(1, 50),
    origin=st.floats(-20, 20),
    step=st.floats(0.1, 5),
    seed=st.integers(0, 99),
)
def test_interpolation_is_linear_between_places_and_0_outside(length, source, origin, step, seed):
    values = np.random.default_rng(seed).random(source)
    matrix = interpolation(length, source, origin, step)
    padded = np.concatenate([np.zeros(200), values, np.zeros(200)])
    for number, weights in enumerate(matrix):
        centre, reach = origin + step * number, max(1.0, step)
        triangle = np.clip(1 - np.abs(np.arange(-200, source + 200) - centre) / reach, 0, None)
        expected = (triangle * padded).sum() / triangle.sum() if triangle.sum() else 0
        assert abs(weights @ values - expected) < 1e-4


def test_most_of_a_large_stack_is_left_alone():
    """What lies outside of a block's reach has no part in it: not even what is no number."""
    stack = np.zeros((1, 64, 64), np.float32)
    stack[0, 63, 63] = np.nan
    halves = interpolation(32, 64, 0.5, 2.0)
    assert np.isfinite(resample(stack, halves, halves)[0, :16, :16]).all()
