import json
import math
import weakref
from dataclasses import replace

import keras
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintumorseg import DataError, Preprocessing, Segmentation, Segmenter, Study, dice, make_study
from braintumorseg.datasets import open_dataset
from braintumorseg.evaluation.comparison import compare
from braintumorseg.evaluation.evaluate import evaluate, score
from braintumorseg.evaluation.intervals import bootstrap_interval
from braintumorseg.evaluation.pictures import plot_dice
from braintumorseg.evaluation.report import write_evaluation
from braintumorseg.evaluation.table import Evaluation
from braintumorseg.measures import measure
from layouts import write_bids

# Voxels of one slice: true, predicted, both.
BY_HAND = {
    "A": [(4, 4, 4), (0, 2, 0), (0, 0, 0)],
    "B": [(8, 8, 6), (2, 0, 0)],
    "C": [(2, 2, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)],
}
WIDTH = 16
count = st.integers(0, WIDTH // 2)
slice_counts = st.tuples(count, count, count).map(lambda c: (c[0], c[1], min(c)))
patients_counts = st.lists(st.lists(slice_counts, min_size=1, max_size=5), min_size=2, max_size=6)


def pair(name, slices, **options):
    """A study and what was found in it, with the stated numbers of voxels in each slice."""
    places = np.arange(WIDTH)
    truth = np.array([[places < true] for true, _, _ in slices])
    found = [(places >= true - shared) & (places < true - shared + predicted) for true, predicted, shared in slices]
    volume = np.zeros((*truth.shape, len(options.get("sequences", "123"))))
    return Study(volume, mask=truth, name=name, **options), Segmentation(np.array(found)[:, None], name=name)


def scored(patients, **options):
    return score([pair(name, slices) for name, slices in patients.items()], **options)


def named(lists):
    return {f"patient {index}": slices for index, slices in enumerate(lists)}


def with_dice(**eighths):
    """Patients of one slice, 8 voxels true and 8 predicted, so that their Dice is the number shared / 8."""
    return {name: [(8, 8, shared)] for name, shared in eighths.items()}


@pytest.fixture(scope="module")
def by_hand():
    return scored(BY_HAND, name="by hand")


@pytest.fixture(scope="module")
def segmenter():
    """A model that needs no training: probability is the FLAIR's z-score around a threshold."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.array([0, 8, 0], np.float32).reshape(1, 1, 3, 1), np.array([-8.0], np.float32)])
    return Segmenter(model, Preprocessing(size=64), name="bright")


# Conventions


def test_six_conventions_by_hand(by_hand):
    table = by_hand.conventions()
    assert by_hand.table["dice"].tolist() == pytest.approx([8 / 10, 12 / 18, 2 / 4])
    assert table["dice"].to_dict() == pytest.approx(
        {
            "patient_mean": (8 / 10 + 12 / 18 + 2 / 4) / 3,
            "patient_median": 12 / 18,
            "pooled_pixels": (8 + 12 + 2) / (10 + 18 + 4),
            "tumour_slices": (1 + 0.75 + 0 + 0.5) / 4,
            "skip_empty_slices": (1 + 0 + 0.75 + 0 + 0.5) / 5,
            "empty_slice_is_one": (1 + 0 + 1 + 0.75 + 0 + 0.5 + 4 * 1) / 10,
        }
    )
    assert table.index[table["headline"]].tolist() == ["patient_mean"]
    assert table["dice"].round(3).nunique() == table["counted"].nunique() == 6


def test_conventions_of_no_tumour_and_nothing_found():
    table = scored({"A": [(0, 0, 0)], "B": [(0, 0, 0), (0, 0, 0)]}).conventions()["dice"]
    assert table[["patient_mean", "patient_median", "pooled_pixels", "empty_slice_is_one"]].tolist() == [1, 1, 1, 1]
    assert table[["tumour_slices", "skip_empty_slices"]].isna().all()


def test_conventions_of_a_false_alarm_and_of_a_miss():
    false_alarm = scored({"A": [(0, 3, 0), (0, 0, 0)]}).conventions()["dice"]
    assert false_alarm[["patient_mean", "pooled_pixels", "skip_empty_slices"]].tolist() == [0, 0, 0]
    assert false_alarm["empty_slice_is_one"] == 0.5
    assert math.isnan(false_alarm["tumour_slices"])
    miss = scored({"A": [(3, 0, 0), (0, 0, 0)]}).conventions()["dice"]
    assert miss.drop("empty_slice_is_one").tolist() == [0] * 5


@settings(deadline=None, max_examples=30)
@given(patients_counts)
def test_conventions_of_any_masks(lists):
    pairs = [pair(name, slices) for name, slices in named(lists).items()]
    table = score(pairs).conventions(resamples=10)["dice"]
    each = [dice(study.mask, found.mask) for study, found in pairs]
    slices = [dice(t, p, empty=np.nan) for study, found in pairs for t, p in zip(study.mask, found.mask, strict=True)]
    tumour = [dice(t, p) for study, found in pairs for t, p in zip(study.mask, found.mask, strict=True) if t.any()]
    truth, found = (np.concatenate([m.ravel() for m in masks]) for masks in zip(*_masks(pairs), strict=True))
    assert table["patient_mean"] == pytest.approx(np.mean(each))
    assert table["patient_median"] == pytest.approx(np.median(each))
    assert table["pooled_pixels"] == pytest.approx(dice(truth, found))
    assert table["empty_slice_is_one"] == pytest.approx(np.nan_to_num(slices, nan=1).mean())
    kept = [value for value in slices if not math.isnan(value)]
    assert table["skip_empty_slices"] == pytest.approx(np.mean(kept) if kept else np.nan, nan_ok=True)
    assert table["tumour_slices"] == pytest.approx(np.mean(tumour) if tumour else np.nan, nan_ok=True)


def _masks(pairs):
    return [(study.mask, found.mask) for study, found in pairs]


def test_intervals_of_conventions_are_those_of_the_patients(by_hand):
    table = by_hand.conventions(seed=4)
    summary = by_hand.summary(seed=4)
    assert (table.loc["patient_mean", "low"], table.loc["patient_mean", "high"]) == pytest.approx(
        (summary.low, summary.high)
    )
    # A resample of three may be C alone or A alone, more often than in 2.5 % (1 / 27 = 3.7 %).
    assert (summary.low, summary.high) == pytest.approx((0.5, 0.8))
    assert (table.loc["pooled_pixels", "low"], table.loc["pooled_pixels", "high"]) == pytest.approx((0.5, 0.8))


# Tables


def test_a_single_patient_has_no_interval():
    assert math.isnan(scored({"A": [(1, 1, 1)]}).summary().low)


def test_table_holds_every_measure(by_hand):
    study, found = pair("B", BY_HAND["B"])
    row = by_hand.table.set_index("name").loc["B"]
    for name, value in measure(study.mask, found.mask).to_dict().items():
        assert row[name] == value
    assert (row["institution"], row["missing_sequences"], row["slices"]) == ("not given", "none", 2)
    counts = by_hand.slices[by_hand.slices["name"] == "B"]
    assert counts[["slice", "true", "predicted", "shared"]].to_numpy().tolist() == [[0, 8, 8, 6], [1, 2, 0, 0]]


def test_summary_by_hand():
    evaluation = scored(with_dice(A=8, B=4, C=2, D=0, E=6))
    summary = evaluation.summary()
    assert (summary.patients, summary.mean, summary.median) == (5, 0.5, 0.5)
    assert (summary.lower_quartile, summary.upper_quartile) == (0.25, 0.75)
    assert (summary.low, summary.high) == bootstrap_interval([1, 0.5, 0.25, 0, 0.75])
    assert evaluation.summary("iou").mean == pytest.approx(np.mean([1, 1 / 3, 1 / 7, 0, 3 / 5]))
    for word in ("dice", "per patient", "every slice in", "5 patients", "mean 0.500", "percentile", "10000 resamples"):
        assert word in str(summary)
    with pytest.raises(ValueError, match=r"measure must be one of 'dice'.*got 'hd95'"):
        evaluation.summary("hd95")


def test_groups_by_hand():
    pairs = [
        pair("A", [(8, 8, 8)], sequences=("flair",)),
        pair("B", [(6, 6, 3)], sequences=("t1", "flair")),
        pair("C", [(4, 4, 0)], sequences=("flair",)),
        pair("D", [(2, 2, 1)]),
    ]
    evaluation = score(pairs, institutions={"A": "X", "B": "Y", "C": "X"})
    by = evaluation.by("missing_sequences")
    assert by["mean"].to_dict() == {"none": 0.5, "t1ce": 0.5, "t1, t1ce": 0.5}
    assert by["patients"].to_dict() == {"none": 1, "t1ce": 1, "t1, t1ce": 2}
    by = evaluation.by("institution")
    assert by["mean"].to_dict() == {"X": 0.5, "Y": 0.5, "not given": 0.5}
    assert by.loc["X", ["low", "high"]].tolist() == [0, 1]
    by = evaluation.by("tumour_size", "iou")  # the thirds of 2, 4, 6, 8 end at 4 and 6
    assert by["patients"].to_dict() == {"small": 2, "medium": 1, "large": 1}
    assert list(by.index) == ["small", "medium", "large"]
    assert by["mean"].tolist() == pytest.approx([(1 / 3 + 0) / 2, 1 / 3, 1])
    with pytest.raises(ValueError, match="column must be one of 'institution'"):
        evaluation.by("hd95")


def test_sizes_of_two_units_are_not_mixed():
    evaluation = score([pair("A", [(1, 1, 1)]), pair("B", [(1, 1, 1)], spacing=(5, 1, 1))])
    with pytest.raises(ValueError, match="tumour sizes in mL and voxels"):
        evaluation.by("tumour_size")
    assert "tumour size" not in str(evaluation)
    assert "institution" in str(evaluation)


def test_figures_do_not_depend_on_the_order(by_hand):
    turned = scored(dict(reversed(BY_HAND.items())), name="by hand")
    assert str(turned) == str(by_hand)
    assert turned.summary() == by_hand.summary()
    pd.testing.assert_frame_equal(turned.conventions(), by_hand.conventions())


def test_text_names_the_convention_of_each_figure(by_hand):
    first, *lines = str(by_hand).splitlines()
    assert "by hand on 3 patients" in first
    assert "10000 resamples" in first
    conventions, rest = lines[:6], lines[6:]
    for line, (_, row) in zip(conventions, by_hand.conventions().iterrows(), strict=True):
        assert f"{row['dice']:.3f} (" in line
        assert row["counted"] in line
        assert line.endswith("headline") == row["headline"]
    assert rest[0] == str(by_hand.summary())
    for line, column in zip(rest[1:], ("institution", "tumour_size", "missing_sequences"), strict=True):
        groups = [f"{key} {row['mean']:.3f} (n = {row['patients']:.0f})" for key, row in by_hand.by(column).iterrows()]
        assert line == f"Mean Dice by {column.replace('_', ' ')}: {', '.join(groups)}"
    assert "whole-volume Dice 0.656" in repr(by_hand)


# Files


def test_json_round_trip(tmp_path):
    evaluation = scored({**BY_HAND, "missed": [(3, 0, 0)]}, name="unet", institutions={"A": "CS"})
    path = evaluation.to_json(tmp_path / "new" / "evaluation.json")
    again = Evaluation.from_json(path)
    assert again.segmenter == "unet"
    assert np.isinf(again.table["hd95"].iloc[-1])
    pd.testing.assert_frame_equal(again.table, evaluation.table)
    pd.testing.assert_frame_equal(again.slices, evaluation.slices)
    assert str(again) == str(evaluation)
    record = json.loads(path.read_text())
    assert [row["headline"] for row in record["dice"]] == [True] + [False] * 5
    assert record["summary"]["median"] == evaluation.summary().median
    assert [row["mean"] for row in record["groups"]["institution"]] == evaluation.by("institution")["mean"].tolist()


def test_everything_is_written_or_nothing(by_hand, tmp_path):
    folder = write_evaluation(by_hand, tmp_path / "out")
    assert (folder / "summary.txt").read_text() == f"{by_hand}\n"
    assert str(Evaluation.from_json(folder / "evaluation.json")) == str(by_hand)
    assert (folder / "dice.png").read_bytes().startswith(b"\x89PNG")
    for name in ("dice.png", "summary.txt"):
        (folder / name).unlink()
    (folder / "patients.csv").write_text("mine")
    with pytest.raises(DataError, match=r"patients\.csv: already exists"):
        write_evaluation(by_hand, folder)
    assert not (folder / "dice.png").exists()
    write_evaluation(by_hand, folder, text="other words", overwrite=True)
    assert (folder / "summary.txt").read_text() == "other words\n"
    assert len(pd.read_csv(folder / "patients.csv")) == 3


def test_csv_has_a_row_a_patient(by_hand, tmp_path):
    read = pd.read_csv(by_hand.to_csv(tmp_path / "evaluation.csv"))
    pd.testing.assert_frame_equal(read, by_hand.table, check_dtype=False)
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.csv"]


@pytest.mark.parametrize("write", [Evaluation.to_csv, Evaluation.to_json])
def test_files_are_not_replaced_unasked(by_hand, tmp_path, write):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="already exists"):
        write(by_hand, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    write(by_hand, tmp_path / "file", overwrite=True)
    assert "mine" not in (tmp_path / "file").read_text()


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"segmenter": "a", "patients": [], "slices": {}}', "\x00"])
def test_damaged_json_is_named(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError, match=r"bad\.json: expected an evaluation"):
        Evaluation.from_json(tmp_path / "bad.json")
    with pytest.raises(DataError, match=r"none\.json: can't be read"):
        Evaluation.from_json(tmp_path / "none.json")


def test_tables_that_do_not_belong_together_are_refused(by_hand):
    with pytest.raises(ValueError, match=r"slices must be of the patients of the table"):
        Evaluation("", by_hand.table, by_hand.slices.query("name != 'A'"))
    with pytest.raises(ValueError, match=r"one row a patient; got several of A"):
        Evaluation("", pd.concat([by_hand.table, by_hand.table.head(1)]), by_hand.slices)
    with pytest.raises(ValueError, match=r"without dice"):
        Evaluation("", by_hand.table.drop(columns="dice"), by_hand.slices)


def test_other_settings_are_refused(by_hand, tmp_path):
    with pytest.raises(ValueError, match="precision must be one of None, 'float32', 'int8'; got 'int4'"):
        Evaluation("", by_hand.table, by_hand.slices, precision="int4")
    record = json.loads(by_hand.to_json(tmp_path / "evaluation.json").read_text())
    for change in ({"tta": "yes"}, {"precision": "int4"}):
        (tmp_path / "bad.json").write_text(json.dumps(record | change))
        with pytest.raises(DataError, match=rf"bad\.json: expected an evaluation .*{next(iter(change))} must be"):
            Evaluation.from_json(tmp_path / "bad.json")
    del record["tta"]
    (tmp_path / "bad.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"bad\.json: expected an evaluation .*tta"):
        Evaluation.from_json(tmp_path / "bad.json")


def test_one_precision_of_segmentations_is_recorded_and_several_are_not():
    study, found = pair("A", [(2, 2, 1)])
    other = pair("B", [(2, 2, 1)])
    int8 = replace(found, precision="int8")
    assert score([(study, int8)], name="x").label == "x (int8)"
    assert score([(study, int8), other], name="x").label == "x"
    assert score([(study, found)], name="x", tta=True).label == "x (test-time augmentation)"


# From a segmenter


def test_evaluate_predicts_and_measures_studies(segmenter, tmp_path):
    study = make_study(seed=1, shape=(4, 96, 96))
    image = nib.Nifti1Image(study.geometry.to_file(study.volume), study.geometry.file_affine)
    nib.save(image, tmp_path / "case.nii.gz")
    found = segmenter.predict(study)
    evaluation = evaluate(segmenter, [study], institutions={study.name: "X"})
    assert evaluation.segmenter == "bright"
    row = evaluation.table.loc[0]
    for name, value in measure(study.mask, found.mask, study.spacing).to_dict().items():
        assert row[name] == value
    assert 0 < row["dice"] < 1
    assert row["institution"] == "X"
    assert evaluation.summary().mean == dice(study.mask, found.mask)
    with pytest.raises(DataError, match=r"case\.nii\.gz: has no mask"):
        evaluate(segmenter, [study, tmp_path / "case.nii.gz"])


def test_settings_are_fields(segmenter, tmp_path):
    study = make_study(seed=0, shape=(3, 64, 64))
    inputs = keras.Input((None, None, 3))
    ramp = keras.layers.Lambda(
        lambda images: 4 * images[..., 1:2] + keras.ops.cumsum(0 * images[..., 1:2] + 0.05, axis=2) - 4
    )
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(ramp(inputs)))  # finds more on the right
    uneven = Segmenter(model, Preprocessing(size=64), name="uneven")
    evaluation = evaluate(uneven, [study], tta=True)
    assert (evaluation.segmenter, evaluation.tta, evaluation.precision) == ("uneven", True, "float32")
    assert evaluation.label == "uneven (float32, test-time augmentation)"
    assert str(evaluation).startswith(f"{evaluation.label} on 1 patient")
    again = Evaluation.from_json(evaluation.to_json(tmp_path / "evaluation.json"))
    assert (again.segmenter, again.tta, again.precision) == ("uneven", True, "float32")
    assert evaluate(uneven, [study]).label == "uneven (float32)"
    flipped, plain = (dice(study.mask, uneven.predict(study, tta=tta).mask) for tta in (True, False))
    assert evaluation.table["dice"].item() == flipped != plain


def test_evaluate_reads_masks_of_paths(segmenter, tmp_path):
    study = make_study(seed=1, shape=(1, 96, 96))
    image = np.clip(study.volume[0], 0, 255).astype(np.uint8)
    keras.utils.save_img(tmp_path / "case.png", image, scale=False)
    keras.utils.save_img(tmp_path / "case_mask.png", 255 * study.mask[0, ..., None].astype(np.uint8), scale=False)
    evaluation = evaluate(segmenter, [str(tmp_path / "case.png")])
    assert evaluation.table["true_volume"].item() == study.mask.sum()
    assert evaluation.table["dice"].item() > 0


def test_a_dataset_brings_its_institutions(segmenter, tmp_path):
    root = write_bids(tmp_path)
    table = evaluate(segmenter, open_dataset(root)).table
    assert table["name"].tolist() == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]
    assert table["institution"].tolist() == ["York", "York", "Leeds"]
    for path in root.rglob("sub-02*_mask.nii.gz"):
        path.unlink()
    with pytest.raises(DataError, match=r"sub-02 has no mask; expected derivatives/\*\*/sub-\*_mask.nii.gz"):
        evaluate(segmenter, open_dataset(root))


def test_one_study_is_in_memory_at_a_time(segmenter):
    alive = []

    def studies():
        for seed in range(3):
            assert all(reference() is None for reference in alive)
            alive.append(weakref.ref(study := make_study(seed=seed, shape=(2, 64, 64))))
            box = [study]
            del study
            yield box.pop()

    evaluation = evaluate(segmenter, studies())
    assert len(alive) == len(evaluation.table) == 3


def test_what_can_not_be_evaluated_is_named():
    study, found = pair("A", [(1, 1, 1)])
    with pytest.raises(DataError, match="A: has no mask"):
        score([(study.with_mask(None), found)])
    with pytest.raises(DataError, match="A: comes twice"):
        score([(study, found), (study, found)])
    with pytest.raises(ValueError, match="studies must be at least one"):
        score([])
    with pytest.raises(ValueError, match="of the truth's shape"):
        score([(study, pair("A", [(1, 1, 1), (1, 1, 1)])[1])])


# Comparison and picture


def test_comparison_by_hand():
    first = scored(with_dice(A=4, B=4, C=4, D=4, E=4), name="old")
    second = scored(dict(reversed(with_dice(A=8, B=7, C=6, D=4, E=3).items())), name="new")
    found = compare(first, second)
    differences = [4 / 8, 3 / 8, 2 / 8, 0, -1 / 8]
    assert (found.wins, found.losses, found.patients) == (3, 1, 5)
    assert found.difference == pytest.approx(np.mean(differences))
    assert (found.low, found.high) == pytest.approx(bootstrap_interval(differences))
    # Ranks of the four: 4, 3, 2 against 1; of 16 signings, 2 give a sum of at most 1 on one side: p = 2 * 2 / 16.
    assert found.p_value == pytest.approx(0.25)
    for word in ("new minus old", "per-patient dice", "+0.200", "p = 0.25", "better on 3, worse on 1, equal on 1 of 5"):
        assert word in str(found)
    back = compare(second, first)
    assert (back.difference, back.wins, back.p_value) == (pytest.approx(-found.difference), 1, found.p_value)


def test_comparison_with_itself(by_hand):
    found = compare(by_hand, by_hand)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    assert found.wins == found.losses == 0


def test_comparison_needs_the_same_patients_and_masks(by_hand):
    others = scored({"A": BY_HAND["A"], "B": BY_HAND["B"], "D": [(1, 1, 1)]})
    with pytest.raises(ValueError, match=r"same patients as first; got only in one: C, D"):
        compare(by_hand, others)
    with pytest.raises(ValueError, match=r"same masks as first; got others for C"):
        compare(by_hand, scored({**BY_HAND, "C": [(3, 2, 1)] + [(0, 0, 0)] * 4}))
    with pytest.raises(ValueError, match=r"same masks as first; got others for C"):
        compare(by_hand, scored({**BY_HAND, "C": [(2, 2, 1)] + [(0, 0, 0)] * 9}))
    with pytest.raises(ValueError, match="measure must be one of"):
        compare(by_hand, by_hand, measure="hd95")


def test_picture_shows_each_patient_and_the_lines(by_hand):
    figure = plot_dice(by_hand)
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.5, 2 / 3, 0.8])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C", "B", "A"]
    assert [line.get_xdata()[0] for line in axes.lines] == pytest.approx([59 / 90, 2 / 3])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mean 0.656", "median 0.667"]
    assert "whole volume, every slice in" in axes.get_xlabel()
    assert "by hand: 3 patients" in axes.get_title()
