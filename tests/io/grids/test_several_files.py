"""Studies whose sequences are files of their own, on grids of their own."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg import DataError, find_studies, make_study, read_study
from braintumorseg.io import study_name
from braintumorseg.io.grids.orientation import turned
from braintumorseg.io.grids.registration import find_motion
from braintumorseg.io.grids.resampling import resample
from braintumorseg.study import Geometry

SHAPE = (6, 40, 36)
LAYOUTS = {
    "BraTS-2020": ("case", "BraTS20_001_flair", "BraTS20_001_t1", "BraTS20_001_t1ce", "BraTS20_001_t2"),
    "BraTS-2023": ("case", "BraTS-GLI-001-000-t2f", "BraTS-GLI-001-000-t1n", "BraTS-GLI-001-000-t1c", "BraTS-GLI-001-000-t2w"),
    "BIDS": ("sub-01/anat", "sub-01_FLAIR", "sub-01_acq-2d_T1w", "sub-01_ce-gadolinium_T1w", "sub-01_T2w"),
    "BIDS sessions": ("ses-2/anat", "sub-01_ses-2_FLAIR", "sub-01_ses-2_T1w", "sub-01_ses-2_ce-gd_T1w", "sub-01_ses-2_T2w"),
    "plain": ("case", "flair", "t1", "t1ce", "t2"),
    "t1gd": ("case", "P1 T2_FLAIR", "P1 T1", "P1 T1-Gd", "P1 T2"),
}  # fmt: skip


@pytest.fixture(scope="module")
def head():
    return make_study(1, shape=SHAPE)


def save(path, study, sequence, *, geometry=None):
    geometry = geometry or study.geometry
    array = study.mask.astype(np.uint8) if sequence == "mask" else study.sequence(sequence)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(geometry.to_file(array), geometry.file_affine), path)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_are_read_by_the_names_in_them(tmp_path, head, layout):
    place, *names = LAYOUTS[layout]
    for name, sequence in zip(names, ("flair", "t1", "t1ce", "t1ce"), strict=True):
        save(tmp_path / place / f"{name}.nii.gz", head, sequence)  # what is called T2 is a copy of the last
    save(tmp_path / place / "x_mask.nii.gz", head, "mask")  # a result, not a study
    (folder,) = find_studies(tmp_path)
    assert folder == tmp_path / place
    study = read_study(folder)
    assert study.sequences == ("t1", "flair", "t1ce", "t2")
    np.testing.assert_array_equal(study.volume[..., :3], head.volume)
    np.testing.assert_array_equal(study.volume[..., 3], head.volume[..., 2])
    assert study.mask is None
    assert study.notes == ()
    expected = {"BIDS": "sub-01", "BIDS sessions": "sub-01_ses-2"}.get(layout, "case")
    assert study.name == study_name(folder) == expected
    if "BIDS" in layout:
        assert read_study(folder.parent).name == expected


def test_files_can_be_named_one_by_one(tmp_path, head):
    files = {name: save(tmp_path / "who" / f"{name}.nii", head, name) for name in ("flair", "t1", "t1ce")}
    study = read_study(**files)
    np.testing.assert_array_equal(study.volume, head.volume)
    assert study.name == study_name(flair=files["flair"]) == "who"
    assert read_study(flair=files["flair"], name="you").sequences == ("flair",)


def test_seg_is_the_mask(tmp_path, head):
    save(tmp_path / "a_flair.nii", head, "flair")
    labels = head.mask * np.float32(4)
    nib.save(nib.Nifti1Image(head.geometry.to_file(labels), head.geometry.file_affine), tmp_path / "a_seg.nii")
    np.testing.assert_array_equal(read_study(tmp_path).mask, head.mask)


def test_channels_of_one_file_may_be_left_out(tmp_path, head):
    four = np.concatenate([head.volume, head.volume[..., :1]], axis=-1)
    nib.save(nib.Nifti1Image(head.geometry.to_file(four), head.geometry.file_affine), tmp_path / "a.nii")
    study = read_study(tmp_path / "a.nii", sequences=("t1ce", "flair", "t1", None))
    assert study.sequences == ("t1ce", "flair", "t1")
    np.testing.assert_array_equal(study.volume, head.volume)


def test_single_file_is_what_its_name_says(tmp_path, head):
    assert read_study(save(tmp_path / "a_t1ce.nii", head, "t1ce")).sequences == ("t1ce",)
    assert read_study(save(tmp_path / "a_t2.nii", head, "t1ce")).sequences == ("t2",)
    expected = r"a_seg\.nii: is seg by its name; expected one of t1, flair, t1ce, t2, or sequences="
    with pytest.raises(DataError, match=expected):
        read_study(save(tmp_path / "a_seg.nii", head, "t1ce"))


def test_flairs_alone_are_a_study_each(tmp_path, head):
    for name in ("a_flair.nii", "b_flair.nii"):
        save(tmp_path / name, head, "flair")
    assert [path.name for path in find_studies(tmp_path)] == ["a_flair.nii", "b_flair.nii"]


# --- grids ----------------------------------------------------------------------------------------------------------


def field(world):
    """Something smooth that fills the world, at places ``(..., 3)`` in mm."""
    x, y, z = np.moveaxis(world, -1, 0)
    return 100 + 20 * np.sin(x / 30) + 30 * np.cos(y / 35) + 25 * np.sin(z / 40 + x / 60)


def world_of(geometry):
    index = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1)
    return index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]


@st.composite
def grids(draw, side=90.0):
    """A grid around the world's origin: any order of axes, flips, oblique, spacings of 1 to 6 mm."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    spacing = random.uniform(2, 6, 3)
    shape = np.rint(side / spacing).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
    return turned(affine, tuple(int(length) for length in shape))


