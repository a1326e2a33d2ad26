import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from braintumorseg import measures
from braintumorseg.measures import (
    LesionDetection,
    assd,
    dice,
    hd95,
    iou,
    lesion_detection,
    measure,
    precision,
    recall,
    relative_volume_difference,
    surface_dice,
    surface_distances,
    volume_difference,
    volume_ml,
)

OVERLAPS = [dice, iou, precision, recall]
PAIRED = [*OVERLAPS, volume_difference, relative_volume_difference, hd95, assd, lesion_detection, measure]
SPACINGS = [None, (1.0, 1.0, 1.0), (5.0, 0.7, 1.3)]

masks = hnp.arrays(bool, (4, 5, 6), elements=st.booleans())
spacings = st.tuples(*[st.floats(0.2, 6)] * 3)


@st.composite
def pairs(draw, filled=False):
    truth, prediction = draw(masks), draw(masks)
    if filled:
        truth[draw(st.integers(0, 3)), 2, 2] = prediction[draw(st.integers(0, 3)), 3, 3] = True
    return truth, prediction


def box(*sides, shape=(10, 16, 16)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


def nothing(shape=(10, 16, 16)):
    return np.zeros(shape, bool)


def reference_surface(mask):
    """Surface voxels by the definition, one voxel and one neighbour at a time."""
    points = []
    for index in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                neighbour = index.copy()
                neighbour[axis] += step
                if not (0 <= neighbour[axis] < mask.shape[axis]) or not mask[tuple(neighbour)]:
                    points.append(tuple(index))
    return np.array(sorted(set(points)), np.float64).reshape(-1, mask.ndim)


def reference_distances(truth, prediction, spacing):
    """All pairs of surface voxels, in float64."""
    first, second = (reference_surface(mask) * (spacing or (1, 1, 1)) for mask in (truth, prediction))
    pairwise = np.sqrt(((first[:, None] - second[None]) ** 2).sum(axis=-1))
    return pairwise.min(axis=1), pairwise.min(axis=0)


# Overlap


def test_overlap_of_known_counts():
    truth, prediction = np.array([1, 1, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 1, 0])  # 2 shared, 4 true, 3 predicted
    assert dice(truth, prediction) == 4 / 7
    assert iou(truth, prediction) == 2 / 5
    assert precision(truth, prediction) == 2 / 3
    assert recall(truth, prediction) == 2 / 4


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_overlap_of_empty_masks(overlap):
    full = ~nothing()
    assert overlap(nothing(), nothing()) == 1
    assert overlap(nothing(), nothing(), empty=0.25) == 0.25
    assert overlap(full, nothing(), empty=0.25) == overlap(nothing(), full, empty=0.25) == 0
    assert overlap(full, full) == 1


@settings(deadline=None, max_examples=50)
@given(pairs())
def test_overlaps_agree_with_each_other(pair):
    truth, prediction = pair
    d, j, p, r = (overlap(truth, prediction) for overlap in OVERLAPS)
    assert 0 <= j <= d <= 1
    assert j == pytest.approx(d / (2 - d))
    assert d == (pytest.approx(2 * p * r / (p + r)) if p + r else 0)
    assert dice(prediction, truth) == d
    assert precision(prediction, truth) == r


@settings(deadline=None, max_examples=50)
@given(pairs(filled=True), st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5)))
def test_one_more_right_voxel_never_lowers_overlap_and_a_false_one_never_raises_it(pair, voxel):
    truth, prediction = pair
    more = prediction.copy()
    more[voxel] = True
    sign = 1 if truth[voxel] else -1
    for overlap in (dice, iou, precision):
        assert sign * (overlap(truth, more) - overlap(truth, prediction)) >= 0


# Volume


def test_volume_in_millilitres():
    truth, prediction = box((0, 10), (0, 10), (0, 10)), box((0, 10), (0, 10), (0, 5))
    assert volume_ml(truth, (5, 1, 1)) == 5
    assert volume_difference(truth, prediction, (5, 1, 1)) == -2.5
    assert volume_difference(prediction, truth, (5, 1, 1)) == 2.5
    assert volume_difference(truth, prediction) == -500
    assert relative_volume_difference(truth, prediction) == -0.5
    assert relative_volume_difference(prediction, truth) == 1


def test_relative_volume_difference_of_empty_masks():
    assert relative_volume_difference(nothing(), nothing()) == 0
    assert relative_volume_difference(~nothing(), nothing()) == -1
    assert relative_volume_difference(nothing(), ~nothing()) == math.inf


# Surface


