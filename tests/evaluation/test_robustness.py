import json
import weakref
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from braintumorseg import DataError, Preprocessing, Segmenter, Study, dice, make_study
from braintumorseg.evaluation import Robustness, measure_robustness
from braintumorseg.evaluation.perturbations import CHANGES, rotate, zoom
from braintumorseg.evaluation.robustness import BARS
from braintumorseg.preprocessing.foreground import find_foreground
from braintumorseg.preprocessing.skull import strip_skull


@pytest.fixture(scope="module")
def study():
    return make_study(seed=0, shape=(6, 96, 80))


@pytest.fixture(scope="module")
def segmenter():
    """Finds what is bright in FLAIR."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.array([0, 8, 0], np.float32).reshape(1, 1, 3, 1), np.array([-8.0], np.float32)])
    return Segmenter(model, Preprocessing(size=64), name="bright")


# Changes


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_pure_and_repeatable(study, name):
    before = study.volume.copy()
    first, second = CHANGES[name](study), CHANGES[name](study)
    assert (study.volume == before).all()
    assert (first.volume == second.volume).all()
    assert (first.name, first.mask.shape) == (study.name, first.shape)
    changed = first.volume.shape != study.volume.shape or (first.volume != study.volume).any()
    assert changed


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_knows_what_is_covered(study, name):
    """What is not covered goes where the mask goes: where it was the mask, it still is, with a rim of interpolation."""
    covered = np.ones(study.volume.shape, bool)
    covered[..., 2] = ~study.mask
    changed = CHANGES[name](replace(study, covered=covered))
    if "t1ce" not in changed.sequences:
        assert changed.covered is None
        return
    missing = ~changed.covered[..., changed.sequences.index("t1ce")]
    assert missing[changed.mask].all()
    assert changed.mask.sum() <= missing.sum() < 2 * changed.mask.sum()
    assert changed.covered.sum() + missing.sum() == changed.volume.size


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_takes_a_constant_slice_without_mask(name):
    plain = Study(np.full((1, 40, 32, 3), 7.0), slice_names=("one",))
    changed = CHANGES[name](plain)
    assert changed.mask is None
    assert set(np.unique(changed.volume)) <= {0.0, 7.0, 21.0}


@pytest.mark.parametrize(
    ("name", "kept"),
    [("only FLAIR", ("flair",)), ("FLAIR and T1ce", ("flair", "t1ce")), ("FLAIR and T1", ("t1", "flair"))],
)
def test_sequences_are_dropped(study, name, kept):
    changed = CHANGES[name](study)
    assert changed.sequences == kept
    for sequence in kept:
        assert (changed.sequence(sequence) == study.sequence(sequence)).all()
    alone = CHANGES["only FLAIR"](study)
    assert CHANGES[name](alone).sequences == ("flair",)
    with pytest.raises(DataError, match="phantom-0: has none of the sequences flair that are to be kept"):
        CHANGES["only FLAIR"](make_study(seed=0, shape=(1, 32, 32), sequences=("t1",)))


@pytest.mark.parametrize("background", ["zero", "minimum"])
def test_skull_is_removed(study, background):
    name = {"zero": "skull removed, background 0", "minimum": "skull removed, background minimum"}[background]
    assert (CHANGES[name](study).volume == strip_skull(study, background=background).volume).all()


def test_added_air_changes_nothing_of_a_model_s_input(study):
    changed = CHANGES["air added"](study)
    assert changed.shape == (46, 96 + 32, 80 + 26)
    assert changed.mask.sum() == study.mask.sum()
    assert (changed.volume[20:26, 16:-16, 13:-13] == study.volume).all()
    preprocessing = Preprocessing(size=64)
    before, after = (preprocessing.apply(each).images for each in (study, changed))
    np.testing.assert_allclose(after[20:26], before, atol=1e-4)
    assert all(len(np.unique(changed.volume[0, ..., channel])) == 1 for channel in range(3))


def test_tight_crop_leaves_the_whole_head(study):
    changed = CHANGES["cropped tight"](study)
    assert changed.shape[1] <= study.shape[1]
    assert changed.mask.sum() == study.mask.sum()
    for channel in range(3):
        # The foreground of the whole is all there: as many voxels of as much signal.
        whole = study.volume[..., channel]
        kept = np.sort(whole[find_foreground(whole)])
        assert np.isin(kept, changed.volume[..., channel]).all()
    clean = np.zeros((2, 20, 30, 1))
    clean[:, 4:11, 7:25] = 9
    assert CHANGES["cropped tight"](Study(clean, ("flair",))).shape == (2, 7, 18)


def test_interpolated_slices_hold_the_originals(study):
    changed = CHANGES["slices interpolated"](study)
    assert changed.shape == (26, 96, 80)
    np.testing.assert_array_equal(changed.volume[::5], study.volume)
    np.testing.assert_array_equal(changed.mask[::5], study.mask)
    np.testing.assert_allclose(changed.volume[7], 0.6 * study.volume[1] + 0.4 * study.volume[2], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(changed.mask[7], study.mask[1])
    np.testing.assert_array_equal(changed.mask[8], study.mask[2])
    assert changed.spacing == pytest.approx((study.spacing[0] / 5, *study.spacing[1:]))


def test_intensities_by_hand(study):
    low, high = study.volume.min(axis=(0, 1, 2)), study.volume.max(axis=(0, 1, 2))
    unit = (study.volume - low) / (high - low)
    for name, expected in {
        "intensities scaled": 3 * study.volume,
        "intensities shifted": study.volume + (high - low) / 3,
        "gamma 0.7": low + (high - low) * unit**0.7,
        "gamma 1.4": low + (high - low) * unit**1.4,
    }.items():
        changed = CHANGES[name](study)
        np.testing.assert_allclose(changed.volume, expected, rtol=1e-4, atol=1e-3)
        assert (changed.mask == study.mask).all()
        assert changed.geometry is study.geometry


def test_bias_field_is_smooth_and_of_40_percent(study):
    ramp = replace(study, volume=np.pad(np.full((6, 94, 78, 3), 10.0), ((0, 0), (1, 1), (1, 1), (0, 0))))
    field = CHANGES["bias field of 40 %"](ramp).volume[:, 1:-1, 1:-1] / 10
    assert 0.6 <= field.min() < 0.65
    assert 1.35 < field.max() <= 1.4
    assert np.abs(np.diff(field, axis=1)).max() < 0.06
    assert (field[..., 0] == field[..., 1]).all()


def test_noise_is_of_5_percent():
    flat = np.zeros((8, 64, 64, 1))
    flat[:, 8:56, 8:56] = 100
    changed = CHANGES["noise of 5 %"](Study(flat, ("flair",))).volume
    noise = changed[:, 8:56, 8:56] - 100
    assert noise.std() == pytest.approx(5, rel=0.02)
    assert abs(noise.mean()) < 0.15
    assert changed.min() == 0


def test_draws_follow_from_the_name(study):
    for name in ("bias field of 40 %", "noise of 5 %"):
        other = replace(study, name="other")
        assert (CHANGES[name](other).volume != CHANGES[name](study).volume).any()


def test_flipped_twice_is_the_same(study):
    flip = CHANGES["left-right flip"]
    once, twice = flip(study), flip(flip(study))
    assert (once.volume == study.volume[:, :, ::-1]).all()
    assert (once.mask == study.mask[:, :, ::-1]).all()
    assert (twice.volume == study.volume).all()
    assert (twice.mask == study.mask).all()
    assert once.geometry is None


def test_a_quarter_turn_is_exact():
    square = make_study(seed=1, shape=(2, 64, 64))
    turned = rotate(square, 90)
    np.testing.assert_allclose(turned.volume, np.rot90(square.volume, axes=(1, 2)), atol=0.01)
    assert (turned.mask == np.rot90(square.mask, axes=(1, 2))).all()


@pytest.mark.parametrize("degrees", [10, -10])
def test_turned_and_turned_back(study, degrees):
    back = rotate(rotate(study, degrees), -degrees)
    (top, left) = ((back.shape[1] - 96) // 2, (back.shape[2] - 80) // 2)
    assert dice(study.mask, back.mask[:, top : top + 96, left : left + 80]) > 0.95


@pytest.mark.parametrize("factor", [0.85, 1.15])
def test_zoom_grows_the_tumour_by_its_square_and_cuts_no_head(study, factor):
    changed = zoom(study, factor)
    assert changed.mask.sum() / study.mask.sum() == pytest.approx(factor**2, rel=0.05)
    assert changed.sequence("flair").sum() / study.sequence("flair").sum() == pytest.approx(factor**2, rel=0.05)
    assert changed.shape[0] == study.shape[0]
    assert changed.shape[1] >= study.shape[1]
    filled = np.zeros((1, 40, 40, 1))
    filled[:, 1:-1, 1:-1] = 5
    grown = zoom(Study(filled, ("flair",)), 1.15)
    assert grown.shape[1] > 40
    assert (grown.volume[0, [0, -1]] < 5).all()


# Measuring


def test_drops_are_those_of_the_predictions(segmenter):
    studies = [make_study(seed=seed, shape=(4, 64, 64)) for seed in (1, 2)]
    names = ("only FLAIR", "slices interpolated", "left-right flip")
    result = measure_robustness(segmenter, studies, changes={name: CHANGES[name] for name in names})
    assert result.segmenter == "bright"
    assert list(result.table["change"]) == ["unchanged", *names]
    base = [dice(each.mask, segmenter.predict(each).mask) for each in studies]
    assert 0 < min(base) < 1
    for name in names:
        changed = [CHANGES[name](each) for each in studies]
        under = [dice(each.mask, segmenter.predict(each).mask) for each in changed]
        row = result.table.set_index("change").loc[name]
        assert row["dice"] == pytest.approx(np.mean(under))
        assert row["drop"] == pytest.approx(np.mean(base) - np.mean(under))
        assert row["bar"] == BARS[name]
        assert result.drops[name].tolist() == pytest.approx(np.subtract(base, under).tolist())
    assert list(result.drops.index) == ["phantom-1", "phantom-2"]


def test_bars_are_the_stated_ones():
    assert set(BARS) == set(CHANGES)
    assert (BARS["only FLAIR"], BARS["skull removed, background 0"], BARS["air added"]) == (0.02, 0.03, 0.005)
    assert (BARS["slices interpolated"], BARS["left-right flip"], BARS["zoom by 1.15"]) == (0.03, 0.01, 0.02)


def test_own_changes_have_no_bar(segmenter):
    studies = [make_study(seed=1, shape=(2, 64, 64))]
    result = measure_robustness(segmenter, studies, changes={"mine": lambda study: study})
    row = result.table.set_index("change").loc["mine"]
    assert row["drop"] == 0
    assert np.isnan(row["bar"])
    with pytest.raises(ValueError, match="changes must be of other names than 'unchanged'"):
        measure_robustness(segmenter, studies, changes={"unchanged": lambda study: study})
    with pytest.raises(DataError, match="phantom-1: a change lost the mask"):
        measure_robustness(segmenter, studies, changes={"mine": lambda study: study.with_mask(None)})


def test_one_study_is_in_memory_at_a_time(segmenter):
    alive = []

    def studies():
        for seed in range(3):
            assert all(reference() is None for reference in alive)
            alive.append(weakref.ref(study := make_study(seed=seed, shape=(1, 64, 64))))
            box = [study]
            del study
            yield box.pop()

    assert len(measure_robustness(segmenter, studies(), changes={}).patients) == len(alive) == 3


def test_what_can_not_be_measured_is_named(segmenter, tmp_path):
    study = make_study(seed=1, shape=(1, 64, 64))
    with pytest.raises(DataError, match="phantom-1: has no mask"):
        measure_robustness(segmenter, [study.with_mask(None)], changes={})
    with pytest.raises(DataError, match="phantom-1: comes twice"):
        measure_robustness(segmenter, [study, study], changes={})
    with pytest.raises(ValueError, match="studies must be at least one; got none"):
        measure_robustness(segmenter, [])
    pixels = np.clip(study.volume[0], 0, 255).astype(np.uint8)
    keras.utils.save_img(tmp_path / "case.png", pixels, scale=False)
    with pytest.raises(DataError, match=r"case\.png: has no mask"):
        measure_robustness(segmenter, [tmp_path / "case.png"], changes={})


# Result


@pytest.fixture
def by_hand():
    rows = [
        *[("A", "unchanged", 0.9), ("A", "noise of 5 %", 0.89), ("A", "mine", 0.5), ("A", "air added", 0.8)],
        *[("B", "unchanged", 0.7), ("B", "noise of 5 %", 0.68), ("B", "mine", 0.9), ("B", "air added", 0.7)],
    ]
    return Robustness("net", pd.DataFrame(rows, columns=["name", "change", "dice"]))


def test_table_by_hand(by_hand):
    table = by_hand.table.set_index("change")
    assert table["dice"].tolist() == pytest.approx([0.8, 0.785, 0.7, 0.75])
    assert table["drop"].tolist() == pytest.approx([0, 0.015, 0.1, 0.05])
    assert table["bar"].tolist() == pytest.approx([np.nan, 0.02, np.nan, 0.005], nan_ok=True)
    assert by_hand.drops.loc["B"].tolist() == pytest.approx([0.02, -0.2, 0])


def test_text_says_which_bars_hold(by_hand):
    assert repr(by_hand) == "Robustness of 'net': 2 patients, 1 of 2 bars held"
    first, unchanged, noise, mine, air = str(by_hand).splitlines()
    assert first == "net, mean Dice over 2 patients, whole volumes, every slice in:"
    assert unchanged == "  0.800: unchanged"
    assert noise == "  0.785, drop +0.015 (at most 0.02: holds): noise of 5 %"
    assert mine == "  0.700, drop +0.100: mine"
    assert air == "  0.750, drop +0.050 (at most 0.005: missed): air added"


def test_json_round_trip(by_hand, tmp_path):
    path = by_hand.to_json(tmp_path / "new" / "robustness.json")
    again = Robustness.from_json(path)
    assert again.segmenter == "net"
    pd.testing.assert_frame_equal(again.patients, by_hand.patients)
    pd.testing.assert_frame_equal(again.table, by_hand.table)
    assert [row["bar"] for row in json.loads(path.read_text())["changes"]] == [None, 0.02, None, 0.005]


def test_csv_has_a_row_a_change(by_hand, tmp_path):
    read = pd.read_csv(by_hand.to_csv(tmp_path / "robustness.csv"))
    pd.testing.assert_frame_equal(read, by_hand.table)


@pytest.mark.parametrize("write", [Robustness.to_csv, Robustness.to_json])
def test_files_are_not_replaced_unasked(by_hand, tmp_path, write):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="already exists"):
        write(by_hand, tmp_path / "file")
    write(by_hand, tmp_path / "file", overwrite=True)
    assert (tmp_path / "file").read_text() != "mine"


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"segmenter": "a", "patients": []}', "\x00"])
def test_damaged_json_is_named(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError, match=r"bad\.json: expected a table as Robustness\.to_json writes it"):
        Robustness.from_json(tmp_path / "bad.json")
    with pytest.raises(DataError, match=r"none\.json: can't be read"):
        Robustness.from_json(tmp_path / "none.json")


def test_incomplete_tables_are_refused(by_hand):
    with pytest.raises(ValueError, match="without dice"):
        Robustness("", by_hand.patients.drop(columns="dice"))
    for rows in (by_hand.patients.iloc[1:], by_hand.patients.iloc[:-1], pd.concat([by_hand.patients] * 2)):
        with pytest.raises(ValueError, match="patients must be of one Dice for each patient unchanged"):
            Robustness("", rows)
