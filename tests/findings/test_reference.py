"""References: quantiles that anyone can check, and distances in units of the studies themselves."""

import json

import numpy as np
import pytest

from braintumorseg.findings import Reference


def rows(count=40, seed=0):
    random = np.random.default_rng(seed)
    return [{"symmetry": value, "flair p50": other} for value, other in random.normal(1, 0.1, (count, 2))]


@pytest.fixture(scope="module")
def reference():
    return Reference.fit(rows(), "forty draws")


def test_quantiles(reference):
    values = [row["symmetry"] for row in rows()]
    assert reference.quantiles["symmetry"] == pytest.approx(
        np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95)), abs=1e-4
    )
    assert (reference.source, reference.studies) == ("forty draws", 40)


def test_one_study_in_twenty_is_farther_away_than_one(reference):
    others = [reference.distance(row)[0] for row in rows(4000, seed=1)]
    assert np.mean(np.array(others) > 1) == pytest.approx(0.05, abs=0.04)
    assert max(others) < 3


def test_the_farthest_feature_is_named(reference):
    distance, feature = reference.distance({"symmetry": 1.0, "flair p50": 3.0})
    assert feature == "flair p50"
    assert distance > 5
    assert reference.distance({"symmetry": 1.0, "flair p50": -1.0}) == (pytest.approx(distance, rel=0.3), "flair p50")


def test_features_that_a_study_lacks_are_left_out(reference):
    assert reference.distance({"symmetry": 1.0})[0] < 0.5
    assert reference.distance({}) == reference.distance({"new": 9.0}) == (0.0, "")


@pytest.mark.parametrize(
    "name", ["certainty", "level", "tumour share", "true share", "peak", "inside", "outside", "distance"]
)
def test_what_was_found_is_no_distance_of_the_images(name):
    reference = Reference.fit([row | {name: 0.5} for row in rows()], "draws")
    assert reference.distance({"symmetry": 1.0, "flair p50": 1.0, name: 99.0})[0] < 0.5


def test_a_feature_that_few_studies_have_is_left_out():
    few = [row | {"t1 p5": 1.0} if place < 5 else row for place, row in enumerate(rows())]
    assert "t1 p5" not in Reference.fit(few, "draws").quantiles


def test_studies_that_are_all_the_same():
    reference = Reference.fit([{"symmetry": 0.5}] * 10, "ten copies")
    assert reference.distance({"symmetry": 0.5})[0] == 0
    assert reference.distance({"symmetry": 0.9})[0] > 10


def test_few_studies_are_no_reference():
    with pytest.raises(ValueError, match="rows must be of at least 10 studies; got 9"):
        Reference.fit(rows(9), "nine")


def test_what_was_found_may_only_fall_short():
    """What is surer and brighter than usual is no reason to doubt it."""
    random = np.random.default_rng(0)
    rows = [{"certainty": sure, "level": bright} for sure, bright in random.normal(1, 0.1, (60, 2))]
    reference = Reference.fit(rows, "sixty draws")
    assert reference.shortfall({"certainty": 5.0, "level": 9.0}) == 0
    assert reference.shortfall({}) == 0
    low = reference.shortfall({"certainty": 0.8, "level": 0.8})
    assert low > 1
    assert reference.shortfall({"certainty": 0.8, "level": 1.2}) == pytest.approx(low / 2**0.5, rel=0.2)
    others = [dict(zip(("certainty", "level"), row, strict=True)) for row in random.normal(1, 0.1, (4000, 2))]
    assert np.mean([reference.shortfall(row) > 1 for row in others]) == pytest.approx(0.05, abs=0.04)


def test_round_trip_through_json(reference):
    assert Reference.from_config(json.loads(json.dumps(reference.get_config()))) == reference
