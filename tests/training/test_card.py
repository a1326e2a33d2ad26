import math

import pytest

from braintumorseg import LGGDataset, load_pretrained, make_study
from braintumorseg.datasets import lgg_split
from braintumorseg.presets import Card
from braintumorseg.training import TrainConfig, recipes
from braintumorseg.training.card import run_card
from braintumorseg.training.patients import Patients
from cases import write_case

CLAIMS = ("LGG", "TCGA", "CC BY", "77", "glioma")


@pytest.fixture
def patients():
    """Three own patients to train on, one to validate on; nothing is read of them."""
    return Patients.of(["own/a", "own/b", "own/c"], [make_study(seed=0, shape=(1, 32, 32))])


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_says_nothing_of_data(name, patients):
    """A run of it on other patients would say the same."""
    config = TrainConfig.read(name)
    card = run_card(config, patients, None, {"phantom-0": 0.75})
    slices = "8000 of 96x96" if name == "quick" else "64000 of 128x128, then 48000 of 192x192"
    assert card.recipe.startswith(f"{name}, {config.digest()}: augmented slices, {slices}")
    assert not [claim for claim in CLAIMS if claim in str(card).replace(card.recipe, "")]
    assert (card.data, card.licence, card.limits) == ("3 patients", "", "")
    assert card.split == "by patient: 3 to train on, 1 to validate on, by whom nothing was chosen"
    assert card.intended_use == Card().intended_use


def test_scores_are_those_of_the_validation_patients(tiny, patients):
    card = run_card(tiny, patients, None, {"a": 0.5, "b": 0.7, "c": 0.71117})
    assert [(score.value, score.data) for score in card.scores] == [
        (0.6371, "3 validation patients"),
        (0.7, "3 validation patients"),
    ]
    assert card.patients == {"a": 0.5, "b": 0.7, "c": 0.7112}
    for nothing in ({}, {"a": math.nan, "b": 0.5}):  # JSON has no such number
        assert run_card(tiny, patients, None, nothing).scores == ()
        assert run_card(tiny, patients, None, nothing).patients == {}


def test_no_validation(tiny):
    assert run_card(tiny, Patients.of(["a"], ()), None, {}).split == "by patient: 1 to train on, no others"


def test_the_dataset_is_named_where_it_was_given(tiny, tmp_path):
    names = [*lgg_split("train")[:2], lgg_split("val")[0]]
    for seed, name in enumerate(names):
        write_case(tmp_path / name, seed, slices=1)
    dataset = LGGDataset(tmp_path)
    card = run_card(tiny, Patients.of(dataset.subset(names[:2]), dataset.subset(names[2:])), None, {names[2]: 0.8})
    assert card.data.startswith("2 patients of the LGG dataset (TCGA-LGG: images CC BY 3.0; masks ")
    assert card.split.endswith(
        "of the project's split, 2 of its 77 train, 0 of its 13 val, 0 of its 20 test patients were trained on"
    )
    assert card.scores[0].data == "1 validation patient of the LGG dataset"
    assert card.licence == ""
    paths = run_card(tiny, Patients.of([dataset.path(name) for name in names[:2]], ()), None, {})
    assert paths.data == "2 patients"  # folders of such names may hold anything


def test_stated_texts_follow_the_counts(tiny, patients):
    texts = {
        "summary": "Finds cysts.",
        "data": "Clinic X, 2020",
        "split": "2 centres",
        "licence": "CC0",
        "limits": "None.",
    }
    card = run_card(tiny.replace(card=texts | {"intended_use": "Teaching."}), patients, None, {})
    assert card.data == "3 patients; Clinic X, 2020"
    assert card.split.startswith("by patient: 3 to train on, ")
    assert card.split.endswith("; 2 centres")
    assert (card.summary, card.licence, card.limits, card.intended_use) == ("Finds cysts.", "CC0", "None.", "Teaching.")


def test_the_origin_of_the_first_weights_is_in_the_recipe(tiny, patients):
    start = load_pretrained("resunet-lgg-small")
    card = run_card(tiny, patients, start, {})
    assert (
        f"; started from resunet-lgg-small (licence: {start.card.licence}; data: {start.card.data}; recipe: "
        in card.recipe
    )
    assert (card.data, card.licence) == ("3 patients", "")
    start.card = None
    unknown = "; started from resunet-lgg-small (licence: not stated; data: not stated; recipe: not stated)"
    assert run_card(tiny, patients, start, {}).recipe.endswith(unknown)
