import threading
from collections import Counter

import numpy as np
import pytest

from braintumorseg.augmentation import Augmentation
from braintumorseg.training.cached_study import CachedStudy
from braintumorseg.training.sampling import Drawn, Sampler, SamplingConfig, TrainingBatches

PLAIN = {"flip_left_right": False} | dict.fromkeys(
    ("rotation", "zoom", "shift", "elastic", "gamma", "contrast", "brightness", "bias_field", "noise", "blur"), 0
)


def cached(name, slices, tumour):
    """A study whose every pixel says where it comes from."""
    number = int(name[-1])
    images = np.broadcast_to(np.arange(slices)[:, None, None, None] + 100 * number, (slices, 8, 8, 3))
    images = images.copy()
    images[:, 0, 0] = -2  # some air
    targets = np.zeros((slices, 8, 8), np.float16)
    targets[list(tumour), 2:4] = 0.7
    targets[list(tumour), 5] = 0.4
    return CachedStudy(name, images.astype(np.float16), targets)


STUDIES = [cached("case_0", 5, [1, 2]), cached("case_1", 20, [0, 3, 4, 5, 6, 7, 8, 9])]
STRIPPED = [cached("case_2", 5, [1, 2])]


def sampler(batch_size=1000, seed=0, stripped=STRIPPED, **sampling):
    return Sampler(STUDIES, stripped, SamplingConfig(**sampling), batch_size=batch_size, seed=seed)


def share(drawn, wanted):
    return np.mean([wanted(each) for each in drawn])


def holds_tumour(drawn):
    return bool(drawn.study.targets[drawn.number].any())


@pytest.mark.parametrize("tumour_share", [0.0, 0.3, 1.0])
def test_share_of_slices_with_tumour(tumour_share):
    assert share(sampler(tumour_share=tumour_share).draw(0), holds_tumour) == pytest.approx(tumour_share, abs=0.05)


@pytest.mark.parametrize("stripped_share", [0.0, 0.4, 1.0])
def test_share_of_slices_without_skull(stripped_share):
    drawn = sampler(stripped_share=stripped_share).draw(0)
    assert share(drawn, lambda each: each.study in STRIPPED) == pytest.approx(stripped_share, abs=0.05)


@pytest.mark.parametrize(("power", "expected"), [(0, 1 / 2), (0.5, 1 / 3), (1, 2 / 10)])
def test_patients_are_weighted_by_a_power_of_their_slices(power, expected):
    drawn = sampler(tumour_share=1, patient_power=power).draw(0)
    assert share(drawn, lambda each: each.study.name == "case_0") == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("between_share", [0.0, 0.3, 1.0])
def test_share_of_slices_between_two(between_share):
    """Those of the drawn ends that have no neighbour on the drawn side stay what they are."""
    drawn = sampler(between_share=between_share, tumour_share=0).draw(0)
    plain = sampler(tumour_share=0).draw(0)
    inner = [
        (one, other) for one, other in zip(drawn, plain, strict=True) if 0 < other.number < len(other.study.images) - 1
    ]
    moved = [one.share > 0 for one, _ in inner]
    assert np.mean(moved) == pytest.approx(between_share, abs=0.06)
    for one, other in zip(drawn, plain, strict=True):
        assert one.study is other.study
        assert 0 <= one.share < 1
        assert one.number in ((other.number - 1, other.number) if one.share else (other.number,))
        assert one.number + (one.share > 0) < len(one.study.images)
    if between_share == 1:
        places = np.array([one.number + one.share - other.number for one, other in inner])
        assert np.histogram(places, 4, (-1, 1))[0] == pytest.approx(len(places) / 4, rel=0.25)


def test_a_slice_between_two_is_their_weighted_mean():
    drawn = Drawn(STUDIES[1], 2, 0.75)
    np.testing.assert_allclose(drawn.read("images")[1, 1], 102.75)
    np.testing.assert_allclose(drawn.read("targets")[2], 0.75 * 0.7, rtol=1e-3)
    np.testing.assert_allclose(Drawn(STUDIES[1], 2).read("images")[1, 1], 102)


def test_batches_of_slices_between_two():
    images, masks = sampler(batch_size=40, between_share=1).read(3)
    assert (images.dtype, masks.dtype) == (np.float16, np.float32)
    assert (images[:, 1, 1, 0] % 1 > 0).any()
    assert set(np.unique(masks)) == {0, 1}


