"""Adapted for fine-tuning: what is kept, what is new, what it is called."""

import keras
import numpy as np
import pytest

from braintumorseg import Preprocessing, Segmenter, Study, build_resunet, build_unet, load_pretrained, make_study
from braintumorseg.presets import Card, Score

CARD = Card(summary="Finds spots.", data="d", recipe="r", licence="MIT", scores=(Score("Dice", "mean", "p", 0.5),))


def make(build=build_resunet, sequences=("t1", "flair", "t1ce"), classes=1):
    """A segmenter whose weights are all different."""
    model = build((None, None, len(sequences)), filters=(4, 8), classes=classes)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, weight.shape) / 10 for weight in model.get_weights()])
    preprocessing = Preprocessing(size=32, sequences=sequences)
    return Segmenter(model, preprocessing, threshold=0.3, min_voxels=2, name="spots", card=CARD)


@pytest.fixture(scope="module")
def resunet(tmp_path_factory):
    return make(build_resunet).save(tmp_path_factory.mktemp("resunet"))


@pytest.fixture(scope="module")
def unet(tmp_path_factory):
    return make(build_unet).save(tmp_path_factory.mktemp("unet"))


@pytest.fixture(params=["resunet", "unet"])
def folder(request):
    return request.getfixturevalue(request.param)


def with_sequences(study, names):
    channels = [study.sequence(name) for name in names]
    return Study(np.stack(channels, axis=-1), tuple(names), geometry=study.geometry)


def arrays(segmenter):
    return {variable.path: np.asarray(variable) for variable in segmenter.model.weights}


@pytest.mark.parametrize("sequences", [("flair",), ("flair", "t1ce"), ("t1ce", "flair"), ("t1ce", "t1", "flair")])
def test_a_study_of_fewer_sequences_gives_what_it_gave(folder, phantom, sequences):
    """The kernel of a sequence that goes is added to FLAIR's, which preprocessing puts in its place."""
    study = with_sequences(phantom, sequences)
    before, after = load_pretrained(folder), load_pretrained(folder, channels=sequences)
    assert after.preprocessing == Preprocessing(size=32, sequences=sequences)
    assert after.model.input_shape[-1] == len(sequences)
    expected = before.predict(study).probabilities
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(after.predict(study).probabilities, expected, atol=1e-5)


def test_the_same_of_the_released_preset(phantom):
    study = with_sequences(phantom, ("flair",))
    before, after = load_pretrained("resunet-lgg"), load_pretrained("resunet-lgg", channels=1)
    after, before = (each.predict(study, precision="float32").probabilities for each in (after, before))
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_without_flair_the_kernels_are_shared_alike(unet):
    old = arrays(load_pretrained(unet))["encoder_1_conv_1/kernel"]
    new = arrays(load_pretrained(unet, channels=("t1", "t1ce")))["encoder_1_conv_1/kernel"]
    np.testing.assert_allclose(new[:, :, 0], old[:, :, 0] + old[:, :, 1] / 2, rtol=1e-6)
    np.testing.assert_allclose(new[:, :, 1], old[:, :, 2] + old[:, :, 1] / 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("flair",), ("t1", "flair", "t1ce")),
        (("flair",), ("t1ce",)),
        (("t1", "flair"), ("flair", "t1ce")),
        (("t1", "t1ce"), ("flair",)),
        (("t1ce", "flair"), ("flair",)),
    ],
)
def test_sequences_that_are_alike_give_what_they_gave(before, after):
    """New sequences get the mean kernel, scaled so that the sum of all kernels stays."""
    make(sequences=before).save("spots")
    image = np.random.default_rng(1).normal(size=(1, 16, 16, 1)).astype(np.float32)
    old, new = load_pretrained("spots").model, load_pretrained("spots", channels=after).model
    expected = old(np.repeat(image, len(before), axis=-1))
    np.testing.assert_allclose(new(np.repeat(image, len(after), axis=-1)), expected, atol=1e-5)


