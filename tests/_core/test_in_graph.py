import keras
import pytest
from keras import ops

from braintumorseg._core.in_graph import is_known, refuse


def test_a_known_value_is_refused_at_once():
    refuse(ops.convert_to_tensor(False), "x must be small", ops.convert_to_tensor(0.0), ops.convert_to_tensor(1.0))
    with pytest.raises(ValueError, match=r"^x must be small; got values from 0 to 255$"):
        refuse(ops.convert_to_tensor(True), "x must be small", ops.convert_to_tensor(0.0), ops.convert_to_tensor(255.0))


def test_a_tensor_that_is_only_described_is_not_known():
    assert is_known(ops.ones((2,)))
    assert not is_known(keras.KerasTensor((2,)))
