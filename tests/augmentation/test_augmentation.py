import keras
import numpy as np
import pytest
import scipy.interpolate
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg import augmentation
from braintumorseg.augmentation import TRANSFORMS, Augmentation
from braintumorseg.augmentation.draws import Draws
from braintumorseg.preprocessing.transform import Preprocessing
from braintumorseg.study import Study
from serialization import check_round_trip

OFF = {
    "flip_left_right": False,
    "flip_up_down": False,
    **dict.fromkeys(TRANSFORMS, 0),
    "sequence_dropout": 0,
    "flair_alone": 0,
    "flair_dropout": 0,
}
GEOMETRY = {
    "flip_left_right": True,
    "flip_up_down": True,
    "rotation": 40,
    "zoom": 0.4,
    "shift": 0.2,
    "elastic": 0.08,
}
INTENSITY = {"gamma": 1, "contrast": 1, "brightness": 1, "bias_field": 1, "noise": 0.5, "blur": 1}
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data maps TensorFlow operations")


def only(**arguments):
    return Augmentation(**{**OFF, "probability": 1, **arguments})


def to_numpy(*results):
    arrays = tuple(np.array(keras.ops.convert_to_numpy(result)) for result in results)
    return arrays if len(arrays) > 1 else arrays[0]


def tensor(array):
    return keras.ops.convert_to_tensor(np.asarray(array, "float32"))


def run(augment, images, masks, step=0):
    return to_numpy(*augment(images, masks, step=step))


