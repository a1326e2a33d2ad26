import math

import numpy as np
import pandas as pd
import pytest

from braintumorseg.evaluation import roc_auc
from braintumorseg.evaluation.slices.area import area_interval


def table(seed, patients=7, slices=12, share=0.4, levels=4):
    """Slices with many ties, and patients of different numbers of them."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, slices, patients)
    truth = random.random(counts.sum()) < share
    scores = np.round((random.random(counts.sum()) + truth) * levels)
    return pd.DataFrame(
        {"name": np.repeat([f"p{place}" for place in range(patients)], counts), "score": scores, "truth": truth}
    )


@pytest.mark.parametrize("share", [0.4, 0.06])
def test_interval_is_that_of_the_areas_of_all_draws(share):
    slices = table(1, share=share)
    groups = [rows for _, rows in slices.groupby("name")]
    random = np.random.default_rng(5)
    drawn = [pd.concat([groups[place] for place in random.integers(7, size=7)]) for _ in range(2_000)]
    areas = [roc_auc(each["score"], each["truth"]) for each in drawn if each["truth"].nunique() == 2]
    assert (len(areas) < 2_000) == (share < 0.1)
    expected = np.quantile(areas, [0.05, 0.95])
    assert area_interval(slices, confidence=0.9, seed=5) == pytest.approx(tuple(expected), rel=1e-12)


def test_order_of_slices_does_not_matter():
    slices = table(2)
    shuffled = slices.sample(frac=1, random_state=0)
    assert area_interval(shuffled, confidence=0.95, seed=0) == area_interval(slices, confidence=0.95, seed=0)


def test_what_has_no_spread_has_no_interval():
    slices = table(3)
    assert math.isnan(area_interval(slices.assign(name="p0"), confidence=0.95, seed=0)[0])
    assert math.isnan(area_interval(slices.assign(truth=True), confidence=0.95, seed=0)[1])
    with pytest.raises(ValueError, match="confidence must be"):
        area_interval(slices, confidence=1, seed=0)