def test_slices_of_air_alone_are_never_drawn():
    study = cached("case_0", 6, [2])
    study.images[[0, 5]] = -2
    sampling = SamplingConfig(tumour_share=0.3)
    drawn = Sampler([study], [], sampling, batch_size=400, seed=0).draw(0)
    assert {each.number for each in drawn} == {1, 2, 3, 4}


def test_all_slices_of_a_patient_are_drawn_alike():
    counts = Counter(
        each.number for each in sampler(20000, tumour_share=1, patient_power=0).draw(0) if each.study is STUDIES[1]
    )
    assert set(counts) == {0, 3, 4, 5, 6, 7, 8, 9}
    assert max(counts.values()) < 1.2 * min(counts.values())


def test_a_batch_follows_from_seed_and_step():
    first, again, other = sampler(16, seed=4), sampler(16, seed=4), sampler(16, seed=5)
    assert first.draw(7) == again.draw(7)
    assert first.draw(7) != first.draw(8)
    assert first.draw(7) != other.draw(7)


def test_a_batch_holds_the_slices_drawn():
    images, masks = sampler(16).read(3)
    assert (images.dtype, masks.dtype) == (np.float16, np.float32)
    for image, mask, drawn in zip(images, masks, sampler(16).draw(3), strict=True):
        np.testing.assert_array_equal(image, drawn.study.images[drawn.number])
        np.testing.assert_array_equal(mask[..., 0], drawn.study.targets[drawn.number] >= 0.5)


def test_batches_go_on_from_any_step():
    augmentation = Augmentation(sequence_dropout=0.5, seed=2)
    whole = list(TrainingBatches(sampler(4), augmentation, 0, 5))
    rest = list(TrainingBatches(sampler(4), augmentation, 3, 5))
    assert len(whole) == 5
    for (images, masks), (again, masks_again) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(masks, masks_again)


def test_batches_without_augmentation_are_what_was_read():
    source = sampler(4)
    batches = list(TrainingBatches(source, Augmentation(**PLAIN), 2, 4))
    for step, (images, masks) in enumerate(batches, 2):
        np.testing.assert_array_equal(images, source.read(step)[0])
        np.testing.assert_array_equal(masks, source.read(step)[1])


def test_a_batch_can_be_looked_at_before_its_turn():
    """Keras takes the first ones to learn their shapes, and then begins anew."""
    batches = TrainingBatches(sampler(4), Augmentation(), 3, 9)
    assert len(batches) == 6
    early = [batches[place][0] for place in (0, 1, 4, 0, 1)]
    np.testing.assert_array_equal(early[0], early[3])
    np.testing.assert_array_equal(early[1], early[4])
    for place, (images, _) in enumerate(batches):
        np.testing.assert_array_equal(images, TrainingBatches(sampler(4), Augmentation(), 3 + place, 9)[0][0])


def test_a_batch_is_of_float32():
    ((images, masks),) = TrainingBatches(sampler(4), Augmentation(), 0, 1)
    assert images.shape == (4, 8, 8, 3)
    assert masks.shape == (4, 8, 8, 1)
    assert images.dtype == masks.dtype == "float32"


def test_batches_that_nobody_takes_are_given_up():
    batches = TrainingBatches(sampler(4), Augmentation(), 0, 10**6)
    assert batches[0][0].shape == (4, 8, 8, 3)
    batches.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("batches")]


def test_what_can_not_be_drawn_is_refused():
    empty = [cached("case_0", 5, [])]
    message = "studies must be some that hold slices of each kind that is drawn; got 0 slices with tumour, 5 without"
    with pytest.raises(ValueError, match=message):
        Sampler(empty, (), SamplingConfig(), batch_size=4, seed=0)
    with pytest.raises(ValueError, match="studies must be"):
        Sampler(STUDIES, (), SamplingConfig(stripped_share=0.1), batch_size=4, seed=0)
    Sampler(empty, (), SamplingConfig(tumour_share=0), batch_size=4, seed=0).draw(0)


@pytest.mark.parametrize("name", ["tumour_share", "patient_power", "stripped_share"])
def test_shares_are_checked(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0 and at most 1; got 1.5"):
        SamplingConfig(**{name: 1.5})
