import keras
import nibabel as nib
import numpy as np
import pytest

from braintumorseg import DataError, Preprocessing, Segmenter, Study, build_resunet, dice, write_segmentation
from braintumorseg.findings.reference import Reference
from braintumorseg.models import topology
from braintumorseg.preprocessing.foreground import find_foreground
from braintumorseg.presets import Card, Score
from braintumorseg.runtimes.network import Network, weights_of


def bright_flair(threshold=0.4):
    """A model that needs no training: probability is the FLAIR's z-score around a threshold."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.array([0, 8, 0], np.float32).reshape(1, 1, 3, 1), np.array([-8 * threshold], np.float32)])
    return model


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(bright_flair(), Preprocessing(size=96), name="bright")


def test_mask_and_probabilities_are_on_the_study_s_grid(segmenter, phantom):
    result = segmenter.predict(phantom)
    assert result.shape == phantom.shape
    assert result.name == phantom.name
    assert result.geometry is phantom.geometry
    assert result.spacing == phantom.spacing
    np.testing.assert_array_equal(result.mask, result.probabilities >= 0.5)
    # Scalp and tumour are what is bright on FLAIR: at the tumour's place, the mask must cover it.
    assert np.mean(result.mask[phantom.mask]) > 0.8
    assert not result.mask[~find_foreground(phantom.sequence("flair"))].mean() > 0.02


def test_probabilities_are_the_model_s_brought_back(segmenter, phantom):
    prepared = segmenter.preprocessing.apply(phantom)
    output = np.asarray(segmenter.model(prepared.images))[..., 0]
    expected = segmenter.preprocessing.restore(output, prepared.placement)
    np.testing.assert_allclose(segmenter.predict(phantom, batch_size=3).probabilities, expected, atol=1e-5)


def test_tta_averages_a_slice_and_its_mirror_image(phantom):
    keras.utils.set_random_seed(0)
    lopsided = Segmenter(build_resunet(filters=(4, 8)), Preprocessing(size=96))
    prepared = lopsided.preprocessing.apply(phantom)
    plain, mirrored = (np.asarray(lopsided.model(each)) for each in (prepared.images, prepared.images[:, :, ::-1]))
    expected = lopsided.preprocessing.restore(((plain + mirrored[:, :, ::-1]) / 2)[..., 0], prepared.placement)
    found = lopsided.predict(phantom, tta=True).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - lopsided.predict(phantom).probabilities).max() > 1e-3


def test_path_array_and_study_are_one(segmenter, phantom, tmp_path):
    path = tmp_path / "phantom.nii.gz"
    nib.save(nib.Nifti1Image(phantom.geometry.to_file(phantom.volume), phantom.geometry.file_affine), path)
    expected = segmenter.predict(phantom).probabilities
    np.testing.assert_allclose(segmenter.predict(path).probabilities, expected, atol=1e-4)
    np.testing.assert_allclose(segmenter.predict(str(path)).probabilities, expected, atol=1e-4)
    np.testing.assert_allclose(segmenter.predict(phantom.volume).probabilities, expected, atol=1e-6)


def test_one_slice_may_come_without_an_axis_of_slices(segmenter, phantom):
    result = segmenter.predict(phantom.volume[4])
    assert result.shape == (1, 96, 96)
    assert "one slice only" in result.notes[0]


def test_an_image_of_nibabel_is_predicted_where_it_lies(segmenter, phantom):
    image = nib.Nifti1Image(phantom.sequence("flair").transpose(2, 1, 0), np.diag([-1.0, -1.0, 5.0, 1.0]))
    by_image, by_array = segmenter.predict(image), segmenter.predict(phantom.sequence("flair"), sequence="flair")
    np.testing.assert_array_equal(by_image.geometry.file_affine, image.affine)
    np.testing.assert_allclose(by_image.probabilities, by_array.probabilities, atol=1e-4)


def test_more_than_three_channels_or_axes_are_named(segmenter):
    message = (
        r"study must be a Study, a path, an image of nibabel, or an array \(slices, height, width, 3\) or \(height, width, 3\) "
        r"of t1, flair, t1ce; got an array"
    )
    for shape in [(4, 32, 32), (2, 32, 32, 4), (1, 2, 32, 32, 3)]:
        with pytest.raises(ValueError, match=message):
            segmenter.predict(np.zeros(shape))


def test_missing_path_is_named(segmenter, tmp_path):
    with pytest.raises(DataError, match="nowhere: does not exist"):
        segmenter.predict(tmp_path / "nowhere")


def test_notes_say_what_was_filled(segmenter, phantom):
    alone = Study(phantom.volume[..., 1:2], ("flair",), geometry=phantom.geometry)
    assert segmenter.predict(alone).notes[0] == "t1 is missing: filled with a copy of flair"


def test_threshold_and_component_size_are_applied(phantom):
    loose, strict, large = (
        Segmenter(bright_flair(), Preprocessing(size=96), **options).predict(phantom).voxels
        for options in ({"threshold": 0.1}, {"threshold": 0.9}, {"threshold": 0.1, "min_voxels": 10**6})
    )
    assert loose > strict > large == 0


def test_sizes_that_the_model_can_not_halve_are_padded(phantom):
    deep = Segmenter(build_resunet(filters=(2, 2, 2, 2, 2)), Preprocessing(size=75))
    assert deep.predict(phantom).shape == phantom.shape


def test_model_is_built_at_the_first_touch():
    built = []

    def build():
        built.append(1)
        return bright_flair()

    segmenter = Segmenter(build, Preprocessing(size=32))
    assert built == []
    assert segmenter.model is segmenter.model
    assert built == [1]


def test_a_model_of_more_channels_than_its_class_has_is_refused(phantom):
    segmenter = Segmenter(build_resunet(classes=2, filters=(2, 4)), Preprocessing(size=32), classes=1)
    with pytest.raises(ValueError, match=r"model must be one of one output channel, .* got 2 channels"):
        segmenter.predict(phantom)


def test_the_fingerprint_covers_architecture_and_quantization():
    weights = weights_of(build_resunet(filters=(4, 8)))

    def segmenter(activation="sigmoid", **bounds):
        quantization = {f"{layer}/0": np.array([0, high], np.float32) for layer, high in bounds.items()}
        graph = topology.resunet(filters=(4, 8), activation=activation)
        return Segmenter(Network("mine", graph, weights, quantization or None), Preprocessing(size=32))

    others = [segmenter(None), segmenter(logits=1), segmenter(logits=2), segmenter(bottleneck_conv_2=2)]
    assert len({each.fingerprint() for each in (segmenter(), *others)}) == 5
    same = segmenter(logits=2)
    before = same.fingerprint()
    assert before == others[2].fingerprint()
    same.model.get_layer("logits").trainable = False  # built, and as it was
    assert same.fingerprint() == before


def test_the_fingerprint_covers_the_reference():
    """Doubts follow from it, and ``predict --resume`` must not keep those of another one."""
    segmenter = Segmenter(build_resunet(filters=(2, 4)), Preprocessing(size=32))
    seen = {segmenter.fingerprint()}
    for level in (0.5, 0.6):
        quantiles = {"level": (0.1, 0.2, 0.3, 0.4, level)}
        segmenter.reference = Reference("ten phantoms", 10, quantiles, spread=1.0, gap=1.0)
        seen.add(segmenter.fingerprint())
    assert len(seen) == 3


def test_the_fingerprint_covers_the_layers_of_any_model():
    def segmenter(activation):
        inputs = keras.Input((None, None, 3))
        layer = keras.layers.Conv2D(1, 1, activation=activation, kernel_initializer="zeros", name="only")
        return Segmenter(keras.Model(inputs, layer(inputs), name="own"), Preprocessing(size=32))

    assert segmenter("sigmoid").fingerprint() != segmenter("hard_sigmoid").fingerprint()


def test_repr_names_the_figure_with_its_convention():
    card = Card("s", "d", "p", "r", "l", "i", "x", (Score("Dice", "mean", "13 patients", 0.5),))
    segmenter = Segmenter(bright_flair, Preprocessing(size=32), name="bright", card=card)
    assert repr(segmenter) == "Segmenter 'bright': t1, flair, t1ce at 32x32; Dice 0.500 (mean; 13 patients)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold must be more than 0 and at most 1; got 0"),
        ({"min_voxels": 1.5}, "min_voxels must be an integer of at least 0; got 1.5"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Segmenter(bright_flair, Preprocessing(), **options)


def test_bad_batch_size_is_named(segmenter, phantom):
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1; got 0"):
        segmenter.predict(phantom, batch_size=0)


def test_written_mask_lies_on_the_tumour(phantom, tmp_path):
    """From study to file: voxels of the mask file and of the study's own tumour are at one place in the world."""
    oracle = Segmenter(bright_flair(), Preprocessing(size=96)).predict(phantom)
    path = write_segmentation(oracle, tmp_path / "mask.nii.gz")
    image = nib.load(path)
    points = nib.affines.apply_affine(image.affine, np.argwhere(np.asarray(image.dataobj)))
    expected = nib.affines.apply_affine(phantom.geometry.affine, np.argwhere(oracle.mask))
    np.testing.assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0), atol=1e-4)
    assert dice(oracle.mask, phantom.geometry.to_volume(np.asarray(image.dataobj))) == 1
