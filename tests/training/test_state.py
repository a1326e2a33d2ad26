import keras
import numpy as np
import pytest

from braintumorseg import DataError, build_unet
from braintumorseg.training.state import read_info, restore_state, save_state


def compiled(filters=(4, 8), seed=0):
    keras.utils.set_random_seed(seed)
    model = build_unet(filters=filters, dropout=0.1)
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True), "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model


def steps(model, count):
    random = np.random.default_rng(0)
    for _ in range(count):
        model.train_on_batch(random.normal(size=(2, 16, 16, 3)), random.integers(0, 2, (2, 16, 16, 1)))


def values(model):
    return [np.asarray(variable) for variable in (*model.variables, *model.optimizer.variables)]


def test_everything_comes_back_exactly(tmp_path):
    """Weights, statistics, dropout's generator, the optimizer's moments, averages and step."""
    model, other = compiled(), compiled(seed=1)
    steps(model, 3)
    save_state(tmp_path / "state", model, {"step": 3})
    restore_state(tmp_path / "state", other)
    assert len(values(model)) == len(values(other)) > 50
    for one, two in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(one, two)
    assert int(other.optimizer.iterations) == 3
    assert read_info(tmp_path / "state") == {"step": 3}


def test_a_state_replaces_the_one_before(tmp_path):
    model = compiled()
    for step in (1, 2):
        save_state(tmp_path / "state", model, {"step": step})
    assert read_info(tmp_path / "state") == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_state_of_another_model_is_refused(tmp_path):
    save_state(tmp_path / "state", compiled(), {})
    other = compiled(filters=(4, 8, 16))
    before = values(other)
    with pytest.raises(DataError, match="state: holds the state of another model; remove it"):
        restore_state(tmp_path / "state", other)
    for one, two in zip(before, values(other), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("content", [b"", b"no state", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_state_is_named(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(DataError, match=r"state: is not the state of a training run .*; remove it to begin anew"):
        read_info(tmp_path / "state")


def test_a_cut_state_is_named(tmp_path):
    save_state(tmp_path / "state", compiled(), {"step": 1})
    content = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(content[:-100])
    with pytest.raises(DataError, match="state: "):
        restore_state(tmp_path / "state", compiled())