@pytest.mark.parametrize("spacing", SPACINGS)
def test_surface_of_two_voxels(spacing):
    truth, prediction = box((1, 2), (3, 4), (5, 6)), box((3, 4), (3, 4), (9, 10))
    a, _, c = spacing or (1, 1, 1)
    expected = math.hypot(2 * a, 4 * c)
    assert hd95(truth, prediction, spacing) == assd(truth, prediction, spacing) == pytest.approx(expected)
    assert surface_dice(truth, prediction, spacing, tolerance=expected) == 1
    assert surface_dice(truth, prediction, spacing, tolerance=expected * 0.999) == 0


def test_surface_of_a_box_leaves_its_inside_out():
    cube = box((3, 6), (3, 6), (3, 6))
    centre = box((4, 5), (4, 5), (4, 5))
    to_centre, from_centre = surface_distances(cube, centre)
    assert len(to_centre) == 26  # 3 x 3 x 3 without its centre: 6 faces, 12 edges, 8 corners
    np.testing.assert_allclose(np.sort(to_centre), np.sqrt([1] * 6 + [2] * 12 + [3] * 8))
    assert from_centre.tolist() == [1]  # inside the cube, the centre is still 1 voxel from its surface
    assert assd(cube, centre) == pytest.approx((6 + 12 * math.sqrt(2) + 8 * math.sqrt(3) + 1) / 27)
    assert surface_dice(cube, centre, tolerance=1) == pytest.approx(7 / 27)


def test_diagonal_neighbours_do_not_make_a_surface():
    solid = box((0, 3), (0, 3), (0, 3), shape=(5, 5, 5))
    solid[0, 0, 0] = False  # a corner neighbour of the centre, not a face neighbour
    assert [1, 1, 1] not in measures.surface._surface(solid).tolist()
    solid[0, 1, 1] = False
    assert [1, 1, 1] in measures.surface._surface(solid).tolist()


def test_two_directions_of_hd95():
    """100 agreeing voxels, and 7 false ones 9 voxels away: 6.5 % of the prediction's surface, 3.4 % of both surfaces."""
    truth = nothing((1, 40, 120))
    truth[0, 5, 10:110] = True
    prediction = truth.copy()
    prediction[0, 14, 20:27] = True
    assert hd95(truth, prediction) == hd95(truth, prediction, directions="maximum") == 9
    assert hd95(truth, prediction, directions="pooled") == 0
    assert hd95(prediction, truth) == 9


def test_percentiles_are_interpolated_linearly():
    truth, prediction = box((0, 1), (0, 1), (0, 1)), box((0, 1), (0, 1), (0, 11))
    assert hd95(truth, prediction) == pytest.approx(9.5)  # 0, 1, ... 10


def test_assd_weighs_each_surface_voxel_alike():
    truth, prediction = box((0, 1), (0, 1), (0, 1)), box((0, 1), (0, 1), (0, 3))
    assert assd(truth, prediction) == (0 + 0 + 1 + 2) / 4  # the mean of the two means would be 0.5


@pytest.mark.parametrize("spacing", SPACINGS)
def test_distances_of_empty_masks(spacing):
    full = ~nothing()
    for distance in (hd95, assd):
        assert distance(nothing(), nothing(), spacing) == 0
        assert distance(nothing(), nothing(), spacing, empty=7.0) == 7
        assert distance(full, nothing(), spacing) == distance(nothing(), full, spacing) == math.inf
        assert distance(full, nothing(), spacing, missing=373.13) == 373.13
        assert distance(nothing(), full, spacing, missing=373.13) == 373.13
    assert hd95(full, nothing(), directions="pooled") == math.inf
    assert surface_dice(nothing(), nothing(), spacing, tolerance=1) == 1
    assert surface_dice(nothing(), nothing(), spacing, tolerance=1, empty=0.5) == 0.5
    assert surface_dice(full, nothing(), spacing, tolerance=1e9, empty=0.5) == 0


def test_the_edge_of_the_image_is_surface():
    truth, prediction = box((0, 10), (0, 16), (0, 16)), box((0, 10), (0, 16), (0, 12))
    padded = [np.pad(mask, 3) for mask in (truth, prediction)]
    for distance in (hd95, assd):
        assert distance(truth, prediction, (5, 1, 1)) == distance(*padded, (5, 1, 1)) > 0


def test_one_slice_has_a_contour_and_no_flat_faces():
    truth, prediction = (
        box((0, 1), (2, 12), (2, 12), shape=(1, 16, 16)),
        box((0, 1), (2, 12), (4, 14), shape=(1, 16, 16)),
    )
    assert len(surface_distances(truth, prediction)[0]) == 36  # the rim of 10 x 10
    assert hd95(truth, prediction, (5, 1, 0.5)) == hd95(truth[0], prediction[0], (1, 0.5)) == 1
    one = np.ones((1, 1, 1), bool)
    assert hd95(one, one) == 0
    assert hd95(one, ~one) == math.inf


