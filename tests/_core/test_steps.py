"""Millilitres, areas and distances on grids whose axes are not perpendicular, from files as well as by hand."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from braintumorseg import Segmentation, Study, make_study, measure_findings, read_study
from braintumorseg.cohort import shape_features, shape_table
from braintumorseg.evaluation.evaluate import score
from braintumorseg.measures import (
    hd95,
    in_plane_diameters,
    measure,
    surface_distances,
    volume_difference,
    volume_ml,
)
from braintumorseg.study import Geometry
from dicom_files import write_classic

SHAPE = (8, 64, 64)
SPACING = (5.0, 0.9, 1.1)
AXES = {"slices towards rows": (2, 1), "slices towards columns": (2, 0), "rows towards columns": (1, 0)}


def sheared_affine(degrees, moved=2, towards=1):
    """(column, row, slice) to the world, one axis leaning ``degrees`` towards another at the length that it has."""
    affine = np.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])
    length = affine[moved, moved]
    affine[moved, moved] = length * np.cos(np.deg2rad(degrees))
    affine[towards, moved] = length * np.sin(np.deg2rad(degrees))
    affine[:3, 3] = 20, -10, 5
    return affine


def sheared_study(degrees, moved=2, towards=1):
    phantom = make_study(seed=0, shape=SHAPE)
    geometry = Geometry(sheared_affine(degrees, moved, towards), SHAPE[::-1])
    return Study(phantom.volume, phantom.sequences, phantom.mask, geometry=geometry, name="sheared")


@pytest.mark.parametrize("degrees", [0, 2, 10, 30, -30, 60])
@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_a_volume_is_that_of_the_affine_wherever_it_is_counted(degrees, axes):
    study = sheared_study(degrees, *axes)
    expected = study.mask.sum() * abs(np.linalg.det(study.geometry.affine[:3, :3])) / 1000
    found = Segmentation(study.mask, geometry=study.geometry, name=study.name)
    again = Segmentation(study.mask, spacing=study.spacing, geometry=study.geometry, name=study.name)
    findings = measure_findings(study, found)
    row = score([(study, found)]).table.iloc[0]

    assert found.volume_ml == pytest.approx(expected)
    assert again.volume_ml == pytest.approx(expected)
    assert f"({expected:.1f} mL)" in repr(found)
    assert findings.tumour.volume_ml == pytest.approx(expected)
    assert sum(lesion.volume_ml for lesion in findings.lesions) == pytest.approx(expected)
    assert findings.to_row()["volume_ml"] == pytest.approx(expected)
    assert row["true_volume"] == row["predicted_volume"] == pytest.approx(expected)
    assert shape_table([study])["volume"].iloc[0] == pytest.approx(expected)
    assert volume_ml(study.mask, study.steps) == pytest.approx(expected)
    assert volume_difference(study.mask & False, study.mask, study.steps) == pytest.approx(expected)
    assert study.spacing == pytest.approx(SPACING)  # lengths along the axes stay what they are


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_distances_are_those_of_the_world(axes):
    study = sheared_study(30, *axes)
    truth, prediction = np.zeros((2, *SHAPE), bool)
    truth[2:5, 20:30, 20:40] = prediction[3:7, 24:38, 30:44] = True
    world = [(np.argwhere(rim(mask)) @ study.geometry.affine[:3, :3].T) for mask in (truth, prediction)]
    between = cdist(*world)
    expected = max(np.percentile(between.min(axis=axis), 95) for axis in (0, 1))

    there, back = surface_distances(truth, prediction, study.steps)

    np.testing.assert_allclose(there, between.min(axis=1))
    np.testing.assert_allclose(back, between.min(axis=0))
    assert hd95(truth, prediction, study.steps) == pytest.approx(expected)
    assert measure(truth, prediction, study.steps).hd95 == pytest.approx(expected)
    evaluated = score([(study.with_mask(truth), Segmentation(prediction, geometry=study.geometry))])
    assert evaluated.table["hd95"].iloc[0] == pytest.approx(expected)


def rim(mask):
    inside = mask.copy()
    for axis, shift in itertools.product(range(3), (1, -1)):
        inside &= np.roll(mask, shift, axis)
    return mask & ~inside


@pytest.mark.parametrize("degrees", [-30, 20])
def test_diameters_and_areas_of_sheared_pixels_are_those_of_the_world(degrees):
    study = sheared_study(degrees, 1, 0)
    axes = study.geometry.affine[:3, :3]
    mask = np.zeros(SHAPE, bool)
    mask[3, 10:30, 20:50] = True
    corners = [(axes @ (0, row, column)) for row, column in itertools.product((-0.5, 19.5), (0, 29))]
    corners += [(axes @ (0, row, column)) for row, column in itertools.product((0, 19), (-0.5, 29.5))]
    expected = cdist(corners, corners).max()
    area = mask.sum() * np.linalg.norm(np.cross(axes[:, 1], axes[:, 2]))

    diameters = in_plane_diameters(mask, study.steps)
    findings = measure_findings(study, Segmentation(mask, geometry=study.geometry))
    features = shape_features(mask, study.steps)

    assert diameters.longest == pytest.approx(expected)
    assert findings.tumour.diameters.longest == pytest.approx(expected)
    assert findings.largest_area_mm2 == pytest.approx(area)
    assert features["slice_area"] == pytest.approx(area)
    assert features["slice_longest_diameter"] == pytest.approx(expected)
    first, second = (axes[:, 1:] @ end for end in diameters.longest_ends)  # ends stay on the grid
    assert np.linalg.norm(first - second) == pytest.approx(expected)


def test_a_ball_has_the_features_of_a_ball_however_its_grid_is_sheared():
    axes = np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, -0.4, 1.2]])
    grid = np.stack(np.meshgrid(*[np.arange(-32, 33)] * 3, indexing="ij"), axis=-1)
    ball = np.linalg.norm(grid @ axes.T, axis=-1) <= 16

    features = shape_features(ball, axes)

    assert features["volume"] == pytest.approx(4 / 3 * np.pi * 16**3 / 1000, rel=0.02)
    assert features["elongation"] == pytest.approx(1, abs=0.02)
    assert features["flatness"] == pytest.approx(1, abs=0.02)
    assert features["bevr"] == pytest.approx(1, abs=0.05)
    assert features["longest_diameter"] == pytest.approx(33, abs=1)


def test_a_tilted_series_of_dicom_has_the_volume_of_its_slabs(tmp_path):
    phantom = make_study(seed=0, shape=SHAPE)
    affine = sheared_affine(30)
    write_classic(tmp_path, phantom.sequence("flair"), affine)

    study = read_study(tmp_path)

    slab = SPACING[0] * np.cos(np.deg2rad(30)) * SPACING[1] * SPACING[2]
    assert Segmentation(study.volume[..., 0] >= 0, geometry=study.geometry).volume_ml == pytest.approx(
        np.prod(SHAPE) * slab / 1000, rel=1e-5
    )


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_nifti_file_with_a_sheared_sform_has_the_volume_of_its_affine(tmp_path, kind):
    affine = sheared_affine(25, 1, 0)
    image = kind(make_study(seed=0, shape=SHAPE).sequence("flair").transpose(2, 1, 0), None)
    image.set_sform(affine, 1)
    nib.save(image, tmp_path / "case_flair.nii.gz")

    study = read_study(tmp_path / "case_flair.nii.gz")

    expected = np.prod(SHAPE) * abs(np.linalg.det(affine[:3, :3])) / 1000
    everything = np.ones(SHAPE, bool)
    assert Segmentation(everything, geometry=study.geometry).volume_ml == pytest.approx(expected, rel=1e-5)


def test_rounded_headers_are_not_sheared_and_keep_the_product_of_their_lengths():
    affine = sheared_affine(0)
    affine[0, 1] += 1e-6
    study = Study(np.zeros((*SHAPE, 3)), geometry=Geometry(affine, SHAPE[::-1]))

    assert study.steps == study.spacing
    assert (
        Segmentation(np.ones(SHAPE, bool), geometry=study.geometry).volume_ml
        == np.prod(SHAPE) * np.prod(study.spacing) / 1000
    )


@pytest.mark.parametrize(
    "spacing", [np.zeros((3, 3)), np.ones((3, 3)), np.full((3, 3), np.nan), np.eye(2), (1, 1), (1, 0, 1)]
)
def test_steps_that_span_no_voxel_are_refused(spacing):
    with pytest.raises(ValueError, match="spacing must be 3 lengths"):
        volume_ml(np.ones((2, 2, 2)), spacing)