@settings(max_examples=25)
@given(source=grids(), target=grids())
def test_sequences_come_to_lie_where_they_are_in_the_world(source, target):
    array = field(world_of(source)).astype(np.float32)
    found, covered = resample(array, source, target)
    places = world_of(target)
    inside = np.linalg.norm(places, axis=-1) < 38  # well within both
    assert 0.3 < covered.mean() <= 1
    assert np.abs(found - field(places))[inside].max() < 2  # the curvature within a voxel, of a range of 150


def test_thick_slices_are_the_mean_over_their_thickness():
    array = np.random.default_rng(0).random((60, 5, 5), np.float32)
    thin = Geometry(np.diag([1.0, 1.0, 1.0, 1.0]), (5, 5, 60))
    affine = np.diag([1.0, 1.0, 6.0, 1.0])
    affine[2, 3] = 2.5  # the first thick slice has the middle of the first six thin ones
    found, covered = resample(array, thin, Geometry(affine, (5, 5, 10)))
    np.testing.assert_allclose(found, array.reshape(10, 6, 5, 5).mean(axis=1), rtol=1e-5)
    assert covered.all()


def test_what_lies_outside_is_air():
    array = np.full((4, 20, 20), 7, np.float32)
    array[:, 5:15, 5:15] = 100
    here = Geometry(np.diag([1.0, 1.0, 5.0, 1.0]), (20, 20, 4))
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[2, 3] = 10
    found, covered = resample(array, here, Geometry(affine, (20, 20, 4)))
    np.testing.assert_array_equal(covered[:, 0, 0], [True, True, False, False])
    np.testing.assert_array_equal(found[:2], array[2:])
    assert (found[2:] == 7).all()


def moved(geometry, shift, angles):
    turn = nib.affines.from_matvec(nib.eulerangles.euler2mat(*np.radians(angles)), shift)
    return Geometry(turn @ geometry.file_affine, geometry.file_shape, geometry.axes, geometry.flips)


@pytest.fixture(scope="module")
def fine_head():
    return make_study(4, shape=(24, 96, 96))


def test_a_head_that_moved_is_moved_back(tmp_path, fine_head):
    lain = moved(fine_head.geometry, (4, -6, 12), (6, -3, 4))
    save(tmp_path / "flair.nii", fine_head, "flair")
    save(tmp_path / "pre.nii", fine_head, "t1", geometry=lain)
    with pytest.warns(
        UserWarning, match=r"t1 did not line up with the FLAIR: it was moved by \d+\.\d mm and \d\.\d degrees"
    ):
        study = read_study(tmp_path)
    right = np.corrcoef(study.sequence("t1").ravel(), fine_head.sequence("t1").ravel())[0, 1]
    with pytest.warns(UserWarning, match="t1 covers"):
        as_it_lay = read_study(tmp_path, align=False)
    wrong = np.corrcoef(as_it_lay.sequence("t1").ravel(), fine_head.sequence("t1").ravel())[0, 1]
    assert right > 0.97 > 0.8 > wrong


def test_the_study_says_what_a_sequence_does_not_cover(tmp_path, fine_head):
    save(tmp_path / "flair.nii", fine_head, "flair")
    save(tmp_path / "pre.nii", fine_head, "t1")
    step = np.eye(4)
    step[2, 3] = 16  # slices of the array that comes second are left out below
    fewer = Geometry(fine_head.geometry.file_affine @ step, (96, 96, 8))
    nib.save(nib.Nifti1Image(fewer.to_file(fine_head.sequence("t1ce")[16:]), fewer.file_affine), tmp_path / "post.nii")
    with pytest.warns(
        UserWarning, match="t1ce covers 33% of the FLAIR's volume; models see a copy of the FLAIR in the"
    ):
        study = read_study(tmp_path)
    np.testing.assert_array_equal(study.sequence("t1ce")[16:], fine_head.sequence("t1ce")[16:])
    assert len(np.unique(study.sequence("t1ce")[:16])) == 1
    np.testing.assert_array_equal(study.covered, np.arange(24)[:, None, None, None] >= [0, 0, 16] + 0 * study.volume)


