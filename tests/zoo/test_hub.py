"""Presets from the Hub: the real client against a Hub on this machine."""

import json
import socket
import time
import warnings

import numpy as np
import pytest

from braintumorseg import DataError, load_pretrained
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE, build_model, read_preset, read_weights
from braintumorseg.zoo.hub import RECORD_FILE
from zoo.hub_server import TOKEN
from zoo.tiny import NAME, hashes


def asked(hub, file):
    return [
        request
        for request in hub.requests
        if request.origin == "hub" and "/resolve/" in request.path and request.path.endswith(file)
    ]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# ---- what is there


def test_download_is_the_preset(hub, commit, tiny, cache):
    segmenter = load_pretrained(NAME, cache_dir=cache)
    preset = read_preset(tiny)
    assert (segmenter.name, segmenter.threshold, segmenter.min_voxels) == ("tiny", 0.4, 3)
    assert (segmenter.preprocessing, segmenter.card) == (preset.preprocessing, preset.card)
    images = np.random.default_rng(1).normal(size=(2, 16, 16, 3)).astype(np.float32)
    expected = build_model(preset, read_weights(tiny, preset))
    np.testing.assert_array_equal(segmenter.model(images), expected(images))
    assert {path.name for path in cache.rglob("*") if path.is_file()} == {
        CONFIG_FILE,
        WEIGHTS_FILE,
        RECORD_FILE,
        "main.json",
    }


def test_a_commit_in_the_cache_takes_no_request(hub, commit, cache):
    load_pretrained(f"{NAME}@{commit}", cache_dir=cache)
    assert len(asked(hub, CONFIG_FILE)) == len(asked(hub, WEIGHTS_FILE)) == 1
    hub.requests.clear()
    load_pretrained(f"{NAME}@{commit}", cache_dir=cache)
    load_pretrained(NAME, revision=commit, cache_dir=cache)
    assert hub.requests == []


def test_both_files_are_of_one_commit_when_the_branch_moves_between_them(hub, commit, tiny_2, cache):
    moved = []

    class Moving(list):
        def append(self, request):
            super().append(request)
            if "resolve-cache" in request.path and not moved:
                moved.append(hub.publish("owner/tiny", tiny_2))

    hub.requests = Moving()
    assert load_pretrained(NAME, cache_dir=cache).threshold == 0.4
    assert load_pretrained(NAME, cache_dir=cache).threshold == 0.6
    assert moved


def test_moved_branch_is_followed_and_a_commit_stays(hub, commit, tiny_2, cache):
    load_pretrained(NAME, cache_dir=cache)
    load_pretrained(NAME, cache_dir=cache)
    assert len(asked(hub, WEIGHTS_FILE)) == 1
    hub.publish("owner/tiny", tiny_2)
    assert load_pretrained(NAME, cache_dir=cache).threshold == 0.6
    assert load_pretrained(NAME, revision=commit, cache_dir=cache).threshold == 0.4
    assert len(asked(hub, WEIGHTS_FILE)) == 2


def test_branch_that_is_called_like_a_commit_is_refused(hub, commit, tiny_2, cache):
    other = hub.publish("owner/tiny", tiny_2)
    hub.repos["owner/tiny"].branches[commit] = other
    with pytest.raises(DataError, match=f"{NAME}@{commit}: {hub.url} sent the files of another commit, {other}"):
        load_pretrained(f"{NAME}@{commit}", cache_dir=cache)


def test_branch(hub, commit, tiny_2, cache):
    hub.publish("owner/tiny", tiny_2, branch="next")
    assert load_pretrained(f"{NAME}@next", cache_dir=cache).threshold == 0.6
    assert load_pretrained(NAME, cache_dir=cache).threshold == 0.4


def test_private_repository(hub, tiny, cache, monkeypatch):
    hub.publish("owner/tiny", tiny, private=True)
    with pytest.raises(
        DataError, match=r"hf://owner/tiny: no such repository .* \(401\).*hf auth login, or set HF_TOKEN"
    ):
        load_pretrained(NAME, cache_dir=cache)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    elsewhere = [request for request in hub.requests if request.origin == "files"]
    assert elsewhere
    assert all("Authorization" not in request.headers for request in elsewhere)


