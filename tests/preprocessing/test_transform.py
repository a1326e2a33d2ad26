import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg import DataError, Preprocessing, Study, make_study
from braintumorseg.preprocessing import strip_skull
from braintumorseg.preprocessing.foreground import find_foreground
from braintumorseg.preprocessing.transform import Placement

SIZE = 64


def dice(first, second):
    return 2 * np.sum(first & second) / (np.sum(first) + np.sum(second))


@pytest.fixture(scope="module")
def study():
    return make_study(seed=3, shape=(8, 96, 96))


def head_values(study, preprocessing=None):
    """The model's input inside the head, (voxels, sequences)."""
    prepared = (preprocessing or Preprocessing(size=SIZE)).apply(study)
    flair = prepared.images[..., 1]
    return prepared, prepared.images[flair > flair.min() + 0.3]


def blob(shape, centre, radius):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside = ((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 <= 1
    return inside[None]


def oval_study(height, width, top, left, head_height, head_width):
    """One slice with an oval head in a box of the given place and size, on black air."""
    centre = (top + (head_height - 1) / 2, left + (head_width - 1) / 2)
    head = blob((height, width), centre, (head_height / 2, head_width / 2))
    texture = np.random.default_rng(0).uniform(60, 100, head.shape)
    return Study(np.repeat((head * texture)[..., None], 3, axis=-1)), centre


# --- what comes out -------------------------------------------------------------------------------------------------


def test_head_is_normalised_per_sequence(study):
    prepared, values = head_values(study)
    assert prepared.images.shape == (8, SIZE, SIZE, 3)
    assert prepared.images.dtype == np.float32
    # Only nearly: the smaller grid averages neighbours. The exact test is the one without resizing, below.
    np.testing.assert_allclose(np.median(values, axis=0), 0, atol=0.3)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=0.5)


def test_air_is_the_lowest_value(study):
    prepared, _ = head_values(study)
    for channel in np.moveaxis(prepared.images, -1, 0):
        assert channel[0, 0, 0] == channel.min()
        assert np.all(channel[:, :2, :2] == channel.min())


def test_head_fills_the_square(study):
    prepared, _ = head_values(study)
    rows, columns = (np.flatnonzero((prepared.images[..., 1] > -1).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    assert max(np.ptp(rows), np.ptp(columns)) > 0.9 * SIZE


# --- what changes nothing -------------------------------------------------------------------------------------------


def assert_same_head(first, second):
    """Same input inside the head within 1 % of its standard deviation (which is 1)."""
    difference = np.abs(first - second)
    assert difference.mean() < 0.01
    assert np.percentile(difference, 99) < 0.01


@settings(max_examples=20, deadline=None)
@given(pads=st.lists(st.integers(0, 40), min_size=4, max_size=4))
def test_more_air_changes_nothing(pads):
    study = make_study(seed=3, shape=(8, 96, 96))
    before, _ = head_values(study)
    top, bottom, left, right = pads
    volume = np.pad(study.volume, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=study.volume.min())
    after, _ = head_values(Study(volume))
    assert_same_head(before.images, after.images)


@settings(max_examples=10, deadline=None)
@given(below=st.integers(0, 40), above=st.integers(0, 40))
def test_empty_slices_change_nothing(below, above):
    study = make_study(seed=3, shape=(8, 96, 96))
    before, _ = head_values(study)
    after, _ = head_values(Study(np.pad(study.volume, ((below, above), (0, 0), (0, 0), (0, 0)))))
    assert_same_head(before.images, after.images[below : below + 8])


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_scale_and_offset_of_intensities_change_nothing(scale, shift):
    study = make_study(seed=3, shape=(8, 96, 96))
    before, _ = head_values(study)
    after, _ = head_values(Study(study.volume.astype(np.float64) * scale + shift * scale))
    assert_same_head(before.images, after.images)


def test_each_sequence_has_a_scale_of_its_own(study):
    before, _ = head_values(study)
    after, _ = head_values(Study(study.volume * np.array([3.0, 1.0, 0.5]) + np.array([40.0, 0.0, -7.0])))
    assert_same_head(before.images, after.images)


@pytest.mark.parametrize("seed", range(3))
def test_brain_is_as_bright_with_the_skull_as_without(seed):
    """Scalp and fat are brighter than brain; a mean and a deviation would be theirs as well."""
    study = make_study(seed=seed, shape=(12, 96, 96))
    stripped = strip_skull(study)
    preprocessing = Preprocessing(size=SIZE)
    values = []
    for each in (study, stripped):
        prepared = preprocessing.apply(each)
        tumour = preprocessing.apply_mask(study.mask & (stripped.sequence("flair") > 0), prepared.placement) > 0.9
        values.append(prepared.images[tumour, 1].mean())
    assert values[1] == pytest.approx(values[0], rel=0.15)
    assert values[0] > 0.5


def test_brain_normalised_on_a_background_of_zero_is_as_good(study):
    """Skull-stripped and z-scored elsewhere: half of the brain lies below the background's 0, and its lowest voxel is black."""
    head = find_foreground(study.sequence("flair"))
    values = study.volume[head]
    stripped = np.where(head[..., None], (study.volume - values.mean(0)) / values.std(0), 0)
    black = np.where(head[..., None], study.volume - values.min(0) + 1e-3, 0)
    first, _ = head_values(Study(stripped))
    second, _ = head_values(Study(black))
    inside = Preprocessing(size=SIZE).apply_mask(head, second.placement) > 0.99
    assert np.abs(first.images - second.images)[inside].mean() < 0.02


# --- back again -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_restoring_an_applied_mask_gives_the_mask(data):
    """Images of up to twice the model's size, any aspect ratio, the head anywhere in them."""
    height = data.draw(st.integers(40, 2 * SIZE), "height")
    width = data.draw(st.integers(40, 2 * SIZE), "width")
    head_height = data.draw(st.integers(36, height), "head height")
    head_width = data.draw(st.integers(36, width), "head width")
    top = data.draw(st.integers(0, height - head_height), "top")
    left = data.draw(st.integers(0, width - head_width), "left")
    study, centre = oval_study(height, width, top, left, head_height, head_width)
    radius = (head_height * data.draw(st.floats(0.15, 0.4)), head_width * data.draw(st.floats(0.15, 0.4)))
    mask = blob((height, width), centre, radius)
    preprocessing = Preprocessing(size=SIZE)
    placement = preprocessing.apply(study).placement
    restored = preprocessing.restore(preprocessing.apply_mask(mask, placement), placement) >= 0.5
    assert dice(mask, restored) >= 0.97


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), top=st.integers(0, 30), left=st.integers(0, 30), narrow=st.integers(0, 20))
def test_restoring_is_exact_where_nothing_is_resized(seed, top, left, narrow):
    # 2 % of margin on both sides of a head of 60 pixels: a square of 62.
    study, _ = oval_study(100, 100, top, left, 60, 60 - narrow)
    preprocessing = Preprocessing(size=62)
    placement = preprocessing.apply(study).placement
    assert placement.step == (1, 1)
    mask = np.zeros(study.shape, bool)
    mask[:, top : top + 60, left : left + 60 - narrow] = np.random.default_rng(seed).random((60, 60 - narrow)) > 0.5
    restored = preprocessing.restore(preprocessing.apply_mask(mask, placement), placement)
    np.testing.assert_array_equal(restored, mask)


def test_images_are_exact_where_nothing_is_resized():
    study, _ = oval_study(100, 100, 7, 11, 60, 60)
    prepared = Preprocessing(size=62).apply(study)
    square = prepared.images[0, 1:61, 1:61, 1]
    original = study.volume[0, 7:67, 11:71, 1]
    inside = original > 0
    expected = 2 * (original / np.median(original[inside]) - 1)
    np.testing.assert_allclose(square, expected, atol=1e-5)
    assert square.min() == -2


def test_what_is_much_brighter_than_the_head_is_clipped():
    study, _ = oval_study(100, 100, 7, 11, 60, 60)
    volume = study.volume.copy()
    volume[0, 30:33, 40:43] = 1e4
    square = Preprocessing(size=62, ceiling=3).apply(Study(volume)).images[0, 1:61, 1:61, 1]
    assert square.max() == 4
    assert (square == 4).sum() == 9


def test_pixels_of_unequal_sides_give_a_square_in_mm():
    study, _ = oval_study(120, 60, 10, 5, 100, 50)
    prepared = Preprocessing(size=SIZE).apply(Study(study.volume, spacing=(5, 1, 2)))
    row_step, column_step = prepared.placement.step
    assert row_step * 1 == pytest.approx(column_step * 2)
    filled = prepared.images[0, ..., 1] > prepared.images[..., 1].min()
    assert np.ptp(np.flatnonzero(filled.any(1))) == pytest.approx(np.ptp(np.flatnonzero(filled.any(0))), abs=2)


@pytest.mark.parametrize("rounded", [1 - 1e-9, 1 + 1e-9])
@pytest.mark.parametrize("width", [20, 22, 24, 26])
def test_a_spacing_that_a_header_rounds_moves_nothing(rounded, width):
    study, _ = oval_study(64, 64, 6, 20, 40, width)
    exact = Preprocessing(size=SIZE).apply(replace(study, spacing=(5.0, 0.9375, 0.9375))).placement
    other = Preprocessing(size=SIZE).apply(replace(study, spacing=(5.0, 0.9375, 0.9375 * rounded))).placement
    np.testing.assert_allclose(other.origin, exact.origin, atol=1e-5)


# --- what is missing or odd -----------------------------------------------------------------------------------------


def test_missing_sequences_are_copies_of_flair(study):
    alone = Study(study.volume[..., 1:2], sequences=("flair",))
    prepared = Preprocessing(size=SIZE).apply(alone)
    np.testing.assert_array_equal(prepared.images[..., 0], prepared.images[..., 1])
    np.testing.assert_array_equal(prepared.images[..., 2], prepared.images[..., 1])
    assert prepared.notes == tuple(f"{name} is missing: filled with a copy of flair" for name in ("t1", "t1ce"))


def test_order_of_the_study_does_not_matter(study):
    turned = Study(study.volume[..., ::-1], sequences=("t1ce", "flair", "t1"))
    first, second = (Preprocessing(size=SIZE).apply(each) for each in (study, turned))
    np.testing.assert_array_equal(first.images, second.images)


def test_no_flair_is_refused(study):
    with pytest.raises(DataError, match=r"case-7: the model needs FLAIR; the study holds t1, t1ce"):
        Preprocessing().apply(Study(study.volume[..., ::2], sequences=("t1", "t1ce"), name="case-7"))


@pytest.mark.parametrize(
    ("kept", "source"),
    [(("t1", "t1ce"), "t1"), (("t1ce",), "t1ce"), (("t1",), "t1"), (("flair", "t1ce"), "flair"), (("flair",), "flair")],
)
def test_the_next_sequence_stands_in_for_flair_where_a_model_was_trained_for_it(study, kept, source):
    preprocessing = Preprocessing(size=SIZE, fill_from=("flair", "t1", "t1ce"))
    prepared = preprocessing.apply(study.with_sequences(kept))
    whole = preprocessing.apply(study)
    missing = [name for name in preprocessing.sequences if name not in kept]
    assert prepared.notes == tuple(f"{name} is missing: filled with a copy of {source}" for name in missing)
    place = preprocessing.sequences.index
    for name in missing:
        np.testing.assert_array_equal(prepared.images[..., place(name)], prepared.images[..., place(source)])
    if "flair" in kept:
        for name in kept:
            np.testing.assert_array_equal(prepared.images[..., place(name)], whole.images[..., place(name)])


def test_where_none_of_those_that_fill_is_there_the_study_is_refused(study):
    preprocessing = Preprocessing(fill_from=("flair", "t1ce"))
    with pytest.raises(DataError, match=r"the model needs FLAIR or t1ce; the study holds t1$"):
        preprocessing.apply(study.with_sequences(("t1",)))


@pytest.mark.parametrize("names", [(), ("flair", "flair"), ("flair", "DWI")])
def test_a_wrong_sequence_to_fill_from_is_named(names):
    with pytest.raises(ValueError, match="fill_from must be distinct names such as"):
        Preprocessing(fill_from=names)


def test_what_a_sequence_does_not_cover_is_a_copy_of_flair(study):
    """As bright as the flair is, whatever is stored there; the rest is as if all were covered."""
    covered = np.ones(study.volume.shape, bool)
    covered[:3, ..., 2] = False
    covered[3:, :40, :, 2] = False
    volume = np.where(covered, study.volume, 0)
    preprocessing = Preprocessing(size=SIZE)
    found = preprocessing.apply(replace(study, volume=volume, covered=covered)).images
    whole = preprocessing.apply(study).images
    np.testing.assert_array_equal(found[..., :2], whole[..., :2])
    np.testing.assert_allclose(found[:3, ..., 2], whole[:3, ..., 1], atol=1e-5)
    rows = slice(SIZE // 2 + 4, None)  # below the seam
    head = whole[3:, rows, :, 1] > -1
    ratio = (found[3:, rows, :, 2] + 2)[head] / (whole[3:, rows, :, 2] + 2)[head]
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-3)  # its own values, on the scale of what is covered
    none = np.ones(study.volume.shape, bool)
    none[..., 0] = False
    alone = preprocessing.apply(replace(study, covered=none)).images
    np.testing.assert_array_equal(alone[..., 0], whole[..., 1])


def test_constant_image_works_and_says_so():
    prepared = Preprocessing(size=SIZE).apply(Study(np.full((3, 50, 40, 3), 7.0)))
    assert np.all(prepared.images == 0)
    assert prepared.notes == ("the image is constant: no head was found, and intensities were not normalised",)
    assert Preprocessing(size=SIZE).restore(np.ones((3, SIZE, SIZE), np.float32), prepared.placement).min() > 0.5


def test_constant_sequence_works_and_says_so(study):
    volume = study.volume.copy()
    volume[..., 2] = 5
    prepared = Preprocessing(size=SIZE).apply(Study(volume))
    assert np.all(prepared.images[..., 2] == 0)
    assert prepared.notes == ("t1ce is constant over the head and carries no information",)


def test_single_slice_works_and_says_so(study):
    prepared = Preprocessing(size=SIZE).apply(Study(study.volume[4:5]))
    assert prepared.images.shape == (1, SIZE, SIZE, 3)
    assert prepared.notes == ("one slice only: intensities were normalised over it, not over a whole volume",)


def test_one_bright_voxel_does_not_hide_the_head(study):
    volume = study.volume.copy()
    volume[0, 0, 0] = 1e6
    before, _ = head_values(study)
    after, _ = head_values(Study(volume))
    assert np.abs(before.images - after.images)[1:].mean() < 0.01


# --- the config -----------------------------------------------------------------------------------------------------


def test_config_round_trip_through_json():
    preprocessing = Preprocessing(size=128, sequences=("flair",), ceiling=3)
    assert Preprocessing.from_config(json.loads(json.dumps(preprocessing.get_config()))) == preprocessing


def test_whole_numbers_and_others_are_one_configuration():
    assert json.dumps(Preprocessing(ceiling=3).get_config()) == json.dumps(Preprocessing(ceiling=3.0).get_config())


@pytest.mark.parametrize("change", [{"sise": 3}, {"size": None}])
def test_config_of_other_keys_is_refused(change):
    config = {key: value for key, value in {**Preprocessing().get_config(), **change}.items() if value is not None}
    with pytest.raises(ValueError, match="config must be a table with exactly the keys"):
        Preprocessing.from_config(config)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 4}, "size must be an integer of at least 8; got 4"),
        ({"size": 64.0}, "size must be an integer"),
        ({"sequences": ("T2",)}, "sequences must be distinct names such as t1, flair, t1ce"),
        ({"ceiling": 1}, "ceiling must be more than 1; got 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**arguments)


def test_wrong_shapes_are_named():
    placement = Placement((2, 50, 40), SIZE, (0, 0), (1, 1))
    with pytest.raises(ValueError, match=r"mask must be of shape \(2, 50, 40\); got shape \(2, 40, 50\)"):
        Preprocessing(size=SIZE).apply_mask(np.zeros((2, 40, 50), bool), placement)
    with pytest.raises(ValueError, match=r"probabilities must be of shape \(2, 64, 64\); got shape \(2, 32, 32\)"):
        Preprocessing(size=SIZE).restore(np.zeros((2, 32, 32), np.float32), placement)