def test_a_sequence_is_found_by_those_that_were_placed_before(fine_head):
    """Where the FLAIR shows nothing, T1 does; and what T1 does not cover counts for nothing."""
    lain = moved(fine_head.geometry, (4, -6, 12), (6, -3, 4))
    noise = np.random.default_rng(0).random(fine_head.shape, np.float32)
    pre, post = fine_head.sequence("t1").copy(), fine_head.sequence("t1ce")
    assert find_motion(post, lain, noise, fine_head.geometry) is None
    covered = np.ones((*fine_head.shape, 2), bool)
    covered[:6, ..., 1] = False
    pre[:6] = noise[:6] * 1000
    motion = find_motion(post, lain, np.stack([noise, pre], -1), fine_head.geometry, covered)
    expected = lain.affine @ np.linalg.inv(fine_head.geometry.affine)
    places = world_of(fine_head.geometry)[:, 24:72:8, 24:72:8]
    off = places @ (motion.matrix - expected)[:3, :3].T + (motion.matrix - expected)[:3, 3]
    assert np.linalg.norm(off, axis=-1).mean() < 1


def test_a_head_that_lay_still_is_left_alone(fine_head):
    coarse = turned(fine_head.geometry.file_affine @ np.diag([1.5, 1.2, 1, 1]), (64, 80, 24))
    pre, _ = resample(fine_head.sequence("t1"), fine_head.geometry, coarse)
    assert find_motion(pre, coarse, fine_head.sequence("flair"), fine_head.geometry) is None


# --- bad input ------------------------------------------------------------------------------------------------------


def no_flair(folder, head):
    save(folder / "a_t1.nii", head, "t1")
    save(folder / "a_t1ce.nii", head, "t1ce")
    return {"path": folder}, r"holds no FLAIR \(such as .*\); found a_t1.nii, a_t1ce.nii; name the files with flair="


def files_without_flair(folder, head):
    return {"t1": save(folder / "a.nii", head, "t1")}, r"a\.nii: is given without a FLAIR; expected flair= too"


def two_patients(folder, head):
    for name in ("a_flair", "a_t1", "b_flair"):
        save(folder / f"{name}.nii", head, "flair")
    return {"path": folder}, r"mixes a_flair\.nii and b_flair\.nii; expected the files of one patient"


def twice(folder, head):
    for name in ("a_flair.nii", "a_flair.nii.gz", "a_t1.nii"):
        save(folder / name, head, "flair")
    return {"path": folder}, r"a_flair\.nii and a_flair\.nii\.gz look alike; name the files with flair="


def far_apart(folder, head):
    save(folder / "flair.nii", head, "flair")
    save(folder / "pre.nii", head, "t1", geometry=moved(head.geometry, (0, 0, 900), (0, 0, 0)))
    return {"path": folder}, r"pre\.nii: does not overlap the FLAIR in the world"


def not_a_number(folder, head):
    save(folder / "flair.nii", head, "flair")
    bad = np.where(head.mask, np.nan, head.sequence("t1"))
    nib.save(nib.Nifti1Image(head.geometry.to_file(bad), head.geometry.file_affine), folder / "pre.nii")
    return {"path": folder}, r"pre\.nii: must be finite; got \d+ NaN or infinite values"


def several_in_one(folder, head):
    folder.mkdir()
    nib.save(nib.Nifti1Image(head.geometry.to_file(head.volume), head.geometry.file_affine), folder / "a.nii")
    return {"flair": folder / "a.nii"}, r"a\.nii: has 3 sequences; expected 1"


def picture(folder, head):
    folder.mkdir()
    (folder / "a.png").write_bytes(b"x")
    return {"flair": folder / "a.png"}, r"a\.png: does not say where it lies in the world"


def nothing_there(folder, head):
    return {"flair": folder / "a.nii"}, r"a\.nii: does not exist; expected a \.nii"


def mask_of_another_grid(folder, head):
    save(folder / "flair.nii", head, "flair")
    save(folder / "seg.nii", head, "mask", geometry=moved(head.geometry, (0, 0, 9), (0, 0, 0)))
    return {"path": folder}, r"seg\.nii: does not lie on the FLAIR's grid"


@pytest.mark.parametrize(
    "make",
    [
        no_flair, files_without_flair, two_patients, twice, far_apart, not_a_number, several_in_one, picture,
        nothing_there, mask_of_another_grid,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_bad_input_is_one_line_that_names_the_file(tmp_path, head, make):
    arguments, message = make(tmp_path / "in", head)
    with pytest.raises(DataError, match=message) as caught:
        read_study(**arguments)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_wrong_arguments(tmp_path):
    for arguments in ({}, {"path": tmp_path, "flair": tmp_path}):
        with pytest.raises(ValueError, match="path must be given, or files by flair=, t1=, t1ce= or files="):
            read_study(**arguments)
    with pytest.raises(ValueError, match="series must be a table by distinct names such as t1, flair, t1ce"):
        read_study(tmp_path, series={"T2*": 1})