def test_a_new_sequence_gets_the_mean_of_the_kernels():
    make(build_unet, sequences=("t1", "flair")).save("spots")
    old = arrays(load_pretrained("spots"))["encoder_1_conv_1/kernel"]
    new = arrays(load_pretrained("spots", channels=("t1", "flair", "t1ce")))["encoder_1_conv_1/kernel"]
    np.testing.assert_allclose(new[:, :, :2], old * 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(new[:, :, 2], old.mean(axis=2) * 2 / 3, rtol=1e-6)


def test_another_number_of_classes_changes_the_head_alone(folder):
    before, after = load_pretrained(folder), load_pretrained(folder, classes=3)
    old, new = arrays(before), arrays(after)
    changed = {path for path in new if not np.array_equal(old[path], new[path])}
    assert changed == {"logits/kernel", "logits/bias"}
    output = after.model(np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32))
    np.testing.assert_allclose(keras.ops.sum(output, axis=-1), 1, atol=1e-5)
    assert output.shape[-1] == 4


def test_back_to_one_class_is_a_sigmoid():
    make(classes=3).save("three")
    segmenter = load_pretrained("three", classes=1)
    assert segmenter.model.get_layer("probabilities").activation is keras.activations.sigmoid
    assert segmenter.predict(make_study(0, shape=(2, 32, 32))).mask.shape == (2, 32, 32)


def test_several_classes_are_predicted(unet, phantom):
    """By hand, where no component is dropped, the labels are the most probable class of what is tumour."""
    segmenter = load_pretrained(unet, classes=3)
    found = segmenter.predict(phantom)
    shares = segmenter.model.predict(segmenter.preprocessing.apply(phantom).images, verbose=0)
    placement = segmenter.preprocessing.apply(phantom).placement
    restored = [segmenter.preprocessing.restore(shares[..., place], placement) for place in (1, 2, 3)]
    np.testing.assert_allclose(found.class_probabilities, np.stack(restored, axis=-1), atol=1e-5)
    labels = np.where(found.mask, 1 + np.argmax(restored, axis=0), 0)
    assert (found.labels == labels).mean() > 0.999


def test_new_weights(folder):
    before, after = load_pretrained(folder), load_pretrained(folder, weights=False)
    old, new = arrays(before), arrays(after)
    assert old.keys() == new.keys()
    kernels = [path for path in new if path.endswith("kernel")]
    assert not any(np.allclose(old[path], new[path]) for path in kernels)
    assert "0 of " in after.card.recipe
    assert "drawn anew: all" in after.card.recipe
    assert after.card == Card(recipe=after.card.recipe)
    assert "licence" not in after.card.recipe  # no weight is left that one could bind
    again = load_pretrained(folder, weights=False)
    assert not np.array_equal(arrays(again)["logits/kernel"], new["logits/kernel"])


def test_what_was_kept_is_said(folder, caplog):
    segmenter = load_pretrained(folder, classes=2, channels=("flair",))
    total = segmenter.model.count_params()
    first = sum(v.shape[-1] * v.shape[0] ** 2 for v in segmenter.model.weights if v.shape[2:3] == (1,) and v.ndim == 4)
    head = 3 * 4 + 3  # two classes and the background
    kept = f"{total - first - head:,} of {total:,} weights kept"
    record = f"adapted from spots (licence: MIT): {kept}; kernels combined to the sequences flair in encoder_1_conv_1"
    assert segmenter.card.recipe.startswith(record)
    assert segmenter.card.recipe.endswith("drawn anew: logits; spots: r")
    assert record in caplog.text
    assert "drawn anew: logits; train it before you predict with it" in caplog.text


def test_only_the_origin_is_inherited(folder):
    segmenter = load_pretrained(folder, channels=1)
    assert segmenter.name == "spots-adapted"
    card = segmenter.card
    assert card == Card(recipe=card.recipe)
    assert "adapted from spots (licence: MIT): " in card.recipe
    shown = str(card).splitlines()
    for text in ("summary", "data", "split", "licence", "limits"):
        assert f"{text}: not stated" in shown
    assert "Dice" not in repr(segmenter)
    assert (segmenter.threshold, segmenter.min_voxels) == (0.3, 2)


