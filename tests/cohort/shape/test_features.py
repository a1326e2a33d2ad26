import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from braintumorseg import make_study
from braintumorseg.cohort import shape_features
from braintumorseg.cohort.shape.features import FEATURES

SQUARE = ("bear", "margin_fluctuation", "angular_standard_deviation")


def ellipsoid(semi_axes, spacing=(1, 1, 1), turn=None):
    """An ellipsoid of these semi-axes in mm, sampled at voxel centres."""
    reach = max(semi_axes)
    axes = [np.arange(-math.ceil(reach / step) - 1, math.ceil(reach / step) + 2) * step for step in spacing]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    if turn is not None:
        places = places @ turn
    return ((places / semi_axes) ** 2).sum(-1) <= 1


def star(amplitude, points=10, radius=50.0, turn=0.0, shift=(0.0, 0.0)):
    """One slice: r = radius (1 + amplitude cos(points angle))."""
    side = int(radius * 1.5) + 2
    rows, columns = np.mgrid[-side : side + 1, -side : side + 1].astype(float)
    rows, columns = rows - shift[0], columns - shift[1]
    angle = np.arctan2(rows, columns) + turn
    return np.hypot(rows, columns) <= radius * (1 + amplitude * np.cos(points * angle))


@pytest.mark.parametrize("radius", [8, 16, 32])
def test_ball(radius):
    found = shape_features(ellipsoid((radius,) * 3), (1, 1, 1))
    assert found["bevr"] == pytest.approx(1, abs=0.03)
    assert found["bear"] == pytest.approx(1, abs=0.03)
    assert found["margin_fluctuation"] < 0.25 / radius
    assert found["angular_standard_deviation"] < 0.25 / radius
    assert found["elongation"] == found["flatness"] == pytest.approx(1)
    assert found["volume"] == pytest.approx(4 / 3 * math.pi * radius**3 / 1000, rel=0.02)
    assert found["longest_diameter"] == pytest.approx(2 * radius, abs=1.01)
    assert found["slice_longest_diameter"] == pytest.approx(2 * radius, abs=1.01)
    assert found["slice_perpendicular_diameter"] == pytest.approx(2 * radius, abs=1.01)
    assert found["slice_area"] == pytest.approx(math.pi * radius**2, rel=0.03)
    assert found["slice"] == radius + 1
    # The steps of voxels make the surface larger by about a twelfth, however fine they are.
    assert found["surface"] / (4 * math.pi * radius**2) == pytest.approx(1.085, abs=0.025)
    assert found["sphericity"] == pytest.approx(0.92, abs=0.01)
    assert found["solidity"] > 0.92


@pytest.mark.parametrize("semi_axes", [(30, 12, 8), (6, 25, 30), (10, 30, 15)])
def test_ellipsoid(semi_axes):
    """Its BEVR is 1 whatever its axes; its principal axes are known."""
    found = shape_features(ellipsoid(semi_axes), (1, 1, 1))
    short, middle, long = sorted(semi_axes)
    assert found["bevr"] == pytest.approx(1, abs=0.03)
    assert found["elongation"] == pytest.approx(middle / long, abs=0.01)
    assert found["flatness"] == pytest.approx(short / long, abs=0.01)
    assert found["slice_longest_diameter"] == pytest.approx(2 * max(semi_axes[1:]), abs=1.01)
    assert found["slice_perpendicular_diameter"] == pytest.approx(2 * min(semi_axes[1:]), abs=1.01)


def test_thick_slices_are_a_ball_all_the_same():
    found = shape_features(ellipsoid((32, 32, 32), (5.5, 1, 1)), (5.5, 1, 1))
    assert found["bevr"] == pytest.approx(1, abs=0.02)
    assert found["flatness"] == pytest.approx(1, abs=0.02)
    assert found["volume"] == pytest.approx(137.3, rel=0.01)


