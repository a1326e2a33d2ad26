"""Values below the air, in real files: the mask is that of the study without them."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from braintumorseg import dice, load_pretrained, make_study, read_study
from dicom_files import DESCRIPTIONS, write_classic

pydicom = pytest.importorskip("pydicom")

pytestmark = pytest.mark.filterwarnings("ignore:.*(are padding|NaN or infinite|are missing)")
SHAPE = (16, 128, 128)
LEAST = 0.97


@pytest.fixture(scope="module")
def segmenter():
    return load_pretrained("resunet-lgg-small")


@pytest.fixture(scope="module")
def study():
    return make_study(seed=0, shape=SHAPE)


@pytest.fixture(scope="module")
def found(segmenter, study):
    mask = segmenter.predict(study).mask
    assert dice(study.mask, mask) > 0.8
    return mask


def save(folder, study, arrays, affine=None):
    folder.mkdir()
    for name, array in zip(study.sequences, arrays, strict=True):
        image = nib.Nifti1Image(array, study.geometry.file_affine if affine is None else affine)
        nib.save(image, folder / f"{name}.nii.gz")
    return read_study(folder)


def through_nifti(folder, study):
    return save(folder, study, [study.geometry.to_file(study.sequence(name)) for name in study.sequences])


def each(function):
    """Apply a function to each sequence, which has the places where there is head too."""

    def change(study):
        volume = study.volume.copy()
        for channel in range(volume.shape[-1]):
            volume[..., channel] = function(volume[..., channel].copy())
        return replace(study, volume=volume)

    change.__name__ = function.__name__
    return change


def put(value, place):
    def change(image):
        image[place] = value
        return image

    return each(change)


def scattered(low, high):
    def change(image):
        random = np.random.default_rng(0)
        image[tuple(random.integers(0, SHAPE, (60, 3)).T)] = random.uniform(low, high, 60)
        return image

    return each(change)


def of_flair(change):
    def alone(study):
        changed = change(study)
        volume = study.volume.copy()
        volume[..., 1] = changed.volume[..., 1]
        return replace(study, volume=volume)

    return alone


def disc():
    rows, columns = np.mgrid[-1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    return np.hypot(rows, columns) < 1


def beyond_disc(value, air=0.0):
    return each(lambda image: np.where(disc(), image + np.float32(air), np.float32(value)))


def scores(outlier=None, share=0.0):
    """Brain alone, of mean 0, on air of exactly 0."""

    def change(study):
        brain = ndimage.binary_erosion(ndimage.binary_fill_holes(study.sequence("flair") > 40), np.ones((1, 3, 3)))
        volume = study.volume.copy()
        for channel in range(3):
            image = volume[..., channel]
            volume[..., channel] = np.where(brain, (image - image[brain].mean()) / image[brain].std(), 0)
        if outlier is not None and not share:
            volume[3, 60, 5] = outlier
        elif outlier is not None:
            random = np.random.default_rng(0)
            places = random.random(volume.shape) < share
            volume[places] = outlier * random.uniform(0.5, 1.5, np.count_nonzero(places))
        return replace(study, volume=volume)

    return change


def void(image):
    """Metal: no signal around it, too much beside."""
    image[4:9, 20:34, 96:104] = 0
    image[4:9, 20:34, 104:107] *= 6
    return image


def ripples(image):
    """Noise of the air below 0, as subtractions of a bias or of noise leave it."""
    return image - np.float32(1.3) + np.random.default_rng(0).normal(0, 0.3, image.shape).astype(np.float32)


def wrapped(image):
    """Values of -1 as unsigned integers hold them, in a fiftieth of the air."""
    random = np.random.default_rng(0)
    return np.where((random.random(image.shape) < 0.03) & (image < 12), np.float32(65535), image)


CHANGES = {
    "one voxel, 0.4 of the brain": of_flair(put(-40, (3, 10, 10))),
    "one voxel, a tenth": of_flair(put(-10, (3, 10, 10))),
    "one voxel of all sequences": put(-40, (3, 10, 10)),
    "one voxel of the head": put(-400, (8, 64, 44)),
    "one far voxel": put(-1e9, (3, 10, 10)),
    "scattered ones": scattered(-300, -20),
    "hot pixels": scattered(500, 5000),
    "hot and dead pixels": scattered(-3000, 5000),
    "two rows": put(-200, np.s_[:, :2]),
    "rows of the head's edge": put(-1024, np.s_[:, 14:16]),
    "an empty slice": put(-1024, np.s_[-1]),
    "beyond a disc": beyond_disc(-1024),
    "far beyond a disc": beyond_disc(-32768, air=-1024),
    "zeros beyond a disc, air above them": beyond_disc(0, air=40),
    "noise of both signs": each(ripples),
    "an offset": each(lambda image: image + np.float32(1000)),
    "an offset and a voxel at 0": put(0, (3, 10, 10)),
    "metal": each(void),
    "rows far above": put(32767, np.s_[:, :4]),
    "an empty slice far above": put(0, np.s_[-1]),
    "integers that wrapped around": each(wrapped),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_mask_is_that_of_the_study_without_them(tmp_path, segmenter, study, found, name):
    before = study
    if name == "an empty slice far above":
        before = each(lambda image: image - np.float32(1000))(study)
    if name == "an offset and a voxel at 0":
        before = CHANGES["an offset"](study)

    changed = through_nifti(tmp_path / "study", CHANGES[name](before))

    assert dice(found, segmenter.predict(changed).mask) >= LEAST


@pytest.mark.parametrize("outlier", [-10, -100, -1024])
def test_brain_on_both_sides_of_its_air_stays_what_it_is(tmp_path, segmenter, study, outlier):
    expected = segmenter.predict(scores()(study)).mask
    assert dice(study.mask, expected) > 0.6

    changed = through_nifti(tmp_path / "study", scores(outlier)(study))

    assert dice(expected, segmenter.predict(changed).mask) >= LEAST


def test_some_outliers_leave_the_lower_end_of_brain_on_both_sides(tmp_path, segmenter, study):
    expected = segmenter.predict(scores()(study)).mask

    changed = through_nifti(tmp_path / "study", scores(-10, share=0.001)(study))

    assert dice(expected, segmenter.predict(changed).mask) >= 0.9


def resampled(folder, study, factors, order):
    arrays = [study.geometry.to_file(study.sequence(name)) for name in study.sequences]
    arrays = [ndimage.zoom(each, factors, order=order, grid_mode=True, mode="grid-constant") for each in arrays]
    return save(folder, study, arrays, study.geometry.file_affine @ np.diag([*(1 / each for each in factors), 1]))


@pytest.mark.parametrize("factors", [(0.8, 0.8, 1), (1.5, 1.5, 1), (1, 1, 2), (0.9, 0.9, 3)])
def test_cubic_splines_ring_around_the_head(tmp_path, segmenter, study, factors):
    linear, cubic = (resampled(tmp_path / str(order), study, factors, order) for order in (1, 3))
    assert cubic.volume.min() < -15 < linear.volume.min()

    masks = [segmenter.predict(each).mask for each in (linear, cubic)]

    assert dice(*masks) >= 0.93
    assert masks[1].sum() == pytest.approx(masks[0].sum(), rel=0.1)


@pytest.mark.parametrize("factor", [0.8, 1.3])
def test_cubic_splines_within_slices_keep_the_mask(tmp_path, segmenter, factor):
    large = make_study(seed=0)
    expected = large.geometry.to_file(segmenter.predict(large).mask).astype(np.float32)

    cubic = resampled(tmp_path / "study", large, (factor, factor, 1), 3)

    found = segmenter.predict(cubic).mask
    expected = ndimage.zoom(expected, (factor, factor, 1), order=1, grid_mode=True, mode="grid-constant") >= 0.5
    assert dice(cubic.geometry.to_volume(expected), found) >= 0.95


def write_dicom(folder, study, change, *, stated=None):
    """Write signed slices, whose stored values ``change`` gets as an array ``(slices, rows, columns)``."""
    for number, name in enumerate(study.sequences, 1):
        words = np.round(study.geometry.to_file(study.sequence(name)).transpose(2, 1, 0)).astype(np.int16)
        words = change(words)
        paths = write_classic(
            folder / name, np.zeros(words.shape), study.geometry.file_affine, DESCRIPTIONS[name], number
        )
        for path, plane in zip(paths, words, strict=True):
            data = pydicom.dcmread(path)
            data.PixelData, data.PixelRepresentation = plane.tobytes(), 1
            data.RescaleSlope, data.RescaleIntercept = "1", "0"
            if stated is not None:
                data.add_new(0x00280120, "SS", stated)
            data.save_as(path)
    return read_study(folder)


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "not stated"])
@pytest.mark.parametrize("value", [-200, -1024, -32768])
@pytest.mark.parametrize("kind", ["two rows", "beyond a disc"])
def test_padding_of_dicom_is_air(tmp_path, segmenter, study, found, kind, value, stated):
    padded = ~disc() if kind == "beyond a disc" else np.broadcast_to(np.arange(SHAPE[1])[:, None] < 2, SHAPE[1:])

    changed = write_dicom(
        tmp_path, study, lambda words: np.where(padded, value, words).astype(np.int16), stated=value if stated else None
    )

    assert dice(found, segmenter.predict(changed).mask) >= LEAST
    assert (changed.covered is not None) == stated


def test_a_slice_that_the_flair_lacks_is_not_covered_and_holds_nothing(tmp_path, segmenter, study, found):
    write_dicom(tmp_path, study, lambda words: words)
    middle = int(found.sum(axis=(1, 2)).argmax())
    paths = sorted(
        (tmp_path / "flair").iterdir(), key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2])
    )
    paths[middle].unlink()

    lacking = read_study(tmp_path)

    expected = np.ones(lacking.volume.shape, bool)
    expected[middle, ..., lacking.sequences.index("flair")] = False
    np.testing.assert_array_equal(lacking.covered, expected)
    result = segmenter.predict(lacking)
    assert not result.mask[middle].any()
    assert any(f"slices {middle + 1} of {SHAPE[0]} are missing" in note for note in result.notes)
    rest = np.arange(SHAPE[0]) != middle
    assert dice(found[rest], result.mask[rest]) >= LEAST


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_undefined_values_around_the_head_are_air(tmp_path, segmenter, study, found, value):
    changed = through_nifti(tmp_path / "study", study)
    arrays = [
        np.where(
            study.geometry.to_file(np.broadcast_to(disc(), SHAPE)), study.geometry.to_file(image), np.float32(value)
        )
        for image in np.moveaxis(study.volume, -1, 0)
    ]

    changed = save(tmp_path / "padded", study, arrays)

    assert dice(found, segmenter.predict(changed).mask) >= LEAST
    assert not changed.covered[:, ~disc()].any()