def test_the_licence_of_the_first_origin_stays_visible(folder):
    load_pretrained(folder, channels=1).save("once")
    recipe = load_pretrained("once", classes=3).card.recipe
    assert recipe.startswith("adapted from spots-adapted (licence: not stated): ")
    assert "; spots-adapted: adapted from spots (licence: MIT): " in recipe
    assert recipe.endswith("; spots: r")


def test_an_adapted_release_claims_nothing_of_the_release():
    text = str(load_pretrained("resunet-lgg", classes=2).card)
    assert "adapted from resunet-lgg (licence: CC BY-NC-SA 4.0, as the masks that it was trained on)" in text
    assert "77 train" not in text
    assert "TCGA" not in text
    assert "Dice" not in text


@pytest.mark.parametrize(
    "options", [{}, {"classes": 1}, {"channels": ("t1", "flair", "t1ce")}, {"freeze": "encoder"}], ids=str
)
def test_what_changes_no_weight_is_the_preset_itself(folder, options, caplog):
    before, after = load_pretrained(folder), load_pretrained(folder, **options)
    assert (after.name, after.card) == (before.name, before.card)
    for path, array in arrays(before).items():
        np.testing.assert_array_equal(arrays(after)[path], array)
    assert caplog.text == ""


def one_step(model):
    """Train one step; return the layers whose weights it changed."""
    before = {variable.path: np.array(variable) for variable in model.weights}
    model.compile("adam", "binary_crossentropy", run_eagerly=True)  # tracing takes longer than the step
    random = np.random.default_rng(0)
    shape = (2, 16, 16)
    model.train_on_batch(random.normal(size=(*shape, model.input_shape[-1])), np.ones((*shape, 1)))
    changed = {v.path for v in model.weights if not np.array_equal(before[v.path], np.array(v))}
    return {path.split("/")[0] for path in changed if "seed" not in path}


def test_frozen_encoder_is_not_trained_statistics_included(folder):
    changed = one_step(load_pretrained(folder, freeze="encoder").model)
    assert changed
    assert not [name for name in changed if name.startswith(("encoder", "bottleneck"))]
    assert {"logits", "decoder_1_conv_1", "decoder_1_norm_1"} <= changed


def test_a_first_layer_that_was_adapted_is_trained_all_the_same(folder):
    changed = one_step(load_pretrained(folder, channels=("flair", "t1ce"), freeze="encoder").model)
    encoder = {name for name in changed if name.startswith(("encoder", "bottleneck"))}
    assert "encoder_1_conv_1" in encoder
    assert encoder <= {"encoder_1_conv_1", "encoder_1_shortcut_conv"}


def test_adapted_saved_and_loaded(folder, phantom):
    segmenter = load_pretrained(folder, channels=("flair", "t1ce"))
    again = load_pretrained(segmenter.save("adapted"))
    assert (again.name, again.card, again.preprocessing) == ("spots-adapted", segmenter.card, segmenter.preprocessing)
    np.testing.assert_array_equal(again.predict(phantom).probabilities, segmenter.predict(phantom).probabilities)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 0}, "classes must be an integer of at least 1; got 0"),
        (
            {"classes": True},
            "classes must be a number, names, a table of values by name, or TumorClass records; got True",
        ),
        (
            {"classes": 2.5},
            "classes must be a number, names, a table of values by name, or TumorClass records; got 2.5",
        ),
        (
            {"channels": 2},
            r"channels must be 1 \(FLAIR alone\), or distinct names such as t1, flair, t1ce, t2 or adc: .*; got 2",
        ),
        ({"channels": ()}, r"channels must be 1 .*; got \(\)"),
        ({"channels": "flair"}, "channels must be 1 .*; got 'flair'"),
        ({"channels": ("flair", "flair")}, "channels must be 1 .*distinct"),
        ({"channels": ("flair", "T2")}, "channels must be 1 .*'T2'"),
        ({"freeze": "decoder"}, "freeze must be one of None, 'encoder'; got 'decoder'"),
        ({"freeze": "encoder", "weights": False}, "freeze must be None where weights=False"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(unet, options, message):
    with pytest.raises(ValueError, match=message):
        load_pretrained(unet, **options)
