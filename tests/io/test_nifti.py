import gzip
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg import DataError, Segmentation, make_study, read_study, write_segmentation

ORDERS = [
    "".join(code[sign] for code, sign in zip(axes, signs, strict=True))
    for axes in permutations(("LR", "PA", "IS"))
    for signs in product((0, 1), repeat=3)
]


def save(path, array, affine=None, **options):
    kind = options.pop("kind", nib.Nifti1Image)
    image = kind(array, np.diag([0.9, 0.8, 5.5, 1]) if affine is None else affine, **options)
    nib.save(image, path)
    return path


def values(shape=(5, 6, 4), seed=0):
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.int16)


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_three_axes_are_flair(tmp_path, suffix):
    array = values()
    study = read_study(save(tmp_path / f"scan{suffix}", array))
    assert study.sequences == ("flair",)
    assert study.name == "scan"
    assert study.shape == (4, 6, 5)
    assert study.spacing == pytest.approx((5.5, 0.8, 0.9))
    # RAS+ in the file: up stays up, to the front becomes to the back, to the right becomes to the left.
    np.testing.assert_array_equal(study.sequence("flair"), array[::-1, ::-1].transpose(2, 1, 0))


def test_four_axes_are_three_sequences(tmp_path):
    array = values((5, 6, 4, 3))
    study = read_study(save(tmp_path / "scan.nii", array))
    assert study.sequences == ("t1", "flair", "t1ce")
    np.testing.assert_array_equal(study.sequence("t1ce"), array[::-1, ::-1, :, 2].transpose(2, 1, 0))


def test_sequences_can_be_named(tmp_path):
    study = read_study(save(tmp_path / "scan.nii", values((5, 6, 4, 2))), sequences=("t1ce", "flair"))
    assert study.sequences == ("t1ce", "flair")


def test_slope_and_offset_are_applied(tmp_path):
    array = values()
    path = save(tmp_path / "scan.nii", array)
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([0.5, -10], "<f4").tobytes()  # scl_slope and scl_inter
    path.write_bytes(content)
    volume = read_study(path).volume
    assert (volume.min(), volume.max()) == (array.min() * 0.5 - 10, array.max() * 0.5 - 10)


def test_nifti_2_is_read_and_written_back(tmp_path):
    study = read_study(save(tmp_path / "scan.nii", values(), kind=nib.Nifti2Image))
    write_segmentation(Segmentation(study.volume[..., 0] > 500, geometry=study.geometry), tmp_path / "mask.nii")
    assert isinstance(nib.load(tmp_path / "mask.nii"), nib.Nifti2Image)


@pytest.fixture(scope="module")
def canonical():
    """A phantom with its image as it lies in the world, in RAS+ order."""
    study = make_study(1, shape=(6, 40, 36))
    flair = study.geometry.to_file(study.sequence("flair"))
    return nib.as_closest_canonical(nib.Nifti1Image(flair, study.geometry.file_affine)), study


@pytest.mark.parametrize("order", ORDERS)
def test_all_48_orders_of_axes_are_one_study(tmp_path, canonical, order):
    image, study = canonical
    turned = image.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(order))
    )
    nib.save(turned, tmp_path / "scan.nii")
    found = read_study(tmp_path / "scan.nii")
    np.testing.assert_array_equal(found.sequence("flair"), study.sequence("flair"))
    np.testing.assert_allclose(found.geometry.affine, study.geometry.affine, atol=1e-4)

    write_segmentation(Segmentation(study.mask, geometry=found.geometry), tmp_path / "mask.nii")
    mask = nib.load(tmp_path / "mask.nii")
    assert mask.affine.tobytes() == nib.load(tmp_path / "scan.nii").affine.tobytes()
    bright = np.asarray(turned.dataobj)[np.asarray(mask.dataobj) > 0]
    np.testing.assert_array_equal(np.sort(bright), np.sort(study.sequence("flair")[study.mask]))


