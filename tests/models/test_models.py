import subprocess
import sys

import keras
import numpy as np
import pytest

from braintumorseg import build_resunet, build_unet

SMALL = {"filters": (4, 8, 16)}


class BaseModelTest:
    """What every architecture must do; a subclass names the builder."""

    build = None
    parameters = 0

    def test_default_has_the_documented_size(self):
        model = self.build()
        assert model.count_params() == self.parameters
        assert model.input_shape == (None, None, None, 3)
        assert model.output_shape == (None, None, None, 1)

    @pytest.mark.parametrize("filters", [(4, 8), (4, 8, 16), (3, 5, 7, 9, 11, 13)])
    def test_any_depth_keeps_the_size(self, filters):
        side = 2 ** (len(filters) - 1)
        model = self.build((None, None, 2), filters=filters)
        assert model(np.zeros((2, 2 * side, 3 * side, 2), "float32")).shape == (2, 2 * side, 3 * side, 1)

    def test_output_is_a_probability(self):
        model = self.build((16, 16, 3), **SMALL)
        output = keras.ops.convert_to_numpy(model(np.random.default_rng(0).normal(size=(2, 16, 16, 3))))
        assert 0 <= output.min() < output.max() <= 1

    def test_softmax_sums_to_one(self):
        model = self.build((16, 16, 3), classes=3, activation="softmax", **SMALL)
        output = keras.ops.convert_to_numpy(model(np.random.default_rng(0).normal(size=(2, 16, 16, 3))))
        assert output.shape == (2, 16, 16, 4)
        np.testing.assert_allclose(output.sum(axis=-1), 1, atol=1e-5)

    def test_logits_are_what_the_activation_takes(self):
        keras.utils.set_random_seed(0)
        logits = self.build((16, 16, 3), activation=None, **SMALL)
        probabilities = self.build((16, 16, 3), **SMALL)
        probabilities.set_weights(logits.get_weights())
        images = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype("float32")
        np.testing.assert_allclose(keras.ops.sigmoid(logits(images)), probabilities(images), atol=1e-6)

    @pytest.mark.parametrize("normalization", ["batch", "group"])
    def test_one_step_of_training_changes_all_weights(self, normalization):
        keras.utils.set_random_seed(0)
        model = self.build((16, 16, 3), normalization=normalization, dropout=0.1, **SMALL)
        model.compile("adam", "binary_crossentropy", run_eagerly=True)  # tracing takes seconds, and one step much less
        before = {weight.path: np.array(weight) for weight in model.trainable_weights}
        random = np.random.default_rng(0)
        model.train_on_batch(random.normal(size=(4, 16, 16, 3)), random.integers(0, 2, (4, 16, 16, 1)))
        unchanged = [weight.path for weight in model.trainable_weights if np.array_equal(weight, before[weight.path])]
        assert unchanged == []

    def test_dropout_acts_in_training_only(self):
        model = self.build((16, 16, 3), dropout=0.5, **SMALL)
        assert any(isinstance(layer, keras.layers.SpatialDropout2D) for layer in model.layers)
        images = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype("float32")
        np.testing.assert_array_equal(model(images), model(images))
        assert not np.array_equal(model(images, training=True), model(images, training=True))

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_head_is_float32_under_mixed_precision(self, policy):
        keras.config.set_dtype_policy(policy)
        try:
            model = self.build((16, 16, 3), **SMALL)
        finally:
            keras.config.set_dtype_policy("float32")
        assert model.layers[3].compute_dtype == policy.removeprefix("mixed_")
        assert keras.backend.standardize_dtype(model(np.zeros((1, 16, 16, 3))).dtype) == "float32"

    def test_all_layers_are_stock(self):
        assert all(type(layer).__module__.startswith("keras.") for layer in self.build(**SMALL).layers)

    def test_undividable_fixed_size_is_refused_when_building(self):
        with pytest.raises(
            ValueError, match=r"input_shape must be of height and width in multiples of 16, .* got \(100, 96, 3\)"
        ):
            self.build((100, 96, 3))

    def test_undividable_size_is_named_when_calling(self):
        model = self.build(**SMALL)
        images = np.zeros((1, 30, 32, 3), "float32")
        for call in (model, lambda images: model.predict(images, verbose=0)):
            with pytest.raises(
                ValueError, match=r"images must be of height and width in multiples of 4 \(pad them\); got 30 x 32"
            ):
                call(images)

    def test_loaded_model_still_names_the_rule(self, tmp_path):
        self.build(**SMALL).save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        with pytest.raises(Exception, match="needs_height_and_width_in_multiples_of_4"):
            loaded.predict(np.zeros((1, 30, 32, 3), "float32"), verbose=0)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"input_shape": (32, 32)}, r"input_shape must be \(height, width, channels\)"),
            ({"input_shape": (32, 32, None)}, r"input_shape must be \(height, width, channels\)"),
            ({"input_shape": (0, 32, 3)}, r"input_shape must be \(height, width, channels\)"),
            ({"classes": 0}, "classes must be an integer of at least 1; got 0"),
            ({"filters": (16,)}, "filters must be at least two widths"),
            ({"filters": (16, 0)}, "filters must be an integer of at least 1; got 0"),
            ({"activation": "relu"}, "activation must be one of 'sigmoid', 'softmax', None; got 'relu'"),
            ({"dropout": 1}, "dropout must be at least 0 and less than 1; got 1"),
            ({"normalization": "layer"}, "normalization must be one of 'batch', 'group'; got 'layer'"),
        ],
    )
    def test_bad_arguments_are_named(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            self.build(**arguments)


class TestUNet(BaseModelTest):
    build = staticmethod(build_unet)
    parameters = 1_945_521


class TestResUNet(BaseModelTest):
    build = staticmethod(build_resunet)
    parameters = 2_035_553

    def test_block_adds_its_input(self):
        """With all convolutions of the blocks at 0, what remains is the shortcut: the top block passes its input on."""
        model = build_resunet((8, 8, 4), filters=(4, 8), activation=None)
        features = keras.Model(model.input, model.get_layer("encoder_1_relu_2").output)
        for name in ("encoder_1_conv_1", "encoder_1_conv_2"):
            layer = model.get_layer(name)
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
        images = np.random.default_rng(0).normal(size=(1, 8, 8, 4)).astype("float32")
        np.testing.assert_allclose(features(images), np.maximum(images, 0), atol=1e-6)

    def test_shortcut_is_convolved_and_normalised_where_channels_change(self):
        names = [layer.name for layer in build_resunet((8, 8, 4), filters=(4, 8)).layers]
        assert "bottleneck_shortcut_conv" in names
        assert "bottleneck_shortcut_norm" in names
        assert "encoder_1_shortcut_conv" not in names


def test_saved_models_open_in_plain_keras(tmp_path):
    """Both in one process, whose start is what takes the time."""
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    expected = {}
    for build in (build_unet, build_resunet):
        model = build((None, None, 3), **SMALL)
        model.save(tmp_path / f"{build.__name__}.keras")
        expected[build.__name__] = keras.ops.convert_to_numpy(model(images))
    np.savez(tmp_path / "io.npz", images=images, **expected)
    script = (
        "import sys, keras, numpy as np\n"
        "data = dict(np.load('io.npz'))\n"
        "images = data.pop('images')\n"
        "for name, expected in data.items():\n"
        "    np.testing.assert_allclose(keras.models.load_model(f'{name}.keras')(images), expected, atol=1e-5)\n"
        "assert not [name for name in sys.modules if name.startswith('braintumorseg')]\n"
        "print(*data)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (0, "build_unet build_resunet\n"), done.stderr
