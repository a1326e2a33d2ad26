import pytest

from braintumorseg import DataError, TrainConfig
from braintumorseg.training import recipes
from braintumorseg.training.parts import OptimizerConfig


def test_toml_and_back(tiny):
    path = tiny.write("tiny.toml")
    again = TrainConfig.read(path)
    assert again == tiny
    assert again.digest() == tiny.digest()


def test_recipes_are_whole_and_build():
    assert recipes() == ["quick", "resunet-lgg", "resunet-lgg-small", "unet-lgg"]
    for name in recipes():
        config = TrainConfig.read(name)
        assert config.name == name
        assert config.build_model().output_shape == (None, None, None, 1)


@pytest.mark.parametrize(
    ("name", "parameters"), [("resunet-lgg", 2.5e6), ("unet-lgg", 2.5e6), ("resunet-lgg-small", 0.6e6)]
)
def test_released_models_fit_the_wheel(name, parameters):
    """10 MB of float32 a preset, and the small one has at most 0.6 M parameters."""
    assert TrainConfig.read(name).build_model().count_params() <= parameters


def test_what_a_file_leaves_out_keeps_its_default(tmp_path):
    (tmp_path / "short.toml").write_text('name = "x"\nsteps = 200\n[model]\nname = "unet"\nfilters = [4, 8]\n')
    config = TrainConfig.read(tmp_path / "short.toml")
    assert config == TrainConfig("x", model={"name": "unet", "filters": [4, 8]}, steps=200)


def test_the_architecture_states_every_argument(tiny):
    assert tiny.architecture == {
        "name": "unet",
        "input_shape": [None, None, 3],
        "classes": 1,
        "filters": [4, 8],
        "activation": "sigmoid",
        "dropout": 0.2,
        "normalization": "batch",
        "attention": False,
        "pooling": "max",
    }


def test_values_are_set_as_the_command_line_states_them(tiny):
    changed = tiny.set(
        ["steps=12", "optimizer.learning_rate=3e-4", "model.filters=[8, 16]", "name=other", "augmentation.zoom=0"]
    )
    assert (changed.steps, changed.optimizer.learning_rate, changed.name) == (12, 3e-4, "other")
    assert changed.model["filters"] == [8, 16]
    assert changed.augmentation == {"sequence_dropout": 0.3, "zoom": 0}
    assert tiny.steps == 8


@pytest.mark.parametrize(
    ("settings", "steps", "round_steps", "coarse"),
    [
        (["steps=20"], 20, 20, 0),
        (["steps=700"], 700, 100, 400),
        (["steps=3000"], 3000, 100, 1700),
        (["steps=250"], 250, 125, 125),
        (["steps=101"], 101, 101, 0),
        (["steps=20", "round_steps=10"], 20, 10, 10),
        (["steps=20", "coarse.steps=20"], 20, 20, 20),
        (["round_steps=1000"], 7000, 1000, 4000),
    ],
)
def test_what_is_not_given_follows_the_steps(settings, steps, round_steps, coarse):
    config = TrainConfig.read("resunet-lgg").set(settings)
    assert (config.steps, config.round_steps, config.coarse.steps) == (steps, round_steps, coarse)
    assert TrainConfig.from_config(config.get_config()) == config


def test_steps_that_are_given_do_not_follow():
    config = TrainConfig.read("resunet-lgg")
    with pytest.raises(ValueError, match="steps must be a multiple of round_steps, which is 30; got 20"):
        config.set(["steps=20", "round_steps=30"])
    with pytest.raises(ValueError, match=r"coarse\.steps must be at most steps, which is 20; got 40"):
        config.set(["steps=20", "coarse.steps=40"])
    changed = config.replace(steps=700)
    assert (changed.round_steps, changed.coarse.steps) == (100, 400)
    assert TrainConfig("mine", model={"name": "unet", "filters": [4, 8]}, steps=20).round_steps == 20