# --- writing --------------------------------------------------------------------------------------------------------


@st.composite
def affines(draw):
    """Oblique affines: a rotation, three voxel sizes, an origin."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * random.uniform(0.4, 7, 3)
    affine[:3, 3] = random.uniform(-200, 200, 3)
    return affine


@given(affine=affines(), codes=st.tuples(st.integers(1, 4), st.integers(0, 4)), seed=st.integers(0, 100))
def test_mask_lies_on_the_very_grid_of_its_study(tmp_path_factory, affine, codes, seed):
    folder = tmp_path_factory.mktemp("grid")
    array = values((4, 5, 6), seed)
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    nib.save(image, folder / "scan.nii.gz")

    study = read_study(folder / "scan.nii.gz")
    mask = study.sequence("flair") > 500
    write_segmentation(Segmentation(mask, geometry=study.geometry), folder / "mask.nii.gz")

    source, written = nib.load(folder / "scan.nii.gz"), nib.load(folder / "mask.nii.gz")
    assert written.affine.tobytes() == source.affine.tobytes()
    for field in ("sform_code", "qform_code", "srow_x", "quatern_b", "qoffset_x", "pixdim", "xyzt_units"):
        assert written.header[field].tobytes() == source.header[field].tobytes(), field
    assert written.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(written.dataobj), array > 500)


def test_texts_of_the_source_are_not_copied(tmp_path):
    image = nib.Nifti1Image(values(), np.eye(4))
    image.header["descrip"] = b"Jane Doe 1970-01-01"
    nib.save(image, tmp_path / "scan.nii")
    study = read_study(tmp_path / "scan.nii")
    path = write_segmentation(Segmentation(study.volume[..., 0] > 500, geometry=study.geometry), tmp_path / "mask.nii")
    assert b"Jane" not in path.read_bytes()


def test_mask_of_a_four_dimensional_file_has_three_axes(tmp_path):
    study = read_study(save(tmp_path / "scan.nii", values((5, 6, 4, 3))))
    write_segmentation(Segmentation(study.volume[..., 0] > 500, geometry=study.geometry), tmp_path / "mask.nii")
    assert nib.load(tmp_path / "mask.nii").shape == (5, 6, 4)


def test_scaling_of_the_study_is_not_left_on_the_mask(tmp_path):
    study = read_study(save(tmp_path / "scan.nii", np.linspace(0, 1, 120).reshape(5, 6, 4)))
    mask = study.sequence("flair") > 0.5
    path = write_segmentation(Segmentation(mask, geometry=study.geometry), tmp_path / "mask.nii")
    assert set(np.unique(nib.load(path).get_fdata())) == {0, 1}


def test_without_geometry_the_header_claims_nothing(tmp_path):
    mask = np.random.default_rng(0).random((4, 6, 5)) > 0.5
    image = nib.load(write_segmentation(Segmentation(mask), tmp_path / "mask.nii.gz"))
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (0, 0)
    assert image.header.get_xyzt_units()[0] == "unknown"
    np.testing.assert_array_equal(np.asarray(image.dataobj), mask[:, ::-1].transpose(2, 1, 0))


@pytest.mark.parametrize("spacing", [None, (5, 1, 2)])
def test_without_geometry_the_mask_comes_back_as_it_was(tmp_path, spacing):
    mask = np.random.default_rng(0).random((4, 6, 5)) > 0.5
    path = write_segmentation(Segmentation(mask, spacing=spacing), tmp_path / "m.nii.gz")
    with pytest.warns(UserWarning, match=r"m\.nii\.gz: states no orientation"):
        np.testing.assert_array_equal(read_study(path, sequences=["flair"]).sequence("flair") > 0, mask)


def test_without_geometry_a_known_spacing_is_kept(tmp_path):
    image = nib.load(write_segmentation(Segmentation(np.ones((4, 6, 5), bool), spacing=(5, 1, 2)), tmp_path / "m.nii"))
    assert image.header.get_zooms() == (2, 1, 5)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_probabilities_go_beside_the_mask(tmp_path):
    probabilities = np.random.default_rng(0).random((4, 6, 5), np.float32)
    segmentation = Segmentation(probabilities > 0.5, probabilities)
    write_segmentation(segmentation, tmp_path / "a.nii.gz", probabilities=True)
    image = nib.load(tmp_path / "a_probabilities.nii.gz")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(image.dataobj), probabilities[:, ::-1].transpose(2, 1, 0))
    with pytest.raises(DataError, match=r"b_probabilities\.nii\.gz: this segmentation has no probabilities"):
        write_segmentation(Segmentation(probabilities > 0.5), tmp_path / "b.nii.gz", probabilities=True)
    assert not (tmp_path / "b.nii.gz").exists()


def test_mask_is_not_left_where_probabilities_can_not_be_written(tmp_path):
    probabilities = np.zeros((4, 6, 5), np.float32)
    (tmp_path / "a_probabilities.nii.gz").mkdir()
    with pytest.raises(DataError, match=r"a_probabilities\.nii\.gz: can't be written"):
        write_segmentation(
            Segmentation(probabilities > 0, probabilities), tmp_path / "a.nii.gz", overwrite=True, probabilities=True
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a_probabilities.nii.gz"]


def test_existing_output_is_kept_unless_overwrite(tmp_path):
    mask = np.ones((4, 6, 5), bool)
    path = write_segmentation(Segmentation(mask), tmp_path / "a.nii.gz")
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"a\.nii\.gz: already exists"):
        write_segmentation(Segmentation(~mask), path)
    assert path.read_bytes() == before
    write_segmentation(Segmentation(~mask), path, overwrite=True)
    assert not np.asarray(nib.load(path).dataobj).any()
    assert [each.name for each in tmp_path.iterdir()] == ["a.nii.gz"]


# --- bad input ------------------------------------------------------------------------------------------------------


def truncated_gz(folder):
    path = save(folder / "a.nii.gz", values((40, 40, 10)))
    path.write_bytes(path.read_bytes()[:2000])
    return path, r"a\.nii\.gz: is (truncated|damaged)"


def cut_checksum_of_gz(folder):
    path = save(folder / "a.nii.gz", values((40, 40, 10)))
    path.write_bytes(path.read_bytes()[:-4])
    return path, r"a\.nii\.gz: is damaged, or not a NIfTI file"


def truncated_nii(folder):
    path = save(folder / "a.nii", values((40, 40, 10)))
    path.write_bytes(path.read_bytes()[:2000])
    return path, r"a\.nii: is truncated: its header claims 32000 bytes of shape \(40, 40, 10\)"


def truncated_header(folder):
    path = save(folder / "a.nii", values())
    path.write_bytes(path.read_bytes()[:100])
    return path, r"a\.nii: is damaged, or not a NIfTI file"


def flipped_bytes_in_gz(folder):
    path = save(folder / "a.nii.gz", values((40, 40, 10)))
    content = bytearray(path.read_bytes())
    content[3000:3100] = bytes(100)
    path.write_bytes(content)
    return path, r"a\.nii\.gz: is damaged, or not a NIfTI file"


def one_flipped_bit_in_gz(folder):
    # Noise is stored as it is, so that gzip's checksum alone can tell.
    path = save(folder / "a.nii.gz", np.random.default_rng(0).integers(0, 256, (40, 40, 10), np.uint8))
    content = bytearray(path.read_bytes())
    content[9000] ^= 1
    path.write_bytes(content)
    return path, r"a\.nii\.gz: is damaged, or not a NIfTI file"


def lengths_in_micrometres(folder):
    image = nib.Nifti1Image(values(), np.eye(4))
    image.header.set_xyzt_units("micron")
    nib.save(image, folder / "a.nii")
    return folder / "a.nii", r"a\.nii: has lengths in micron; expected mm"


def nearly_flat_affine(folder):
    affine = np.eye(4)
    affine[:3, 2] = (1, 1e-9, 0)
    path = save(folder / "a.nii", values())
    content = bytearray(path.read_bytes())
    content[280:328] = affine[:3].astype("<f4").tobytes()
    path.write_bytes(content)
    return path, r"a\.nii: its affine is singular or not finite"


def wrong_magic(folder):
    path = folder / "a.nii"
    path.write_bytes(b"x" * 4000)
    return path, r"a\.nii: is damaged, or not a NIfTI file"


def not_gzip(folder):
    path = folder / "a.nii.gz"
    path.write_bytes(b"x" * 4000)
    return path, r"a\.nii\.gz: is damaged, or not a NIfTI file"


def claims_too_much(folder):
    path = save(folder / "a.nii", values())
    content = bytearray(path.read_bytes())
    content[40:56] = np.array([3, 30000, 30000, 30000, 1, 1, 1, 1], "<i2").tobytes()
    path.write_bytes(content)
    return path, r"a\.nii: claims 27000000000000 values"


def claims_more_than_gzip_holds(folder):
    path = folder / "a.nii.gz"
    content = bytearray(nib.Nifti1Image(values(), np.eye(4)).to_bytes())
    content[40:56] = np.array([3, 500, 500, 500, 1, 1, 1, 1], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(content)))
    return path, r"a\.nii\.gz: is truncated: its header claims 250000000 bytes"


def singular_affine(folder):
    image = nib.Nifti1Image(values(), np.eye(4))
    image.header["srow_x"] = 0
    image.header["sform_code"] = 1
    path = folder / "a.nii"
    content = bytearray(image.to_bytes())
    content[280:296] = bytes(16)
    path.write_bytes(content)
    return path, r"a\.nii: its affine is singular or not finite"


def not_a_number(folder):
    return save(folder / "a.nii", np.full((5, 6, 4), np.nan, np.float32)), r"a\.nii: must be finite; got 120 NaN"


def infinite(folder):
    return save(folder / "a.nii", np.full((5, 6, 4), np.inf, np.float32)), r"a\.nii: must be finite"


def two_sequences(folder):
    return save(folder / "a.nii", values((5, 6, 4, 2))), r"a\.nii: has 2 sequences; expected 1 \(flair\) or 3"


def five_axes(folder):
    return save(folder / "a.nii", values((5, 6, 4, 1, 3))), r"a\.nii: has shape .*; expected 3 axes, or 4"


def complex_numbers(folder):
    return save(folder / "a.nii", values().astype(np.complex64)), r"a\.nii: holds complex64; expected real numbers"


@pytest.mark.parametrize(
    "make",
    [
        truncated_gz, truncated_nii, truncated_header, flipped_bytes_in_gz, wrong_magic, not_gzip, claims_too_much,
        claims_more_than_gzip_holds, singular_affine, not_a_number, infinite, two_sequences, five_axes, complex_numbers,
        cut_checksum_of_gz, one_flipped_bit_in_gz, lengths_in_micrometres, nearly_flat_affine,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_bad_input_is_one_line_that_names_the_file(tmp_path, make):
    path, message = make(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        read_study(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=60)
@given(changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_damaged_headers_are_refused_or_read(tmp_path_factory, changes):
    path = save(tmp_path_factory.mktemp("any") / "a.nii", values())
    content = bytearray(path.read_bytes())
    for place, byte in changes:
        content[place] = byte
    path.write_bytes(content)
    try:
        read_study(path)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_sequences_must_fit_the_file(tmp_path):
    with pytest.raises(DataError, match=r"scan\.nii: has 1 sequence\(s\); expected 2 for t1, flair"):
        read_study(save(tmp_path / "scan.nii", values()), sequences=("t1", "flair"))