def test_wrong_token(hub, commit, cache, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(DataError, match=r"\(401\)"):
        load_pretrained(NAME, cache_dir=cache)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://owner/none", r"hf://owner/none: no such repository"),
        (f"{NAME}@v9", r"hf://owner/tiny: has no branch, tag or commit v9"),
        (
            "hf://owner/other",
            r"hf://owner/other@main: holds no braintumorseg\.json; expected a preset of braintumorseg",
        ),
    ],
)
def test_what_is_not_there_is_named(hub, commit, tmp_path, cache, name, message):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("something else")
    hub.publish("owner/other", tmp_path / "other")
    with pytest.raises(DataError, match=message):
        load_pretrained(name, cache_dir=cache)
    assert not cache.exists()


def test_404_is_no_network_error(hub, commit, cache):
    hub.fault(status=404)
    with pytest.raises(DataError, match=r"no such repository .* \(404\)"):
        load_pretrained(NAME, cache_dir=cache)


# ---- faults


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 500}, "answered 500 Internal Server Error"),
        ({"status": 429, "headers": {"Retry_After": "30"}}, "answered 429 Too Many Requests, try again in 30 s"),
    ],
)
def test_a_hub_in_trouble_is_asked_once_and_the_copy_is_used(hub, commit, cache, fault, message):
    hub.fault(**fault)
    start = time.perf_counter()
    with pytest.raises(
        DataError, match=f"{message}, and there is no whole copy in .*braintumorseg zoo download {NAME}@main"
    ):
        load_pretrained(NAME, cache_dir=cache)
    assert time.perf_counter() - start < 5
    assert len(hub.requests) == 1
    hub.faults.clear()
    load_pretrained(NAME, cache_dir=cache)
    hub.fault(**fault)
    with pytest.warns(UserWarning, match=rf"{message}.*; using the copy of {commit[:12]}") as caught:
        assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    assert caught[0].filename == __file__
    with pytest.raises(DataError, match="a fresh copy was asked for"):
        load_pretrained(NAME, cache_dir=cache, source="hub")


@pytest.mark.parametrize("file", [CONFIG_FILE, "sha256"])
@pytest.mark.parametrize("fault", ["cut", "flip"])
def test_damage_on_the_way_is_fetched_once_more(hub, commit, tiny, cache, file, fault):
    path = CONFIG_FILE if file == CONFIG_FILE else hashes(tiny)[WEIGHTS_FILE]
    where = f"resolve-cache/models/owner/tiny/{commit}/{path}" if file == CONFIG_FILE else path
    hub.fault(where, times=1, **{fault: True})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    assert hashes(cache / "owner--tiny" / commit) == hashes(tiny)
    assert len([request for request in hub.requests if request.path.endswith(where)]) == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [("cut", r"came cut after \d+ bytes"), ("flip", "came damaged: expected SHA-256 {}, found [0-9a-f]{{64}}")],
)
def test_what_stays_damaged_is_refused_and_not_kept(hub, commit, tiny, cache, fault, message):
    expected = hashes(tiny)[WEIGHTS_FILE]
    hub.fault(expected, **{fault: True})
    with pytest.raises(
        DataError, match=rf"{hub.url}/owner/tiny/resolve/{commit}/{WEIGHTS_FILE}: {message.format(expected)}"
    ):
        load_pretrained(NAME, cache_dir=cache)
    assert len([request for request in hub.requests if expected in request.path]) == 2
    assert not cache.exists()
    hub.faults.clear()
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"


def test_configuration_that_stays_damaged_is_refused(hub, commit, cache):
    hub.fault("resolve-cache", flip=True)
    with pytest.raises(DataError, match=r"came damaged: expected the git hash [0-9a-f]{40}, found"):
        load_pretrained(NAME, cache_dir=cache)


def test_slow_download_arrives(hub, commit, tiny, cache):
    hub.fault(hashes(tiny)[WEIGHTS_FILE], crawl=0.05)
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"


def test_a_hub_that_does_not_answer_is_given_up(hub, commit, cache):
    hub.fault(pause=20, times=1)
    assert_quick_error(cache, f"{hub.url} did not answer within 4 s")


@pytest.mark.parametrize("address", ["closed port", "no such name"])
def test_no_network_is_told_quickly(monkeypatch, cache, address):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"http://127.0.0.1:{port}" if address == "closed port" else "http://hub.invalid"
    monkeypatch.setenv("HF_ENDPOINT", url)
    assert_quick_error(cache, f"{url} can't be reached" if address == "closed port" else url)


def assert_quick_error(cache, message):
    start = time.perf_counter()
    with pytest.raises(DataError, match=rf"{NAME}@main: {message}.*run: braintumorseg zoo download {NAME}@main$"):
        load_pretrained(NAME, cache_dir=cache)
    assert time.perf_counter() - start < 5


