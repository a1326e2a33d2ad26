import numpy as np
import pytest
from scipy import ndimage

from braintumorseg import Study, make_study
from braintumorseg.datasets.lgg import LGGDataset
from braintumorseg.preprocessing import find_brain, strip_skull
from braintumorseg.preprocessing.foreground import find_foreground
from braintumorseg.preprocessing.skull import brain_alone


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


@pytest.mark.parametrize("background", ["zero", "minimum"])
@pytest.mark.parametrize("seed", range(3))
def test_stripping_twice_changes_little(seed, background):
    study = make_study(seed=seed, shape=(24, 128, 128))
    stripped = strip_skull(study, background=background)
    brain, again = find_brain(study), find_brain(stripped)
    assert (again & brain).sum() > 0.97 * brain.sum()
    assert (again & ~brain).sum() < 0.02 * brain.sum()


def test_of_a_head_that_is_cut_off_nothing_is_lost(study, brain):
    rows = np.flatnonzero(brain.any(axis=(0, 2)))
    start, stop = rows[0] + 8, rows[-1] - 8  # the picture ends within the brain, in front and behind
    cut = find_brain(Study(study.volume[:, start:stop]))
    whole = brain[:, start:stop]
    assert (cut & whole).sum() > 0.95 * whole.sum()


def test_a_bright_tumour_beside_the_skull_is_brain(study, brain):
    volume = study.volume.copy()
    index = study.sequences.index("flair")
    depth = ndimage.distance_transform_edt(brain[13])
    rows, columns = np.indices(depth.shape)
    place = np.argwhere((depth > 6) & (depth < 7))[0]
    tumour = (np.hypot(rows - place[0], columns - place[1]) < 10) & (depth > 1)
    level = np.median(volume[13, ..., index][depth > 10])
    volume[12:15, tumour, index] = 2 * level
    assert find_brain(Study(volume))[13][tumour].mean() > 0.97


def test_air_and_empty_slices_change_little(study, brain):
    padded = find_brain(Study(np.pad(study.volume, ((2, 2), (20, 4), (0, 12), (0, 0)))))
    assert padded.shape == (28, 152, 140)
    inside = padded[2:-2, 20:-4, :-12]
    assert padded.sum() - inside.sum() < 0.01 * brain.sum()
    assert 2 * (inside & brain).sum() / (inside.sum() + brain.sum()) > 0.97


def test_one_slice():
    study = make_study(seed=0, shape=(1, 128, 128))
    brain = find_brain(study)
    assert brain.shape == study.shape
    assert (brain & study.mask).sum() > 0.99 * study.mask.sum()
    assert brain.sum() < 0.9 * find_foreground(study.sequence("flair")).sum()


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_has_no_brain(value):
    assert not find_brain(Study(np.full((3, 32, 32, 3), value))).any()


def test_a_few_bright_pixels_are_no_head():
    image = np.zeros((5, 32, 32, 1))
    image[2, 10, 10] = image[4, 3, 3] = 1
    assert find_brain(Study(image, ("flair",))).sum() < 50


def test_flair_is_needed():
    study = make_study(seed=0, shape=(4, 64, 64), sequences=("t1", "t1ce"))
    for function in (find_brain, strip_skull):
        with pytest.raises(ValueError, match=r"a sequence of this study \(t1, t1ce\); got 'flair'"):
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


@pytest.mark.lgg
def test_tumours_of_patients_lie_in_the_brain_found_without_scalp(lgg_root):
    dataset = LGGDataset(lgg_root)
    shares = {}
    for name in dataset.patients[::5]:
        study = dataset[name]
        brain = find_brain(study)
        again = find_brain(strip_skull(study))
        # Least is 0.965, of a patient whose two uppermost slices are not found again.
        assert (again & brain).sum() > 0.96 * brain.sum(), name
        shares[name] = (brain & study.mask).sum() / study.mask.sum()
    assert min(shares.values()) >= 0.96, shares
    assert np.mean(list(shares.values())) > 0.99, shares


def test_a_label_map_is_cut_to_the_brain_as_a_mask_is(monkeypatch):
    study = make_study(seed=0, shape=(4, 64, 64), classes=("necrosis", "edema", "enhancing"))
    half = np.zeros(study.shape, bool)
    half[:, :, np.argwhere(study.mask)[:, 2].mean().astype(int) :] = True
    monkeypatch.setattr("braintumorseg.preprocessing.skull.find_brain", lambda study: half)
    alone = brain_alone(study)
    np.testing.assert_array_equal(alone.labels, study.labels * half)
    np.testing.assert_array_equal(alone.mask, study.mask & half)
    assert 0 < alone.mask.sum() < study.mask.sum()
