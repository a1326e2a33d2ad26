import keras
import numpy as np
import pytest

from braintumorseg import build_resunet
from braintumorseg.runtimes.keras import run


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_resunet(filters=(4, 8, 16))


def images(height, width, count=5):
    return np.random.default_rng(0).normal(size=(count, height, width, 3)).astype(np.float32)


def test_is_the_model(model):
    stack = images(32, 24)
    np.testing.assert_allclose(run(model, stack, batch_size=2), model(stack), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(30, 33), (1, 7), (32, 31)])
def test_any_size_is_padded_and_cropped_back(model, height, width):
    stack = images(height, width)
    pads = (-height % 4, -width % 4)
    padded = np.pad(stack, ((0, 0), (0, pads[0]), (0, pads[1]), (0, 0)), constant_values=stack.min())
    output = run(model, stack, batch_size=8)
    assert output.shape == (5, height, width, 1)
    np.testing.assert_allclose(output, np.asarray(model(padded))[:, :height, :width], atol=1e-6)


def test_fixed_model_is_padded_to_its_size():
    fixed = build_resunet((48, 48, 3), filters=(4, 8, 16))
    assert run(fixed, images(40, 48), batch_size=8).shape == (5, 40, 48, 1)
    with pytest.raises(ValueError, match="size must be at most 48, the fixed input size of this model; got 64"):
        run(fixed, images(64, 48), batch_size=8)


def test_batch_size_changes_nothing(model):
    stack = images(32, 32, count=7)
    np.testing.assert_allclose(run(model, stack, batch_size=1), run(model, stack, batch_size=16), atol=1e-6)