def test_tolerance_includes_equality_despite_rounding():
    truth, prediction = box((0, 1), (0, 1), (0, 1)), box((0, 1), (0, 1), (3, 4))
    assert surface_dice(truth, prediction, (1, 1, 0.1), tolerance=0.3) == 1
    assert surface_dice(truth, truth, (1, 1, 0.1), tolerance=0) == 1


@settings(deadline=None, max_examples=60)
@given(pairs(filled=True), st.none() | spacings)
def test_surface_measures_agree_with_brute_force(pair, spacing):
    expected = reference_distances(*pair, spacing)
    for found, wanted in zip(surface_distances(*pair, spacing), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    pooled = np.concatenate(expected)
    assert hd95(*pair, spacing) == pytest.approx(max(np.percentile(one, 95) for one in expected))
    assert hd95(*pair, spacing, directions="pooled") == pytest.approx(np.percentile(pooled, 95))
    assert assd(*pair, spacing) == pytest.approx(pooled.mean())
    assert surface_dice(*pair, spacing, tolerance=1.05) == pytest.approx(np.mean(pooled <= 1.05))


@settings(deadline=None, max_examples=40)
@given(pairs(filled=True), spacings, st.floats(0.1, 10))
def test_surface_measures_are_symmetric_still_and_in_proportion(pair, spacing, factor):
    truth, prediction = pair
    moved = [np.pad(mask, ((3, 0), (1, 4), (0, 2))) for mask in pair]
    scaled = tuple(factor * length for length in spacing)
    for distance in (hd95, assd):
        known = distance(truth, prediction, spacing)
        assert distance(prediction, truth, spacing) == pytest.approx(known)
        assert distance(*moved, spacing) == pytest.approx(known, abs=1e-12)
        assert distance(truth, prediction, scaled) == pytest.approx(factor * known)
        assert distance(truth, truth, spacing) == 0
    known = surface_dice(truth, prediction, spacing, tolerance=1.0)
    assert surface_dice(prediction, truth, spacing, tolerance=1.0) == pytest.approx(known)
    assert surface_dice(truth, prediction, spacing, tolerance=2.0) >= known


@pytest.mark.parametrize("shift", [1, 2, 5])
def test_the_further_a_box_is_moved_the_larger_the_distances(shift):
    still, near, far = (box((2, 6), (2, 7), (left, left + 5)) for left in (1, 1 + shift, 2 + shift))
    assert assd(still, near) < assd(still, far)
    assert hd95(still, near) == shift
    assert hd95(still, far) == shift + 1


# Lesions


def test_lesions_found_missed_and_invented():
    truth = box((1, 3), (1, 3), (1, 3)) | box((1, 3), (8, 10), (8, 10)) | box((7, 9), (1, 3), (8, 10))
    prediction = box((1, 3), (1, 3), (2, 4)) | box((1, 3), (8, 10), (8, 10)) | box((7, 9), (12, 14), (12, 14))
    found = lesion_detection(truth, prediction)
    assert found == LesionDetection(true_positives=2, misses=1, false_alarms=1)
    assert found.sensitivity == found.precision == found.f1 == 2 / 3
    assert lesion_detection(truth, prediction, overlap=0.5) == found  # half of the first lesion is covered
    assert lesion_detection(truth, prediction, overlap=0.51) == LesionDetection(1, 2, 2)


def test_several_components_on_one_lesion():
    long, ends = box((1, 2), (1, 2), (1, 9)), box((1, 2), (1, 2), (1, 3)) | box((1, 2), (1, 2), (7, 9))
    assert lesion_detection(long, ends) == LesionDetection(1, 0, 0)
    assert lesion_detection(ends, long) == LesionDetection(2, 0, 0)


def test_connectivity_of_lesions():
    truth = nothing()
    truth[1, 1, 1] = truth[2, 2, 2] = truth[2, 3, 3] = True  # joined by a corner, then by an edge
    counts = [lesion_detection(truth, nothing(), connectivity=c).misses for c in (1, 2, 3, None)]
    assert counts == [3, 2, 1, 1]


def test_lesions_of_empty_masks():
    none = lesion_detection(nothing(), nothing())
    assert (none.true_positives, none.misses, none.false_alarms) == (0, 0, 0)
    assert none.sensitivity == none.precision == none.f1 == 1
    for pair, counts in [((~nothing(), nothing()), (0, 1, 0)), ((nothing(), ~nothing()), (0, 0, 1))]:
        found = lesion_detection(*pair)
        assert found == LesionDetection(*counts)
        assert found.sensitivity == found.precision == found.f1 == 0


@pytest.mark.parametrize("options", [{"overlap": -0.1}, {"overlap": 1.5}, {"connectivity": 0}, {"connectivity": 4}])
def test_lesion_options_out_of_range(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        lesion_detection(nothing(), nothing(), **options)


# All together


def test_measure_repeats_each_measure_with_its_unit():
    truth, prediction = box((2, 7), (2, 9), (2, 9)), box((2, 8), (2, 9), (3, 12))
    for spacing, length_unit, volume_unit in [((5, 1, 1), "mm", "mL"), (None, "voxels", "voxels")]:
        found = measure(truth, prediction, spacing, tolerance=1.5, directions="pooled", lesion_overlap=0.9)
        assert (found.length_unit, found.volume_unit, found.tolerance) == (length_unit, volume_unit, 1.5)
        for overlap in OVERLAPS:
            assert getattr(found, overlap.__name__) == overlap(truth, prediction)
        assert found.hd95 == hd95(truth, prediction, spacing, directions="pooled")
        assert found.assd == assd(truth, prediction, spacing)
        assert found.surface_dice == surface_dice(truth, prediction, spacing, tolerance=1.5)
        assert found.volume_difference == volume_difference(truth, prediction, spacing)
        assert found.relative_volume_difference == relative_volume_difference(truth, prediction)
        assert found.lesions == lesion_detection(truth, prediction, overlap=0.9) == LesionDetection(0, 1, 1)
        assert f"{length_unit}, ASSD" in str(found)
    assert (found.true_volume, found.predicted_volume) == (245, 378)
    in_ml = measure(truth, prediction, (5, 1, 1))
    assert (in_ml.true_volume, in_ml.predicted_volume) == (pytest.approx(1.225), pytest.approx(1.89))


def test_measure_of_an_empty_prediction():
    row = measure(~nothing(), nothing(), (5, 1, 1)).to_dict()
    assert row["dice"] == row["surface_dice"] == row["lesion_sensitivity"] == 0
    assert row["hd95"] == row["assd"] == math.inf
    assert row["relative_volume_difference"] == -1
    assert row["lesion_misses"] == 1
    assert row["length_unit"] == "mm"
    assert "lesions" not in row


def test_measure_of_two_empty_masks():
    found = measure(nothing(), nothing())
    assert found.dice == found.iou == found.precision == found.recall == found.surface_dice == found.lesions.f1 == 1
    assert found.hd95 == found.assd == found.volume_difference == found.relative_volume_difference == 0


# What is refused


@pytest.mark.parametrize("function", PAIRED)
def test_masks_of_other_values_are_refused(function):
    good = np.ones((2, 3, 4), np.uint8)
    function(good, good.astype(np.float32))  # 0 and 1 of any type are fine
    with pytest.raises(ValueError, match=r"truth must be boolean.*mask > 0.*255"):
        function(255 * good, good)
    with pytest.raises(ValueError, match=r"prediction must be boolean.*mask > 0.*0\.5"):
        function(good, 0.5 * good)


@pytest.mark.parametrize("function", PAIRED)
def test_masks_of_two_shapes_are_refused(function):
    with pytest.raises(ValueError, match=r"prediction must be of the truth's shape \(2, 3, 4\); got shape \(2, 4, 3\)"):
        function(np.ones((2, 3, 4)), np.ones((2, 4, 3)))


@pytest.mark.parametrize("function", [hd95, assd, volume_difference, measure])
@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, 1, -1), (1, 1, math.nan), (1, math.inf, 1), (1, 1, 1, 1)])
def test_spacings_that_are_no_lengths_are_refused(function, spacing):
    with pytest.raises(ValueError, match="spacing must be 3 lengths in mm"):
        function(nothing(), nothing(), spacing)
    with pytest.raises(ValueError, match="spacing must be 3 lengths in mm"):
        volume_ml(nothing(), spacing)


def test_options_of_the_surface_are_checked():
    with pytest.raises(ValueError, match="directions must be one of 'maximum', 'pooled'; got 'mean'"):
        hd95(nothing(), nothing(), directions="mean")
    with pytest.raises(ValueError, match="directions must be"):
        measure(nothing(), nothing(), directions="mean")
    for function in (surface_dice, measure):
        with pytest.raises(ValueError, match="tolerance must be at least 0"):
            function(nothing(), nothing(), tolerance=-1)


def test_arguments_are_not_changed():
    truth, prediction = box((2, 7), (2, 9), (2, 9)), box((2, 8), (2, 9), (3, 12))
    copies = truth.copy(), prediction.copy()
    measure(truth, prediction, (5, 1, 1))
    np.testing.assert_array_equal(truth, copies[0])
    np.testing.assert_array_equal(prediction, copies[1])