def make_masks(count=6, height=64, width=80):
    """Ellipses off the centre, so that every geometric transform shows."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    masks = []
    for _ in range(count):
        middle = generator.uniform(0.3, 0.45, 2) * (height, width)
        radii = generator.uniform(0.08, 0.2, 2) * height
        masks.append(((rows - middle[0]) / radii[0]) ** 2 + ((columns - middle[1]) / radii[1]) ** 2 < 1)
    return np.array(masks, np.float32)[..., None]


def make_batch(count=6, height=64, width=80):
    """Images as preprocessing makes them: a head of mean 0 and deviation 1 in air at one lowest value a channel."""
    generator = np.random.default_rng(1)
    masks = make_masks(count, height, width)
    rows, columns = np.mgrid[:height, :width]
    head = ((rows / height - 0.5) ** 2 + (columns / width - 0.5) ** 2 < 0.18)[None, ..., None]
    texture = scipy.ndimage.gaussian_filter(generator.normal(size=(count, height, width, 3)), (0, 2, 2, 0))
    texture = texture / texture.std() + 2 * masks * [0, 1, 0.5]
    texture = np.clip((texture - texture.mean()) / texture.std(), -2.4, 4)
    return np.where(head, texture, [-2.5, -2.6, -2.4]).astype(np.float32), masks, np.broadcast_to(head, masks.shape)


class TestGeometry:
    @pytest.mark.parametrize("name", [*GEOMETRY, "all"])
    @pytest.mark.parametrize("dtype", ["float32", "uint8", "bool"])
    def test_an_image_equal_to_its_mask_stays_equal(self, name, dtype):
        arguments = GEOMETRY if name == "all" else {name: GEOMETRY[name]}
        masks = make_masks()
        images = np.concatenate([masks * 5 - 2, masks * 3 - 1, masks * 2], axis=-1)
        moved, new_masks = run(only(**arguments), images, masks.astype(dtype))
        assert new_masks.dtype == dtype
        assert set(np.unique(new_masks)) == {0, 1}
        assert (new_masks != masks).any()
        for channel, middle in enumerate((0.5, 0.5, 1)):
            assert np.mean((moved[..., channel] >= middle) == (new_masks[..., 0] == 1)) > 0.9999

    def test_masks_without_a_last_axis_keep_their_shape(self):
        images, masks, _ = make_batch()
        flat = run(only(**GEOMETRY), images, masks[..., 0])[1]
        np.testing.assert_array_equal(flat, run(only(**GEOMETRY), images, masks)[1][..., 0])

    @settings(max_examples=25, deadline=None)
    @given(
        angle=st.floats(-180, 180),
        zoom=st.floats(0.5, 2),
        shift=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
        flip=st.tuples(st.sampled_from([-1.0, 1.0]), st.sampled_from([-1.0, 1.0])),
    )
    def test_affine_is_flip_then_zoom_then_rotation_then_shift(self, angle, zoom, shift, flip):
        size = np.array([40, 48])
        image = scipy.ndimage.gaussian_filter(np.random.default_rng(0).random(size), 2)
        cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        # Forward, of (row, column): rows grow downwards, so that a turn counter-clockwise moves +column to -row.
        forward = np.array([[cosine, -sine], [sine, cosine]]) @ (zoom * np.diag(flip))
        inverse = np.linalg.inv(forward)
        middle = (size - 1) / 2
        offset = middle - inverse @ (middle + np.array(shift) * size)
        padded = np.pad(image, 1)  # SciPy cuts off at the border; here the image fades to 0 over one pixel
        expected = scipy.ndimage.affine_transform(padded, inverse, offset + 1, output_shape=tuple(size), order=1)
        moved, _ = warp(image[None, ..., None], angle, zoom, shift, flip)
        np.testing.assert_allclose(moved[0, ..., 0], expected, atol=2e-4)

    def test_a_quarter_turn_is_exact(self):
        image = np.random.default_rng(0).random((1, 33, 33, 2))
        moved, _ = warp(image, angle=90)
        np.testing.assert_allclose(moved, np.rot90(image, axes=(1, 2)), atol=1e-4)

    def test_flips_are_exact(self):
        image = np.random.default_rng(0).random((1, 32, 33, 2)).astype("float32")
        np.testing.assert_array_equal(warp(image, flip=(1, -1))[0], image[:, :, ::-1])
        np.testing.assert_array_equal(warp(image, flip=(-1, 1))[0], image[:, ::-1])

    def test_a_shift_brings_in_zeros(self):
        image = np.random.default_rng(0).random((1, 32, 64, 1)).astype("float32")
        moved, _ = warp(image, shift=(4 / 32, 8 / 64))
        np.testing.assert_allclose(moved[:, 4:, 8:], image[:, :-4, :-8], atol=1e-5)
        assert not moved[:, :4].any()
        assert not moved[:, :, :8].any()

    @pytest.mark.parametrize("fraction", [0.4, 0.6])
    def test_a_mask_pixel_is_set_from_half_its_cover(self, fraction):
        mask = np.zeros((1, 8, 10, 1), "float32")
        mask[:, :, 4:7] = 1
        moved = warp(mask, shift=(0, fraction / 10))[1][0, 4, :, 0]
        np.testing.assert_array_equal(np.flatnonzero(moved), np.arange(4, 7) + round(fraction))

    def test_smooth_field_is_the_uniform_cubic_spline(self):
        control = np.random.default_rng(0).normal(size=(2, 7, 5))
        knots = [np.arange(-2, points + 2) for points in (7, 5)]
        bases = [
            scipy.interpolate.BSpline(knot, np.eye(points), 3)(np.linspace(1, points - 2, length))
            for knot, points, length in zip(knots, (7, 5), (30, 20), strict=True)
        ]
        field = to_numpy(augmentation.smooth_field(tensor(control), 30, 20))
        np.testing.assert_allclose(field, bases[0] @ control @ bases[1].T, atol=1e-5)

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 10**6))
    def test_the_strongest_elastic_field_does_not_fold(self, seed):
        control = np.random.default_rng(seed).choice([-0.08, 0.08], size=(2, 9, 9))
        displacement = to_numpy(augmentation.smooth_field(tensor(control), 96, 96)) * 96
        assert np.abs(displacement).max() <= 0.08 * 96 + 1e-4
        (rows_down, rows_right), (columns_down, columns_right) = (np.gradient(field) for field in displacement)
        determinant = (1 + rows_down) * (1 + columns_right) - rows_right * columns_down
        assert determinant.min() > 0

    def test_outside_comes_the_lowest_value_of_each_channel(self):
        images, masks, _ = make_batch()
        moved, _ = run(only(shift=0.3, rotation=45), images, masks)
        np.testing.assert_allclose(moved.min((1, 2)), np.tile([-2.5, -2.6, -2.4], (6, 1)), atol=1e-6)
        assert moved.max() <= images.max() + 1e-5


def warp(images, angle=0.0, zoom=1.0, shift=(0.0, 0.0), flip=(1.0, 1.0)):
    """Move images, and their first channel as a mask."""
    images = tensor(images)
    rows, columns = augmentation.pixel_grid(*images.shape[1:3])
    parameters = (tensor([value]) for value in (angle, zoom, shift, flip))
    rows, columns = augmentation.affine(rows, columns, images.shape[1:3], *parameters)
    return to_numpy(*augmentation.sample(images, images[..., :1], rows, columns))


class TestIntensity:
    def test_split_and_join(self):
        images, _, _ = make_batch()
        signal, floor = augmentation.split_floor(tensor(images))
        np.testing.assert_array_equal(to_numpy(floor), images.min((1, 2)))
        assert to_numpy(signal).min() == 0
        np.testing.assert_allclose(to_numpy(augmentation.join_floor(signal, floor)), images, atol=1e-6)

    @pytest.mark.parametrize(("floor", "unit"), [(-2.0, 2.0), (-3.5, 3.5), (-1e-9, "highest"), (0.0, "highest")])
    def test_gamma_against_its_formula(self, floor, unit):
        signal = make_signal()
        exponent = np.random.default_rng(0).uniform(0.5, 2, (4, 2))
        level = signal.max((1, 2), keepdims=True).astype("float64") if unit == "highest" else unit
        expected = level * (signal / level) ** exponent[:, None, None, :]
        changed = augmentation.adjust_gamma(tensor(signal), tensor(exponent), tensor(np.full((4, 2), floor)))
        np.testing.assert_allclose(to_numpy(changed), expected, atol=1e-4)

    def test_gamma_is_what_preprocessing_makes_of_a_study_that_went_through_one(self):
        volume = np.random.default_rng(0).uniform(40, 120, (3, 48, 48, 1)).astype("float32")
        volume[:, :8], volume[:, -8:], volume[:, :, :8], volume[:, :, -8:] = 0, 0, 0, 0
        preprocessing = Preprocessing(size=32, sequences=("flair",))
        before, after = (
            preprocessing.apply(Study(each, ("flair",))).images for each in (volume, 120 * (volume / 120) ** 0.7)
        )
        signal, floor = augmentation.split_floor(tensor(before))
        changed = augmentation.join_floor(augmentation.adjust_gamma(signal, tensor(np.full((3, 1), 0.7)), floor), floor)
        inside = before > -1
        # A power and a mean over pixels do not commute, so that resized pixels agree but roughly.
        np.testing.assert_allclose(to_numpy(changed)[inside], after[inside], atol=0.05)
        assert np.abs(before - after)[inside].max() > 0.3

    def test_contrast_and_brightness_against_their_formula(self):
        signal = make_signal()
        parameters = [tensor(np.full((4, 2), value)) for value in (1.2, -0.1, -2.5)]
        result = to_numpy(augmentation.adjust_contrast(tensor(signal), *parameters)) - 2.5
        inside = signal > 1
        np.testing.assert_allclose(result[inside], (1.2 * (signal - 2.5) - 0.1)[inside], atol=1e-5)
        near = to_numpy(augmentation.adjust_contrast(tensor(np.full_like(signal, 1e-3)), *parameters))
        assert near.max() < 2e-3  # nothing jumps at the head's edge

    def test_identity_parameters_change_nothing(self):
        signal, one, zero = make_signal(), tensor(np.ones((4, 2))), tensor(np.zeros((4, 2)))
        images = tensor(signal)
        results = (
            augmentation.adjust_gamma(images, one, zero - 2),
            augmentation.adjust_contrast(images, one, zero, zero - 2.5),
            augmentation.apply_bias_field(images, images[..., 0] * 0),
            augmentation.add_noise(images, images * 0),
            augmentation.blur(images, zero[:, 0]),
        )
        for result in to_numpy(*results):
            np.testing.assert_array_equal(result, signal)

    @settings(max_examples=25, deadline=None)
    @given(strength=st.floats(-2, 2), floor=st.floats(-5, 0))
    def test_air_stays_air_and_nothing_falls_below_it(self, strength, floor):
        signal = make_signal()
        images, whole, floors = tensor(signal), tensor(np.full((4, 2), strength)), tensor(np.full((4, 2), floor))
        noise = np.random.default_rng(0).normal(size=signal.shape)
        results = (
            augmentation.adjust_gamma(images, keras.ops.exp(whole), floors),
            augmentation.adjust_contrast(images, keras.ops.exp(whole), whole, floors),
            augmentation.apply_bias_field(images, tensor(np.full(signal.shape[:3], strength))),
            augmentation.add_noise(images, tensor(strength * noise)),
        )
        for result in to_numpy(*results):
            assert np.isfinite(result).all()
            assert result.min() >= 0
            assert not result[signal == 0].any()

    def test_a_bias_field_multiplies_all_channels_alike(self):
        signal = make_signal()
        log_gain = np.random.default_rng(0).normal(size=signal.shape[:3])
        result = to_numpy(augmentation.apply_bias_field(tensor(signal), tensor(log_gain)))
        np.testing.assert_allclose(result, signal * np.exp(log_gain)[..., None], rtol=1e-5)

    @pytest.mark.parametrize("deviation", [0.3, 0.7, 1.0])
    def test_blur_has_the_deviation_asked_for(self, deviation):
        impulse = np.zeros((1, 15, 17, 2))
        impulse[0, 7, 8] = 1
        response = to_numpy(augmentation.blur(tensor(impulse), tensor([deviation])))[0, ..., 0]
        assert response.sum() == pytest.approx(1, abs=1e-5)
        assert (response.sum(1) @ (np.arange(15) - 7) ** 2) == pytest.approx(deviation**2, abs=1e-5)
        assert (response.sum(0) @ (np.arange(17) - 8) ** 2) == pytest.approx(deviation**2, abs=1e-5)

    @pytest.mark.parametrize("name", INTENSITY)
    def test_each_transform_changes_the_head_alone(self, name):
        images, masks, head = make_batch()
        changed, new_masks = run(only(**{name: INTENSITY[name]}), images, masks)
        reach = 5 if name == "blur" else 1  # side of the kernel
        rim = scipy.ndimage.binary_dilation(head[0, ..., 0], np.ones((reach, reach)))
        np.testing.assert_array_equal(new_masks, masks)
        np.testing.assert_allclose(changed[:, ~rim], images[:, ~rim], atol=1e-6)
        assert (np.abs(changed - images)[:, rim].mean(axis=(0, 1)) > 1e-2).all()
        assert (changed >= images.min((1, 2), keepdims=True) - 1e-6).all()

    def test_noise_has_the_deviation_drawn(self):
        images = np.zeros((40, 64, 64, 1), "float32")
        images[:, 0, 0] = -10  # the floor; the rest lies well above it
        noisy, _ = run(only(noise=0.5, sequences=("flair",)), images, images)
        deviations = noisy[:, 1:].std((1, 2, 3))
        assert deviations.max() <= 0.52
        assert deviations.mean() == pytest.approx(0.25, abs=0.08)
        assert abs(noisy[:, 1:].mean()) < 0.01

    @pytest.mark.parametrize("batch", [1, 5, 16, 19])
    def test_noise_fields_are_normal_and_mirrors_of_an_eighth(self, batch):
        draws = Draws(seed=0, step=0, batch=batch, probability={})
        fields = to_numpy(draws.normal("noise_field", 64, 48, 2))
        assert fields.shape == (batch, 64, 48, 2)
        np.testing.assert_allclose(fields.std((1, 2, 3)), 1, atol=0.05)
        assert np.abs(fields.mean((1, 2, 3))).max() < 0.05
        alike = np.abs(np.atleast_2d(np.corrcoef(fields.reshape(batch, -1)))[np.triu_indices(batch, 1)])
        drawn = -(-batch // 8)
        assert (alike > 0.06).sum() == max(batch - 4 * drawn, 0)  # none is alike but a sample and its negative
        mirrored = [fields[:drawn, ::-1], fields[:drawn, :, ::-1], fields[:drawn, ::-1, ::-1], -fields[:drawn]]
        for group, expected in enumerate(mirrored, 1):
            found = fields[group * drawn : (group + 1) * drawn]
            np.testing.assert_array_equal(found, expected[: len(found)])

    def test_noise_is_the_same_with_contrast_and_without(self):
        images, masks, _ = make_batch()
        alone, _ = run(only(noise=0.5, seed=1), images, masks)
        touched, _ = run(only(noise=0.5, contrast=1e-9, seed=1), images, masks)
        np.testing.assert_allclose(touched, alone, atol=1e-5)

    def test_a_slice_without_head_stays(self):
        images = np.full((2, 32, 32, 3), -1.5, "float32")
        changed, _ = run(only(**GEOMETRY, **INTENSITY), images, images[..., 0] * 0)
        np.testing.assert_array_equal(changed, images)


def make_signal():
    signal = np.random.default_rng(0).uniform(0, 6, (4, 16, 18, 2)).astype("float32")
    signal[:, :4] = 0
    return signal


class TestLesionContrast:
    """A tumour of 4 on brain of 2, on air of 0; and brain that rises from left to right."""

    def make_lesion(self, brain=2.0, lesion=4.0, size=64):
        signal = np.zeros((2, size, size, 2), "float32")
        signal[:, 4:-4, 4:-4] = brain
        masks = np.zeros((2, size, size, 1), "float32")
        masks[:, 20:40, 24:44] = 1
        signal[:, 20:40, 24:44] = lesion
        return signal, masks

    @pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.2])
    def test_the_tumour_s_distance_from_the_brain_is_multiplied(self, factor):
        signal, masks = self.make_lesion()
        factors = np.float32([[factor, 1.0], [1.0, factor]])
        faded = to_numpy(augmentation.fade_lesion(tensor(signal), masks, tensor(factors)))
        inside = (slice(23, 37), slice(27, 41))  # beyond the blurred edge
        np.testing.assert_allclose(faded[0][inside][..., 0], 2 + factor * 2, atol=1e-4)
        np.testing.assert_allclose(faded[0][inside][..., 1], 4, atol=1e-4)
        np.testing.assert_allclose(faded[1][inside][..., 1], 2 + factor * 2, atol=1e-4)
        outside = np.ones((64, 64), bool)
        outside[18:42, 22:46] = False
        np.testing.assert_array_equal(faded[:, outside], signal[:, outside])

    def test_the_brain_nearby_counts_not_the_whole_head(self):
        ramp = np.linspace(1.5, 2.9, 64, dtype="float32")[None, None, :, None]
        signal, masks = self.make_lesion()
        signal = np.where(signal > 0, ramp, 0).astype("float32")
        signal[:, 20:40, 24:44] = 4
        local = to_numpy(augmentation.fade_lesion(tensor(signal), masks, tensor(np.zeros((2, 2)))))[0, 30, 27:41, 0]
        np.testing.assert_allclose(local, ramp[0, 0, 27:41, 0], atol=0.2)
        assert (np.diff(local) > 0).all()

    def test_neither_air_nor_scalp_is_brain(self):
        signal, masks = self.make_lesion()
        signal[:, 4:-4, 4:8] = 9  # scalp weighs as much as brain, and lies far away
        signal[:, 41:60, 4:-4] = 0
        faded = to_numpy(augmentation.fade_lesion(tensor(signal), masks, tensor(np.zeros((2, 2)))))
        np.testing.assert_allclose(faded[0, 25:35, 29:39], 2, atol=0.05)

    def test_a_tumour_without_brain_around_it_stays(self):
        signal = np.full((1, 64, 64, 1), 4, "float32")
        np.testing.assert_array_equal(
            to_numpy(augmentation.fade_lesion(tensor(signal), np.ones((1, 64, 64)), tensor(np.zeros((1, 1))))), signal
        )

    def test_share_and_range_of_the_factors(self):
        signal, masks = self.make_lesion()
        images = np.repeat(signal[:1], 400, axis=0) - 2
        options = only(lesion_contrast=0.7, probability={"lesion_contrast": 0.6})
        changed, same = run(options, images, np.repeat(masks[:1], 400, axis=0))
        factors = changed[:, 30, 34] / 2
        touched = np.abs(factors - 1) > 1e-4
        assert touched.any(axis=1).mean() == pytest.approx(0.6, abs=0.08)
        assert factors.min() == pytest.approx(0.3, abs=0.02)
        assert factors.max() == pytest.approx(1.175, abs=0.01)
        np.testing.assert_array_equal(same, np.repeat(masks[:1], 400, axis=0))


class TestSequenceDropout:
    @pytest.mark.parametrize("share", [0.3, 1])
    def test_share_and_subsets(self, share):
        images, masks = np.random.default_rng(0).random((400, 4, 4, 3)).astype("float32"), np.zeros((400, 4, 4))
        dropped, new_masks = run(only(sequence_dropout=share), images, masks)
        copied = (dropped == images[..., 1:2]).all((1, 2))
        kept = (dropped == images).all((1, 2))
        assert (copied ^ kept)[:, [0, 2]].all()  # whole channels, bit for bit
        assert kept[:, 1].all()
        np.testing.assert_array_equal(new_masks, masks)
        pre, post = copied[:, 0], copied[:, 2]
        for subset in (pre & ~post, post & ~pre, pre & post):
            assert subset.mean() == pytest.approx(share / 3, abs=0.08)
        assert (pre | post).mean() == pytest.approx(share, abs=0.08)

    @pytest.mark.parametrize("others", [0.0, 0.3])
    def test_share_of_flair_alone(self, others):
        images, masks = np.random.default_rng(0).random((600, 4, 4, 3)).astype("float32"), np.zeros((600, 4, 4))
        changed, _ = run(only(sequence_dropout=others, flair_alone=0.4), images, masks)
        copied = (changed == images[..., 1:2]).all((1, 2))
        assert (copied[:, 0] & copied[:, 2]).mean() == pytest.approx(0.4 + others / 3, abs=0.06)
        assert (copied[:, 0] ^ copied[:, 2]).mean() == pytest.approx(others * 2 / 3, abs=0.06)

    @pytest.mark.parametrize("others", [0.0, 0.3])
    def test_share_and_subsets_without_flair(self, others):
        images, masks = np.random.default_rng(0).random((900, 4, 4, 3)).astype("float32"), np.zeros((900, 4, 4))
        changed, _ = run(only(sequence_dropout=others, flair_dropout=0.6), images, masks)
        kept = (changed == images).all((1, 2))
        without = ~kept[:, 1]
        assert without.mean() == pytest.approx(0.6, abs=0.06)
        for stays, filled_from in (((True, False), 0), ((False, True), 2), ((True, True), 0)):
            these = without & (kept[:, 0] == stays[0]) & (kept[:, 2] == stays[1])
            assert these.mean() == pytest.approx(0.2, abs=0.06)
            for channel in range(3):
                expected = images[these][..., channel if kept[these][0, channel] else filled_from]
                np.testing.assert_array_equal(changed[these][..., channel], expected)
        assert (~without & ~kept.all(axis=1)).mean() == pytest.approx(others, abs=0.05)

    def test_copies_stay_exact_beside_the_other_transforms(self):
        images, masks, _ = make_batch()
        changed, _ = run(Augmentation(sequence_dropout=1), images, masks)
        copied = (changed == changed[..., 1:2]).all((1, 2))
        assert copied[:, [0, 2]].any(axis=1).all()

    def test_other_orders_of_sequences(self):
        images, masks = np.random.default_rng(0).random((8, 4, 4, 2)).astype("float32"), np.zeros((8, 4, 4))
        dropped, _ = run(only(sequence_dropout=1, sequences=("flair", "t1ce")), images, masks)
        np.testing.assert_array_equal(dropped, images[..., [0, 0]])


class TestRandomness:
    def test_all_off_is_the_identity_bit_for_bit(self):
        images, masks, _ = make_batch()
        images[0, 0, 0] = [-0.0, 1e-40, 3e38]
        same, same_masks = run(Augmentation(**OFF), images, masks)
        assert same.tobytes() == images.tobytes()
        assert same_masks.tobytes() == masks.tobytes()

    def test_the_same_seed_and_step_give_the_same_batch(self):
        images, masks, _ = make_batch()
        augment = Augmentation(sequence_dropout=0.5, seed=4)
        first, second = run(augment, images, masks, 7), run(augment, images, masks, 8)
        again = run(Augmentation(sequence_dropout=0.5, seed=4), images, masks, 7)  # another object, no calls before
        for one, other, repeated in zip(first, second, again, strict=True):
            np.testing.assert_array_equal(one, repeated)
            assert (one != other).any()

    def test_seeds_differ_also_along_a_diagonal(self):
        images, masks, _ = make_batch()
        results = [run(Augmentation(seed=seed), images, masks, step)[0] for seed, step in ((0, 1), (1, 0), (1, 1))]
        for index, one in enumerate(results):
            assert all((one != other).any() for other in results[index + 1 :])

    def test_samples_of_a_batch_differ(self):
        images, masks, _ = make_batch()
        images, masks = np.repeat(images[:1], 6, axis=0), np.repeat(masks[:1], 6, axis=0)
        changed, _ = run(Augmentation(probability=1), images, masks)
        assert all((changed[index] != changed[0]).any() for index in range(1, 6))

    def test_switching_one_off_leaves_the_others_as_they_are(self):
        images, masks, _ = make_batch()
        _, with_all = run(Augmentation(seed=3), images, masks)
        _, without = run(Augmentation(seed=3, noise=0, gamma=0, sequence_dropout=1), images, masks)
        np.testing.assert_array_equal(with_all, without)

    @pytest.mark.parametrize(("name", "axis"), [("flip_up_down", 1), ("flip_left_right", 2)])
    def test_half_of_the_samples_are_flipped(self, name, axis):
        images, masks = np.random.default_rng(0).random((400, 4, 4, 1)).astype("float32"), np.zeros((400, 4, 4))
        flipped, _ = run(only(**{name: True}), images, masks)
        mirrored = np.isclose(flipped, np.flip(images, axis), atol=1e-6).all((1, 2, 3))
        assert mirrored.mean() == pytest.approx(0.5, abs=0.08)
        np.testing.assert_allclose(flipped[~mirrored], images[~mirrored], atol=1e-6)

    def test_transforms_are_drawn_independently(self):
        draws = Draws(seed=0, step=0, batch=2000, probability=dict.fromkeys(TRANSFORMS, 1))
        names = ("flip", *TRANSFORMS, "sequence_dropout", "elastic_control", "bias_field_control", "noise_field")
        amounts = np.concatenate([to_numpy(draws.uniform(name, 2)) for name in names], axis=1)
        assert np.abs(np.corrcoef(amounts.T) - np.eye(2 * len(names))).max() < 0.1

    def test_probability_is_the_share_of_samples_touched(self):
        images, masks = np.random.default_rng(0).random((400, 6, 6, 1)).astype("float32"), np.zeros((400, 6, 6))
        for probability, expected in ((0, 0), ({"gamma": 0.2}, 0.2), ({"zoom": 1}, 0.5), (1, 1)):
            changed, _ = run(Augmentation(**{**OFF, "gamma": 1, "probability": probability}), images, masks)
            touched = ~np.isclose(changed, images, atol=1e-6).all((1, 2, 3))
            assert touched.mean() == pytest.approx(expected, abs=0.08)

    @pytest.mark.parametrize(("name", "low", "high"), [("brightness", 0.6, 1.4), ("contrast", 1 / 1.4, 1.4)])
    def test_intensities_reach_their_limit_in_each_channel_by_itself(self, name, low, high):
        images = np.full((200, 8, 8, 2), 1.0, "float32")
        images[:, 0] = -2
        changed = run(only(**{name: 0.4}), images, images[..., 0])[0][:, 4, 4]
        margin = 0.05
        assert ((low - 1e-5 <= changed.min(0)) & (changed.min(0) < low + margin)).all()
        assert ((high - margin < changed.max(0)) & (changed.max(0) <= high + 1e-5)).all()
        assert abs(np.corrcoef(changed.T)[0, 1]) < 0.25

    def test_a_bias_field_is_smooth_and_within_its_limit(self):
        images = np.full((50, 32, 32, 1), 1.0, "float32")
        images[:, 0] = -2
        changed, _ = run(only(bias_field=0.5), images, images)
        gain = (changed[:, 1:] + 2) / 3
        assert 1 / 1.5 <= gain.min() < 0.9
        assert 1.1 < gain.max() <= 1.5
        assert np.abs(np.diff(gain, axis=2)).max() < 0.1

    def test_zoom_and_shift_reach_their_limits(self):
        masks = make_masks(1, 96, 64)[[0] * 60]
        images = np.repeat(masks, 3, axis=-1)
        areas = run(only(zoom=0.25), images, masks)[1].sum((1, 2, 3)) / masks[0].sum()
        assert areas.min() == pytest.approx(1.25**-2, abs=0.08)
        assert areas.max() == pytest.approx(1.25**2, abs=0.12)
        moved = run(only(shift=0.125), images, masks)[1][..., 0]
        for axis, limit in ((1, 12), (2, 8)):
            before, after = (centre(array, axis) for array in (masks[..., 0], moved))
            assert 0.85 * limit < np.abs(after - before).max() <= limit + 0.5

    def test_rotation_reaches_its_limit_both_ways(self):
        bar = np.zeros((60, 64, 64, 1), "float32")
        bar[:, 30:34, 10:54] = 1
        turned = run(only(rotation=30), bar, bar)[1][..., 0]
        rows, columns = np.mgrid[:64, :64] - 31.5
        angles = np.degrees(np.arctan((turned * rows * columns).sum((1, 2)) / (turned * columns**2).sum((1, 2))))
        assert -31 < angles.min() < -25
        assert 25 < angles.max() < 31

    def test_float32_under_a_policy_of_half_precision(self):
        images, masks, _ = make_batch()
        expected = run(Augmentation(), images, masks)
        keras.config.set_dtype_policy("mixed_float16")
        try:
            changed = run(Augmentation(), images, masks)
        finally:
            keras.config.set_dtype_policy("float32")
        for one, other in zip(changed, expected, strict=True):
            assert one.dtype == np.float32
            np.testing.assert_array_equal(one, other)


@on_tensorflow
class TestTfData:
    def dataset(self, augment, start=0, parallel=2):
        import tensorflow as tf

        images, masks, _ = make_batch(10)
        batches = tf.data.Dataset.from_tensor_slices((images, masks)).batch(4)
        steps = batches.enumerate().skip(start)
        return steps.map(lambda step, batch: augment(*batch, step=step), num_parallel_calls=parallel)

    def test_a_resumed_run_sees_the_same_batches(self):
        augment = Augmentation(sequence_dropout=0.5)
        whole = [to_numpy(*batch) for batch in self.dataset(augment)]
        rest = [to_numpy(*batch) for batch in self.dataset(Augmentation(sequence_dropout=0.5), start=1, parallel=1)]
        assert [len(images) for images, _ in whole] == [4, 4, 2]
        for (images, masks), (images_again, masks_again) in zip(whole[1:], rest, strict=True):
            np.testing.assert_array_equal(images, images_again)
            np.testing.assert_array_equal(masks, masks_again)

    def test_it_agrees_with_the_call_outside(self):
        augment = Augmentation(sequence_dropout=0.5)
        images, masks, _ = make_batch(10)
        for step, batch in enumerate(self.dataset(augment)):
            part = slice(4 * step, 4 * step + 4)
            inside, outside = to_numpy(*batch), run(augment, images[part], masks[part], step)
            # A compiled graph rounds otherwise in the last digits; texture of slope 1 a pixel carries it on.
            np.testing.assert_allclose(inside[0], outside[0], atol=1e-3)
            assert np.mean(inside[1] == outside[1]) > 0.9999

    def test_static_shapes_and_dtypes_are_kept(self):
        images, masks = self.dataset(Augmentation()).element_spec
        assert tuple(images.shape) == (None, 64, 80, 3)
        assert tuple(masks.shape) == (None, 64, 80, 1)


class TestConfiguration:
    def test_round_trip(self):
        augment = Augmentation(rotation=7, probability={"noise": 0.1}, sequences=("flair", "t1ce"), seed=9, name="a")
        restored = check_round_trip(augment)
        images, masks, _ = make_batch()
        for one, other in zip(run(augment, images, masks), run(restored, images, masks), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"rotation": -1}, "rotation must be at least 0 and at most 180; got -1"),
            ({"elastic": 0.1}, "elastic must be at least 0 and at most 0.08; got 0.1"),
            ({"blur": 2}, "blur must be at least 0 and at most 1; got 2"),
            ({"noise": "0.1"}, "noise must be at least 0; got '0.1'"),
            ({"flip_left_right": 3}, "flip_left_right must be one of False, True; got 3"),
            ({"sequence_dropout": 1.5}, "sequence_dropout must be at least 0 and at most 1; got 1.5"),
            ({"probability": 2}, "probability must be at least 0 and at most 1; got 2"),
            ({"probability": {"flip": 1}}, "each name in probability must be one of 'rotation'"),
            ({"seed": -1}, "seed must be an integer of at least 0; got -1"),
            ({"sequence_dropout": 0.1, "sequences": ("t1", "t1ce")}, "sequences must be flair and others"),
        ],
    )
    def test_wrong_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            Augmentation(**arguments)

    @pytest.mark.parametrize(
        ("shape", "dtype", "mask_shape", "message"),
        [
            ((2, 8, 8, 2), "float32", (2, 8, 8, 1), r"images must be \(batch, height, width, 3\)"),
            ((8, 8, 3), "float32", (8, 8, 1), r"images must be \(batch, height, width, 3\)"),
            ((2, 8, 8, 3), "uint8", (2, 8, 8, 1), "images must be normalised floating point numbers; got dtype"),
            ((2, 8, 8, 3), "float32", (2, 8, 9, 1), r"masks must be \(batch, 8, 8\) with or without"),
            ((2, 8, 8, 3), "float32", (2, 8, 8, 1, 1), r"masks must be \(batch, 8, 8\) with or without"),
        ],
    )
    def test_wrong_batches(self, shape, dtype, mask_shape, message):
        with pytest.raises(ValueError, match=message):
            Augmentation(sequence_dropout=0.5)(np.zeros(shape, dtype), np.zeros(mask_shape, "float32"), step=0)

    @pytest.mark.parametrize("step", [-1, 1.5, np.float32(1)])
    def test_wrong_steps(self, step):
        with pytest.raises(ValueError, match="step must be an integer"):
            Augmentation()(np.zeros((2, 8, 8, 3), "float32"), np.zeros((2, 8, 8), "float32"), step=step)


def centre(masks, axis):
    """Mean position of each mask along an axis, in pixels."""
    profile = masks.sum(3 - axis)
    return profile @ np.arange(masks.shape[axis]) / profile.sum(1)