def test_box():
    found = shape_features(np.ones((6, 20, 10)), (5, 2, 1))
    assert found["volume"] == 6 * 20 * 10 * 10 / 1000
    # Centres of voxels span 5 x 19 x 9 steps; the smallest ellipsoid around a box of sides s has sqrt(3) / 2 s as semi-axes.
    enclosing = 4 / 3 * math.pi * (math.sqrt(3) / 2) ** 3 * (25 * 38 * 9)
    assert found["bevr"] == pytest.approx(12000 / enclosing, rel=1e-3)
    assert found["bear"] == pytest.approx(400 / (math.pi / 2 * 38 * 9), rel=1e-3)
    assert found["solidity"] == pytest.approx(1, abs=0.01)
    assert found["elongation"] == pytest.approx(30 / 40, rel=1e-6)
    assert found["flatness"] == pytest.approx(10 / 40, rel=1e-6)
    assert found["slice"] == 0


@pytest.mark.parametrize("amplitude", [0.05, 0.1])
def test_star_of_ten_points(amplitude):
    """Both the running mean and a sector span one of its periods, so that both features are the radii's own spread."""
    found = shape_features(star(amplitude, radius=120))
    assert found["margin_fluctuation"] == pytest.approx(amplitude / math.sqrt(2), rel=0.1)
    assert found["angular_standard_deviation"] == pytest.approx(amplitude / math.sqrt(2), rel=0.1)


def test_margin_fluctuation_grows_with_the_amplitude():
    values = [shape_features(star(amplitude, points=7))["margin_fluctuation"] for amplitude in np.linspace(0, 0.4, 9)]
    assert (np.diff(values) > 0.005).all()


def test_smoothing_and_bins_are_what_they_say():
    slice_ = star(0.1, points=5)
    short, long = (shape_features(slice_, smoothing=share)["margin_fluctuation"] for share in (0.02, 0.2))
    assert short < 0.03 < long
    assert long == pytest.approx(0.1 / math.sqrt(2), rel=0.1)  # the running mean spans a period
    few, many = (shape_features(slice_, bins=bins)["angular_standard_deviation"] for bins in (5, 50))
    assert few == pytest.approx(0.1 / math.sqrt(2), rel=0.1)
    assert many < 0.02


turns = st.floats(0, 2 * math.pi)
shifts = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))


@settings(max_examples=20)
@given(turns, shifts, st.floats(0.0, 0.3), st.integers(2, 8))
def test_margin_is_the_same_after_rotation_and_shift(turn, shift, amplitude, points):
    before = shape_features(star(amplitude, points))
    after = shape_features(star(amplitude, points, turn=turn, shift=shift))
    for name in SQUARE:
        assert after[name] == pytest.approx(before[name], abs=0.012), name
    assert after["slice_longest_diameter"] == pytest.approx(before["slice_longest_diameter"], abs=2)


@settings(max_examples=15)
@given(st.floats(1.0, 2.0), st.floats(0.0, 0.3), st.integers(2, 8))
def test_margin_is_the_same_at_another_size(scale, amplitude, points):
    before, after = (shape_features(star(amplitude, points, radius=size)) for size in (50, 50 * scale))
    for name in SQUARE:
        assert after[name] == pytest.approx(before[name], abs=0.012), name


@pytest.mark.slow
@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_rotated_ellipsoid_keeps_its_features(seed):
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    before, after = (shape_features(ellipsoid((20, 12, 8), turn=each), (1, 1, 1)) for each in (None, turn))
    assert after["bevr"] == pytest.approx(before["bevr"], abs=0.04)
    assert after["sphericity"] == pytest.approx(before["sphericity"], abs=0.02)
    for name in ("elongation", "flatness"):
        assert after[name] == pytest.approx(before[name], abs=0.01)
    assert after["longest_diameter"] == pytest.approx(before["longest_diameter"], abs=1.5)


@settings(max_examples=8)
@given(st.integers(0, 100), st.permutations([0, 1]), st.booleans(), st.integers(0, 5))
def test_turned_mirrored_and_moved_masks_have_the_same_features(seed, order, mirrored, padding):
    mask = make_study(seed=seed, shape=(8, 64, 64)).mask
    changed = np.transpose(mask, (0, order[0] + 1, order[1] + 1))
    changed = np.pad(changed[:, ::-1] if mirrored else changed, padding)
    before, after = shape_features(mask, (4, 1, 1)), shape_features(changed, (4, 1, 1))
    for name in FEATURES:
        # Of two longest diameters of the same length, another may be taken, and with it another perpendicular one.
        rel = 0.2 if name == "slice_perpendicular_diameter" else 0.03
        assert after[name] == pytest.approx(before[name], rel=rel, abs=0.004, nan_ok=True), name
    assert after["slice"] == before["slice"] + padding


