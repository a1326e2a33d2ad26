import numpy as np
import pytest
from scipy import ndimage

from braintumorseg import Study, find_brain, make_study, strip_skull
from braintumorseg.preprocessing import find_foreground
from braintumorseg.skull import brain_alone


@pytest.fixture(scope="module")
def study():
    return make_study(seed=0, shape=(24, 128, 128))


@pytest.fixture(scope="module")
def brain(study):
    return find_brain(study)


@pytest.mark.parametrize("seed", range(4))
def test_the_brain_without_the_scalp_is_found(seed):
    study = make_study(seed=seed, shape=(20, 128, 128))
    brain = find_brain(study)
    head = np.stack([ndimage.binary_fill_holes(each) for each in find_foreground(study.sequence("flair"))])
    middle = slice(6, 15)  # above the skull base, below the vertex
    share = brain[middle].sum() / head[middle].sum()
    assert 0.5 < share < 0.85
    depth = np.stack([ndimage.distance_transform_edt(each) for each in head[middle]])
    assert brain[middle][depth <= 2].mean() < 0.01  # the skin
    assert brain[middle][depth >= 20].mean() > 0.99  # the inside, ventricles too
    assert (study.mask & brain).sum() >= 0.99 * study.mask.sum()


def test_the_mask_is_not_looked_at(study, brain):
    assert (find_brain(study.with_mask(None)) == brain).all()
    assert (find_brain(study.with_mask(~study.mask)) == brain).all()


def test_the_flair_alone_decides(study, brain):
    volume = study.volume[..., 1:2]
    assert (find_brain(Study(volume, ("flair",))) == brain).all()


def test_scale_of_intensities_does_not_matter(study, brain):
    brighter = Study(study.volume * 4, spacing=study.spacing)  # a power of two, so that no rounding differs
    assert (find_brain(brighter) == brain).all()


def test_turned_upside_down_it_is_found_too(study, brain):
    turned = find_brain(Study(study.volume[::-1]))[::-1]
    both = turned & brain
    assert 2 * both.sum() / (turned.sum() + brain.sum()) > 0.97


def test_of_a_stripped_study_most_is_kept(study, brain):
    again = find_brain(strip_skull(study))
    middle = slice(5, 20)
    assert not (again & ~brain).any() or (again & ~brain).sum() < 0.01 * brain.sum()
    assert (again & brain)[middle].sum() > 0.95 * brain[middle].sum()


def test_one_slice():
    study = make_study(seed=0, shape=(1, 128, 128))
    brain = find_brain(study)
    assert brain.shape == study.shape
    assert (brain & study.mask).sum() > 0.99 * study.mask.sum()
    assert brain.sum() < 0.9 * find_foreground(study.sequence("flair")).sum()


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_has_no_brain(value):
    assert not find_brain(Study(np.full((3, 32, 32, 3), value))).any()


def test_flair_is_needed():
    study = make_study(seed=0, shape=(4, 64, 64), sequences=("pre", "post"))
    for function in (find_brain, strip_skull):
        with pytest.raises(ValueError, match=r"a sequence of this study \(pre, post\); got 'flair'"):
            function(study)


@pytest.mark.parametrize("background", ["zero", "minimum"])
def test_all_but_the_brain_is_background(study, brain, background):
    shifted = Study(study.volume + np.float32([5, 6, 7]), mask=study.mask, name="shifted", geometry=study.geometry)
    brain = find_brain(shifted)
    stripped = strip_skull(shifted, background=background)
    expected = [0, 0, 0] if background == "zero" else shifted.volume.min(axis=(0, 1, 2))
    assert (stripped.volume[brain] == shifted.volume[brain]).all()
    assert (stripped.volume[~brain] == expected).all()
    assert (stripped.mask == shifted.mask).all()
    assert (stripped.name, stripped.geometry) == ("shifted", study.geometry)


def test_background_is_zero_or_minimum(study):
    with pytest.raises(ValueError, match="background must be one of 'zero', 'minimum'; got 'mean'"):
        strip_skull(study, background="mean")


def test_training_is_on_the_brain_alone(study, brain):
    alone = brain_alone(study)
    assert (alone.volume == strip_skull(study).volume).all()
    assert (alone.mask == (study.mask & brain)).all()
    assert brain_alone(study.with_mask(None)).mask is None
