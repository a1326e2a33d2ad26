import math
import sys

import numpy as np
import pandas as pd
import pytest

from braintumorseg import DataError, Segmentation, make_study
from braintumorseg.evaluation import classify_slices, slice_scores, write_slice_classification


def noisy(studies, sigma, seed=0):
    random = np.random.default_rng(seed)
    return [(study, study.mask.any(axis=(1, 2)) + random.normal(0, sigma, study.shape[0])) for study in studies]


def test_figures_are_those_of_the_slices(studies):
    found = classify_slices(noisy(studies, 0.5), threshold=0.5, by="noise")
    table = found.table
    assert len(table) == 120
    assert table["truth"].sum() == sum(study.mask.any(axis=(1, 2)).sum() for study in studies)
    assert found.accuracy == ((table["score"] >= 0.5) == table["truth"]).mean()
    counts = found.confusion
    assert counts.to_numpy().sum() == 120
    assert counts.loc["tumour", "no tumour"] == (table["truth"] & (table["score"] < 0.5)).sum()
    assert 0.8 < found.auc < 1
    low, high = found.auc_interval()
    assert low < found.auc < high
    assert not found.chosen_here
    assert "fixed before" in str(found)
    assert found.patients.loc["phantom-3", "score"] == table.loc[table["name"] == "phantom-3", "score"].max()


def test_threshold_is_chosen_where_none_is_given(studies):
    chosen = classify_slices(noisy(studies, 0.5))
    assert chosen.chosen_here
    assert chosen.accuracy >= classify_slices(noisy(studies, 0.5), threshold=0.5).accuracy
    assert "chosen on these slices" in str(chosen)
    kept = classify_slices(noisy(studies, 0.5, seed=1), threshold=chosen.threshold)
    assert kept.threshold == chosen.threshold


def test_scores_of_a_segmentation():
    probabilities = np.zeros((3, 4, 4))
    probabilities[0, 0, 0], probabilities[2, 1:3, 1:3] = 0.4, 0.9
    found = Segmentation(probabilities >= 0.5, probabilities)
    np.testing.assert_allclose(slice_scores(found), [0.4, 0, 0.9], atol=1e-6)
    assert slice_scores(found, "area").tolist() == [0, 0, 4]
    with pytest.raises(ValueError, match="one with probabilities"):
        slice_scores(Segmentation(probabilities >= 0.5))
    with pytest.raises(ValueError, match="by must be one of 'maximum', 'area'"):
        slice_scores(found, "mean")


def test_slices_of_one_kind_have_no_area():
    study = make_study(seed=0, shape=(6, 64, 64))
    found = classify_slices([(study.with_mask(np.ones(study.shape, bool)), np.ones(6))], threshold=0.5)
    assert found.accuracy == 1
    assert math.isnan(found.auc)
    assert math.isnan(found.auc_interval()[0])
    assert found.confusion.to_numpy().tolist() == [[0, 0], [0, 6]]


def test_what_can_t_be_judged_is_refused(studies):
    with pytest.raises(DataError, match="phantom-0: has no mask"):
        classify_slices([(studies[0].with_mask(None), np.ones(10))])
    with pytest.raises(ValueError, match="10 finite scores for 'phantom-0'"):
        classify_slices([(studies[0], np.ones(3))])
    with pytest.raises(ValueError, match="scored must be at least one study"):
        classify_slices([])


def test_without_scikit_learn_no_study_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match=r"braintumorseg\[research\]"):
        classify_slices(pytest.fail("a study was read") for _ in range(1))


def test_page(studies, tmp_path):
    found = classify_slices(noisy(studies, 0.5))
    page = write_slice_classification(found, tmp_path / "out").read_text()
    assert page.count("data:image/png;base64,") == 2  # scores below 0 have no calibration
    numbered = found.table.assign(slice=found.table["slice"] + 1).rename(columns={"slice": "slice_number"})
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "slices.csv"), numbered)
    within = classify_slices([(study, np.clip(scores, 0, 1)) for study, scores in noisy(studies, 0.2)])
    assert write_slice_classification(within, tmp_path / "other").read_text().count("data:image/png;base64,") == 3
    with pytest.raises(DataError, match="already exists"):
        write_slice_classification(found, tmp_path / "out")
