"""Publishing: the real client uploads to a Hub on this machine, and what lies there is loaded again."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import HfApi, ModelCard, close_session

import braintumorseg
from braintumorseg import DataError, load_pretrained
from braintumorseg.presets import Card, Pin, Score
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE
from braintumorseg.presets.reader import read_preset
from braintumorseg.zoo import push_to_hub
from braintumorseg.zoo.hub_card import render_hub_card
from command_line import run
from zoo.hub_server import TOKEN

REPO = "owner/mine"


@pytest.fixture
def writing(hub, monkeypatch):
    """The Hub, for one who may write to it."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


@pytest.fixture
def segmenter(tiny):
    return load_pretrained(tiny)


def test_what_is_published_is_loaded_again(writing, segmenter, tmp_path):
    pin = push_to_hub(segmenter, REPO, commit_message="First")
    assert isinstance(pin, Pin)
    assert (pin.repo, writing.repos[REPO].branches["main"], writing.repos[REPO].messages) == (
        REPO,
        pin.commit,
        ["First"],
    )
    assert pin.sha256.keys() == {CONFIG_FILE, WEIGHTS_FILE}
    for name in (f"hf://{REPO}", f"hf://{REPO}@{pin.commit}"):
        again = load_pretrained(name, cache_dir=tmp_path / "cache")
        assert (again.name, again.threshold, again.min_voxels) == (
            segmenter.name,
            segmenter.threshold,
            segmenter.min_voxels,
        )
        assert (again.preprocessing, again.card) == (segmenter.preprocessing, segmenter.card)
        images = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype(np.float32)
        np.testing.assert_array_equal(again.model(images), segmenter.model(images))


def test_the_hub_s_client_sees_a_repository_as_any_other(writing, segmenter):
    pin = push_to_hub(segmenter, REPO)
    api = HfApi(endpoint=writing.url)
    info = api.model_info(REPO)
    assert (info.sha, info.private) == (pin.commit, False)
    tree = {entry.path: entry for entry in api.list_repo_tree(REPO)}
    assert tree.keys() == {"README.md", CONFIG_FILE, WEIGHTS_FILE}
    assert tree[WEIGHTS_FILE].lfs.sha256 == pin.sha256[WEIGHTS_FILE]
    assert tree[CONFIG_FILE].lfs is None


def test_private_and_branch(writing, segmenter, tmp_path, monkeypatch):
    push_to_hub(segmenter, REPO, private=True)
    segmenter.threshold = 0.25
    pin = push_to_hub(segmenter, REPO, revision="lower")
    assert writing.repos[REPO].private
    assert writing.repos[REPO].branches["lower"] == pin.commit != writing.repos[REPO].branches["main"]
    assert writing.repos[REPO].messages == ["Publish tiny", "Publish tiny"]
    assert load_pretrained(f"hf://{REPO}@lower", cache_dir=tmp_path).threshold == 0.25
    assert load_pretrained(f"hf://{REPO}", cache_dir=tmp_path).threshold == 0.4
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(DataError, match="no such repository"):
        load_pretrained(f"hf://{REPO}", cache_dir=tmp_path / "other")


def test_other_files_of_the_repository_stay(writing, segmenter, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "notes.txt").write_text("mine")
    writing.publish(REPO, tmp_path / "theirs")
    pin = push_to_hub(segmenter, REPO)
    assert writing.repos[REPO].commits[pin.commit].keys() == {"notes.txt", "README.md", CONFIG_FILE, WEIGHTS_FILE}


def test_card_is_what_the_hub_reads(writing, segmenter, tiny):
    pin = push_to_hub(segmenter, REPO)
    text = writing.repos[REPO].commits[pin.commit]["README.md"].content.decode()
    assert text == render_hub_card(read_preset(tiny), REPO)
    data = ModelCard(text).data  # the Hub's own parser, model-index included
    assert (data.license, data.library_name, data.pipeline_tag) == ("cc-by-4.0", "braintumorseg", "image-segmentation")
    assert {"keras", "mri", "resunet"} <= set(data.tags)
    assert data.metrics == ["dice"]
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("dice", 0.75, "3 phantoms")
    assert result.metric_name == "Dice, mean over patients"
    assert result.metric_args == {"convention": "mean over patients", "tta": False, "interval_95": [0.5, 0.875]}
    assert yaml.safe_load(text.split("---\n")[1])["model-index"][0]["name"] == "tiny"
    assert "# tiny\n" in text
    assert f'load_pretrained("hf://{REPO}")' in text


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC BY-NC-SA 4.0, as the masks that it was trained on", ("cc-by-nc-sa-4.0", None)),
        ("Apache-2.0", ("apache-2.0", None)),
        ("MIT; see the paper", ("mit", None)),
        ("House rules, 2nd edition", ("other", "house-rules")),
    ],
)
def test_licence_in_the_hub_s_spelling(tiny, licence, expected):
    preset = read_preset(tiny)
    data = ModelCard(render_hub_card(replace(preset, card=replace(preset.card, licence=licence)), REPO)).data
    assert (data.license, data.license_name) == expected