def test_another_server_than_a_hub_is_refused(hub, commit, cache, monkeypatch, tiny):
    large = hashes(tiny)[WEIGHTS_FILE]
    load_pretrained(NAME, cache_dir=cache)
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.files_url}/{large}?")
    with pytest.raises(DataError, match=r"the answer names no commit; expected a Hugging Face Hub at"):
        load_pretrained(NAME, cache_dir=cache)


# ---- bounds


@pytest.mark.parametrize("announced", [True, False])
def test_configuration_of_any_size_is_not_read(hub, tmp_path, cache, announced):
    (tmp_path / "huge").mkdir()
    (tmp_path / "huge" / CONFIG_FILE).write_bytes(bytes(2**26))
    hub.publish("owner/huge", tmp_path / "huge")
    if not announced:
        hub.fault("resolve-cache", silent=True)
    with pytest.raises(DataError, match=f"expected at most {2**20} bytes, got more"):
        load_pretrained("hf://owner/huge", cache_dir=cache)
    assert hub.sent < 2**25  # what the sockets hold
    assert not cache.exists()


def test_weights_larger_than_the_architecture_are_not_read(hub, tiny, tmp_path, cache):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / CONFIG_FILE).write_bytes((tiny / CONFIG_FILE).read_bytes())
    (tmp_path / "more" / WEIGHTS_FILE).write_bytes(bytes(8 * 2**20))
    hub.publish("owner/more", tmp_path / "more")
    limit = 4 * read_preset(tiny).parameters + 2**20
    with pytest.raises(DataError, match=f"{WEIGHTS_FILE}: expected at most {limit} bytes, got more"):
        load_pretrained("hf://owner/more", cache_dir=cache)


def test_configuration_of_a_stranger_is_data(hub, tiny, tmp_path, cache):
    (tmp_path / "evil").mkdir()
    config = json.loads((tiny / CONFIG_FILE).read_text())
    (tmp_path / "evil" / CONFIG_FILE).write_text(json.dumps(config | {"auto_map": "os.system"}))
    hub.publish("owner/evil", tmp_path / "evil")
    with pytest.raises(
        DataError, match=r"hf://owner/evil@[0-9a-f]{40}/braintumorseg\.json: expected format 1 with the keys"
    ):
        load_pretrained("hf://owner/evil", cache_dir=cache)
    assert asked(hub, WEIGHTS_FILE) == []


# ---- the cache


@pytest.mark.parametrize("file", [CONFIG_FILE, WEIGHTS_FILE])
def test_damage_in_the_cache_is_named_and_healed(hub, commit, tiny, cache, file):
    load_pretrained(NAME, cache_dir=cache)
    folder = cache / "owner--tiny" / commit
    (folder / "notes.txt").write_text("of the user")
    flip(folder / file)
    damaged = hashes(folder)[file]
    message = rf"{folder / file}: damaged: expected SHA-256 {hashes(tiny)[file]}, found {damaged}; it is fetched again"
    with pytest.warns(UserWarning, match=message):
        assert load_pretrained(f"{NAME}@{commit}", cache_dir=cache).name == "tiny"
    assert hashes(folder) == hashes(tiny)
    assert (folder / "notes.txt").read_text() == "of the user"


@pytest.mark.parametrize("file", [CONFIG_FILE, WEIGHTS_FILE])
def test_damage_in_the_cache_is_not_loaded_without_a_network(hub, commit, cache, file):
    load_pretrained(NAME, cache_dir=cache)
    path = cache / "owner--tiny" / commit / file
    flip(path)
    hub.fault(status=500)
    with (
        pytest.warns(UserWarning, match="damaged: expected SHA-256"),
        pytest.raises(DataError, match="there is no whole copy"),
    ):
        load_pretrained(NAME, cache_dir=cache)
    assert path.exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"commit": "../.."}'])
@pytest.mark.parametrize("file", [RECORD_FILE, "main.json"])
def test_damaged_notes_of_the_cache_are_written_anew(hub, commit, cache, file, content):
    load_pretrained(NAME, cache_dir=cache)
    (path,) = cache.rglob(file)
    path.write_text(content)
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    assert len(path.read_text()) > len(content)


def test_hub_as_the_source_always_downloads(hub, commit, cache):
    for count in (1, 2):
        load_pretrained(f"{NAME}@{commit}", cache_dir=cache, source="hub")
        assert len(asked(hub, WEIGHTS_FILE)) == count
