import time

import numpy as np
import pytest
from scipy import ndimage

from braintumorseg import make_study
from braintumorseg.preprocessing.foreground import find_foreground

SHAPE = (12, 96, 96)


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def study(request):
    return make_study(request.param, shape=SHAPE)


def test_same_seed_same_study():
    first, second = make_study(5, shape=SHAPE), make_study(5, shape=SHAPE)
    np.testing.assert_array_equal(first.volume, second.volume)
    np.testing.assert_array_equal(first.mask, second.mask)


def test_other_seed_other_study():
    first, second = make_study(5, shape=SHAPE), make_study(6, shape=SHAPE)
    assert not np.array_equal(first.mask, second.mask)
    assert np.abs(first.volume - second.volume).mean() > 5


def test_default_is_a_study_like_the_dataset():
    study = make_study()
    assert study.volume.shape == (24, 256, 256, 3)
    assert study.spacing == pytest.approx((5.5, 0.9375, 0.9375))
    assert study.volume.min() >= 0
    assert study.volume.max() <= 255
    assert 5 <= study.mask.any(axis=(1, 2)).sum() <= 17
    assert study.name == "phantom-0"


def test_a_study_takes_no_longer_than_fifty_smoothings_of_its_size():
    """Seconds are not alike on all machines; measured: 23 to 28 smoothings."""
    shape = (24, 128, 128)
    volume = make_study(shape=shape).sequence("flair")

    def seconds(work):
        start = time.process_time()
        work()
        return time.process_time() - start

    rounds = [
        (seconds(lambda: make_study(shape=shape)), seconds(lambda: ndimage.gaussian_filter(volume, 3)))
        for _ in range(3)
    ]
    assert min(one / other for one, other in rounds) < 50, rounds


def test_tumour_lies_inside_the_head(study):
    head = find_foreground(study.sequence("flair"))
    filled = np.stack([ndimage.binary_fill_holes(each) for each in head])
    assert study.mask.any()
    assert np.mean(filled[study.mask]) > 0.995


def test_tumour_is_bright_on_flair_and_dark_before_contrast(study):
    in_plane = np.ones((1, 3, 3))
    outer, inner = (ndimage.binary_dilation(study.mask, in_plane, iterations=count) for count in (5, 2))
    pre = study.sequence("t1")
    around = outer & ~inner & (pre > 45) & (pre < 110)  # brain, not fluid, bone or scalp
    for name, sign in (("flair", 1), ("t1", -1)):
        image = study.sequence(name)
        difference = np.median(image[study.mask]) - np.median(image[around])
        assert sign * difference > 5, name


def test_tissues_have_the_contrast_of_their_sequence():
    """Free of noise and bias: white above grey matter before contrast, below it on FLAIR; fluid darkest in both."""
    study = make_study(0, shape=(24, 128, 128), noise=0, bias=0, tumours=0)
    pre, flair = study.sequence("t1")[12], study.sequence("flair")[12]
    brain = (pre > 15) & (pre < 100)
    white, grey, fluid = brain & (pre > 72), brain & (pre > 50) & (pre < 64), brain & (pre < 30)
    assert np.median(flair[grey]) > np.median(flair[white]) > 2 * np.median(flair[fluid])


@pytest.mark.parametrize("name", ["t1", "t1ce"])
def test_tissues_have_the_contrast_of_t1(name):
    """Free of noise and bias, the tissues told apart on FLAIR: white above grey matter, fluid darkest."""
    study = make_study(0, shape=(24, 128, 128), noise=0, bias=0, tumours=0)
    flair, image = study.sequence("flair")[12], study.sequence(name)[12]
    inside = np.zeros(flair.shape, bool)
    inside[40:88, 48:80] = True  # ventricles and what lies around them: no skull, no scalp
    white, grey, fluid = (inside & (flair > low) & (flair < high) for low, high in ((48, 55), (60, 68), (5, 20)))
    assert min(white.sum(), grey.sum(), fluid.sum()) > 20
    assert np.median(image[white]) > np.median(image[grey]) > 1.5 * np.median(image[fluid])


def test_number_of_tumours():
    assert not make_study(0, shape=SHAPE, tumours=0).mask.any()
    two = make_study(0, shape=(24, 128, 128), tumours=2).mask
    left, right = two[..., :64].any(), two[..., 64:].any()
    assert left
    assert right


def test_more_noise_is_noisier():
    quiet, loud = (make_study(0, shape=SHAPE, noise=noise).volume[:, :6, :6].std() for noise in (1, 10))
    assert loud > 5 * quiet


def test_air_is_black_without_noise():
    assert make_study(0, shape=SHAPE, noise=0).volume[:, 0, 0].max() == 0


def test_sequences_are_those_asked_for():
    study = make_study(0, shape=SHAPE, sequences=("flair",), noise=0)
    assert study.sequences == ("flair",)
    np.testing.assert_array_equal(study.volume[..., 0], make_study(0, shape=SHAPE, noise=0).sequence("flair"))


@pytest.mark.parametrize("shape", [(1, 128, 128), (5, 64, 90), (3, 200, 64)])
def test_any_shape(shape):
    study = make_study(1, shape=shape)
    assert study.shape == shape
    assert study.mask.any()


def test_a_slice_alone_is_as_thick_as_one_of_a_study():
    assert make_study(0, shape=(1, 128, 128)).spacing == pytest.approx((5.5, 1.875, 1.875))


def test_geometry_centres_the_head_and_keeps_the_patient_upright():
    study = make_study(0, shape=SHAPE)
    affine = study.geometry.affine
    centre = affine @ np.array([*((n - 1) / 2 for n in SHAPE), 1])
    np.testing.assert_allclose(centre, [0, 0, 0, 1], atol=1e-9)
    steps = affine[:3, :3]
    assert steps[2, 0] > 0  # slices go up
    assert steps[1, 1] < 0  # rows go to the back
    assert steps[0, 2] < 0  # columns go to the patient's left


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed must be an integer of at least 0; got -1"),
        ({"shape": 64}, r"shape must be three integers, \(slices, rows, columns\); got 64"),
        ({"shape": (64, 64)}, r"shape must be three integers, \(slices, rows, columns\); got \(64, 64\)"),
        ({"shape": (0, 64, 64)}, r"shape \(slices\) must be an integer of at least 1"),
        ({"shape": (4, 8, 64)}, r"shape \(rows\) must be an integer of at least 32"),
        ({"tumours": 6}, "tumours must be at least 0 and at most 5; got 6"),
        ({"tumours": True}, "tumours must be an integer of at least 0; got True"),
        ({"noise": -1}, "noise must be at least 0 and at most 255; got -1"),
        ({"noise": float("inf")}, "noise must be at least 0 and at most 255; got inf"),
        ({"bias": float("nan")}, "bias must be at least 0 and at most 1; got nan"),
        ({"bias": float("inf")}, "bias must be at least 0 and at most 1; got inf"),
        ({"sequences": ("adc",)}, "sequences must be distinct names out of t1, flair, t1ce, t2"),
        ({"sequences": "flair"}, "sequences must be distinct names out of t1, flair, t1ce, t2; got flair"),
        ({"sequences": ()}, "sequences must be distinct names out of t1, flair, t1ce"),
        ({"sequences": ("t1", "t1")}, "sequences must be distinct names out of t1, flair, t1ce"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_study(**{"shape": (2, 64, 64), **arguments})