def test_settings_of_a_score_are_told_apart(tiny):
    preset = read_preset(tiny)
    scores = tuple(
        Score("Dice", "mean", "3 phantoms", 0.5, tta=tta, precision=precision)
        for tta, precision in ((False, "int8"), (True, "int8"), (False, "float32"))
    )
    data = ModelCard(render_hub_card(replace(preset, card=replace(preset.card, scores=scores)), REPO)).data
    assert [result.metric_args for result in data.eval_results] == [
        {"convention": "mean", "tta": score.tta, "precision": score.precision} for score in scores
    ]
    assert len({result.metric_name for result in data.eval_results}) == 3


def test_texts_of_a_card_can_t_break_its_metadata(tiny):
    preset = read_preset(tiny)
    score = Score("Dice: [x]", "a\n---\nlicense: mit", "'\"{}", 0.5)
    data = ModelCard(render_hub_card(replace(preset, card=replace(preset.card, scores=(score,))), REPO)).data
    assert data.license == "cc-by-4.0"
    assert data.eval_results[0].metric_args == {"convention": score.convention, "tta": False}


@pytest.mark.parametrize(
    ("card", "lacking"),
    [
        (None, "no card"),
        ({"licence": " "}, "a card without licence"),
        ({"licence": "not stated"}, "a card without licence"),
        ({"scores": ()}, "a card without scores"),
    ],
)
def test_without_licence_or_scores_nothing_is_sent(writing, segmenter, card, lacking):
    segmenter.card = None if card is None else replace(segmenter.card, **card)
    with pytest.raises(
        ValueError, match=f"segmenter must be one whose card states a licence and has scores; got {lacking}"
    ):
        push_to_hub(segmenter, REPO)
    assert writing.requests == []


def test_wrong_repository_is_refused(writing, segmenter):
    with pytest.raises(ValueError, match="repo must be owner/name; got 'mine'"):
        push_to_hub(segmenter, "mine")


def test_without_token(hub, segmenter):
    with pytest.raises(
        DataError, match=r"hf://owner/mine: .* refused to publish \(401.*HF_TOKEN to a token that may write"
    ):
        push_to_hub(segmenter, REPO)


def test_without_network(writing, segmenter, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DataError, match=r"hf://owner/mine: can't be published at http://127\.0\.0\.1:1"):
        push_to_hub(segmenter, REPO)


def test_proxy_that_the_client_has_no_package_for(writing, segmenter, monkeypatch):
    close_session()  # the client keeps its proxies
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(DataError, match=r"hf://owner/mine: can't be published at .*SOCKS proxy"):
        push_to_hub(segmenter, REPO)


def test_upload_that_does_not_arrive_is_an_error(writing, segmenter):
    writing.fault("lfs-verify", status=404)
    with pytest.raises(DataError, match="can't be published at"):
        push_to_hub(segmenter, REPO)
    assert writing.repos[REPO].commits == {}


def test_what_comes_back_changed_is_an_error(writing, segmenter):
    writing.fault("resolve-cache", flip=True)
    with pytest.raises(DataError, match=f"{CONFIG_FILE}: came damaged: expected SHA-256"):
        push_to_hub(segmenter, REPO)


def test_command(writing, tiny, tmp_path):
    done = run("zoo", "publish", tiny, REPO, "--private", "-m", "From the shell")
    assert done.returncode == 0, done.stderr
    commit = writing.repos[REPO].branches["main"]
    assert done.stdout.splitlines()[0] == "published and verified: tiny"
    assert done.stdout.splitlines()[-1] == f'load it with: load_pretrained("hf://{REPO}@{commit}")'
    assert writing.repos[REPO].messages == ["From the shell"]
    assert writing.repos[REPO].private
    wrong = run("zoo", "publish", tiny, "mine")
    assert (wrong.returncode, wrong.stderr) == (2, "braintumorseg: error: repo must be owner/name; got 'mine'\n")


def test_defaults_of_a_card_are_not_enough(writing, segmenter):
    segmenter.card = Card(*["x"] * 4, "not stated", "x", "x", ())
    with pytest.raises(ValueError, match="a card without licence"):
        push_to_hub(segmenter, REPO)


def test_download_command_fills_the_cache(hub, tiny, tmp_path):
    """What errors without a network tell users to run."""
    hub.publish(REPO, tiny)
    environment = {**os.environ, "HF_HOME": str(tmp_path), "PYTHONPATH": str(Path(braintumorseg.__file__).parents[1])}
    for offline in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-m", "braintumorseg", "zoo", "download", f"hf://{REPO}@main"],
            env=environment | {"HF_HUB_OFFLINE": offline},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"hf://{REPO}@main: is on this machine, and verified\n"