def test_spacing_scales_lengths_and_nothing_else():
    mask = make_study(seed=1, shape=(8, 64, 64)).mask
    one, three = shape_features(mask, (4, 1, 1)), shape_features(mask, (12, 3, 3))
    powers = {name: 1 for name in FEATURES if "diameter" in name} | {"surface": 2, "slice_area": 2, "volume": 3}
    for name in FEATURES:
        assert three[name] == pytest.approx(one[name] * 3 ** powers.get(name, 0), rel=1e-4), name


def test_bounding_ratios_and_solidity_do_not_depend_on_the_spacing():
    mask = make_study(seed=1, shape=(8, 64, 64)).mask
    unknown, known = shape_features(mask), shape_features(mask, (16, 4, 3.5))
    for name in ("bevr", "bear", "solidity"):
        assert known[name] == pytest.approx(unknown[name], rel=1e-3)
    assert unknown["volume"] == mask.sum()
    assert known["volume"] == pytest.approx(mask.sum() * 16 * 4 * 3.5 / 1000)


def test_slice_of_the_largest_area_is_taken_and_of_it_the_largest_component():
    mask = np.zeros((4, 60, 60), bool)
    mask[1, 5:25, 5:25] = True
    mask[2, 5:25, 5:25] = True
    mask[2, 40:50, 40:50] = True
    found = shape_features(mask)
    assert found["slice"] == 2
    assert found["slice_area"] == 500
    alone = shape_features(mask[1])
    for name in SQUARE:
        assert found[name] == alone[name]
    assert shape_features(mask, largest_component=True)["volume"] == 800
    assert found["volume"] == 900
    assert shape_features(mask, largest_component=True)["bevr"] > found["bevr"]


def test_hole_changes_the_area_and_not_the_margin():
    whole = star(0.1)
    holed = whole.copy()
    holed[70:80, 70:80] = False
    first, second = shape_features(whole), shape_features(holed)
    assert second["slice_area"] == first["slice_area"] - 100
    assert second["slice_longest_diameter"] == first["slice_longest_diameter"]
    assert second["margin_fluctuation"] == pytest.approx(first["margin_fluctuation"], abs=1e-3)


def test_empty_flat_and_tiny_masks():
    assert all(math.isnan(value) for value in shape_features(np.zeros((3, 8, 8))).values())
    flat = shape_features(star(0.1))
    assert math.isnan(flat["bevr"])
    assert math.isnan(flat["surface"])
    assert flat["mean_margin_fluctuation"] == pytest.approx(flat["margin_fluctuation"])
    single = shape_features(np.ones((1, 1, 1)), (5, 1, 1))
    assert single["volume"] == 0.005
    assert single["slice_longest_diameter"] == 1
    assert math.isnan(single["mean_margin_fluctuation"])
    assert set(single) == {*FEATURES, "slice"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(4),), r"mask must be an array \(slices, height, width\) or \(height, width\); got shape \(4,\)"),
        ((np.full((2, 2, 2), 255),), "mask must be boolean"),
        ((np.ones((2, 2, 2)), (1, 1)), "spacing must be 3 lengths"),
    ],
)
def test_wrong_masks_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shape_features(*arguments)


@pytest.mark.parametrize(("option", "value"), [("smoothing", 0), ("smoothing", 1), ("bins", 1), ("bins", 2.5)])
def test_wrong_options_are_refused(option, value):
    with pytest.raises(ValueError, match=f"{option} must be"):
        shape_features(np.ones((2, 4, 4)), **{option: value})


@pytest.mark.slow
def test_a_volume_takes_less_time_than_its_distance_transform():
    """Ten seconds for a hundred volumes is the aim; seconds are not alike on all machines."""
    masks = [make_study(seed=seed, shape=(24, 256, 256)).mask for seed in range(3)]

    def seconds(function):
        start = time.process_time()
        for mask in masks:
            function(mask)
        return time.process_time() - start

    shape_features(masks[0])  # imports
    rounds = [(seconds(shape_features), seconds(ndimage.distance_transform_edt)) for _ in range(3)]
    assert min(one / other for one, other in rounds) < 1, rounds