def test_any_change_changes_the_digest(tiny):
    changes = ["seed=1", "optimizer.ema=0.6", "augmentation.zoom=0.1", "coarse.size=24", "threshold=0.4"]
    assert len({tiny.digest(), *(tiny.set([change]).digest() for change in changes)}) == len(changes) + 1


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("stepz=3", "set must be key=value with a key of the configuration .*; got 'stepz=3'"),
        ("optimizer.rate=3", "got 'optimizer.rate=3'"),
        ("steps", "got 'steps'"),
        ("steps.x=1", "got 'steps.x=1'"),
        ("round_steps=3", "steps must be a multiple of round_steps, which is 3; got 8"),
        ("coarse.steps=3", "coarse.steps must be a multiple of round_steps"),
        ("coarse.steps=10", "coarse.steps must be at most steps, which is 8; got 10"),
        ("coarse.size=17", "coarse.size must be a multiple of 2, as the model halves it; got 17"),
        ("preprocessing.size=33", "preprocessing.size must be a multiple of 2"),
        ("precision=float16", "precision must be one of 'float32', 'mixed_float16', 'mixed_bfloat16'; got 'float16'"),
        ("model.name=vnet", "model.name must be one of 'resunet', 'unet'; got 'vnet'"),
        ("model.width=3", "model must be a table with keys out of .*; got the key 'width'"),
        ("augmentation.seed=3", "augmentation must be a table with keys out of .*; got the key 'seed'"),
        ("augmentation.rotation=-1", "rotation must be"),
        ("optimizer.ema=1", "ema must be at least 0 and less than 1; got 1"),
        ("sampling.tumour_share=2", "tumour_share must be at least 0 and at most 1; got 2"),
        ("loss=[{name='mse'}]", "loss.name must be one of .*; got 'mse'"),
        ("loss=[{name='dice', depth=3}]", "loss dice: unknown option 'depth'"),
        ("loss=[{name='dice', weight=-1}]", "weight must be at least 0; got -1"),
        ("card.author=me", "card must be a table with keys out of .*; got the key 'author'"),
        ("name=' '", "name must be a name that is not empty"),
        ("keep_best=yes", "keep_best must be one of False, True; got 'yes'"),
        ("validate_every=0", "validate_every must be an integer of at least 1; got 0"),
    ],
)
def test_bad_values_are_named(tiny, assignment, message):
    with pytest.raises(ValueError, match=message):
        tiny.set([assignment])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = ", "bad.toml: "),
        (
            "name = 'x'\nsteps = 100\n",
            "bad.toml: configuration must be a table with name, model and steps; got one without model",
        ),
        ("name = 'x'\nspeed = 1\n", "bad.toml: configuration must be a table with keys out of .*; got the key 'speed'"),
        ("name = 'x'\nsteps = 100\nmodel = 3\n", "bad.toml: "),
        (
            "name = 'x'\nsteps = 100\nmodel = {name = 'unet'}\noptimizer = 3\n",
            "bad.toml: optimizer must be a table; got 3",
        ),
        (
            "name = 'x'\nsteps = 'many'\nmodel = {name = 'unet'}\n",
            "bad.toml: steps must be an integer of at least 1; got 'many'",
        ),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        TrainConfig.read(tmp_path / "bad.toml")


def test_a_file_that_is_not_there_names_the_recipes():
    with pytest.raises(
        DataError, match=r"nothing.toml: can't be read .*; expected a TOML file, or one of the recipes .*resunet-lgg"
    ):
        TrainConfig.read("nothing.toml")


def test_files_are_not_replaced_unasked(tiny):
    tiny.write("tiny.toml")
    with pytest.raises(DataError, match="already exists"):
        tiny.write("tiny.toml")
    tiny.write("tiny.toml", overwrite=True)


def test_the_rate_rises_then_falls():
    rate = OptimizerConfig(learning_rate=1.0, warmup_steps=10, final_share=0.1).build(110).learning_rate
    schedule = OptimizerConfig(learning_rate=1.0, warmup_steps=10, final_share=0.1).build(110)._learning_rate
    values = [float(schedule(step)) for step in (0, 5, 10, 60, 110)]
    assert float(rate) == pytest.approx(0.05)
    assert values == pytest.approx([0.05, 0.525, 1.0, 0.55, 0.1])


def test_a_run_of_one_step_has_no_warmup():
    assert float(OptimizerConfig(learning_rate=1.0).build(1).learning_rate) == pytest.approx(1.0)
