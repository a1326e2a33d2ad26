"""Presets from the Hub: the real client against a Hub on this machine."""

import json
import socket
import warnings
from types import SimpleNamespace

import httpx2
import huggingface_hub.file_download
import numpy as np
import pytest
from huggingface_hub import close_session, scan_cache_dir

from braintumorseg import DataError, load_pretrained
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE
from braintumorseg.presets.reader import build_model, read_preset, read_weights
from braintumorseg.zoo import hub_client
from braintumorseg.zoo.hub import RECORD_FILE
from zoo.hub_server import TOKEN
from zoo.tiny import NAME, hashes


def sent(hub, path):
    """Requests for the content of a file, by what its address ends with."""
    return [request for request in hub.requests if request.method == "GET" and request.path.endswith(path)]


def folder_of(cache, commit):
    return cache / "models--owner--tiny" / "snapshots" / commit


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


def test_cache_is_the_one_of_the_hub_s_tools(hub, commit, cache):
    load_pretrained(NAME, cache_dir=cache)
    (repo,) = scan_cache_dir(cache).repos
    (revision,) = repo.revisions
    assert (repo.repo_id, revision.commit_hash, revision.refs) == ("owner/tiny", commit, {"main"})
    assert {file.file_name for file in revision.files} == {CONFIG_FILE, WEIGHTS_FILE, RECORD_FILE}


def test_what_the_hub_s_tools_downloaded_is_verified_and_used(hub, commit, cache):
    huggingface_hub.snapshot_download("owner/tiny", cache_dir=cache, endpoint=hub.url)
    hub.requests.clear()
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    assert sent(hub, "") == []
    assert (folder_of(cache, commit) / RECORD_FILE).is_file()


def test_a_commit_in_the_cache_takes_no_request(hub, commit, tiny, cache):
    load_pretrained(f"{NAME}@{commit}", cache_dir=cache)
    assert len(sent(hub, CONFIG_FILE)) == len(sent(hub, hashes(tiny)[WEIGHTS_FILE])) == 1
    hub.requests.clear()
    load_pretrained(f"{NAME}@{commit}", cache_dir=cache)
    load_pretrained(NAME, revision=commit, cache_dir=cache)
    assert hub.requests == []


def test_both_files_are_of_one_commit_when_the_branch_moves_between_them(hub, commit, tiny_2, cache):
    moved = []

    class Moving(list):
        def append(self, request):
            super().append(request)
            if request.method == "GET" and not moved:
                moved.append(hub.publish("owner/tiny", tiny_2))

    hub.requests = Moving()
    assert load_pretrained(NAME, cache_dir=cache).threshold == 0.4
    assert load_pretrained(NAME, cache_dir=cache).threshold == 0.6
    assert moved


def test_moved_branch_is_followed_and_a_commit_stays(hub, commit, tiny, tiny_2, cache):
    load_pretrained(NAME, cache_dir=cache)
    load_pretrained(NAME, cache_dir=cache)
    assert len(sent(hub, hashes(tiny)[WEIGHTS_FILE])) == 1
    hub.publish("owner/tiny", tiny_2)
    assert load_pretrained(NAME, cache_dir=cache).threshold == 0.6
    assert load_pretrained(NAME, revision=commit, cache_dir=cache).threshold == 0.4
    assert len(sent(hub, hashes(tiny)[WEIGHTS_FILE])) == len(sent(hub, hashes(tiny_2)[WEIGHTS_FILE])) == 1


def test_branch_that_is_called_like_a_commit_is_refused(hub, commit, tiny_2, cache):
    other = hub.publish("owner/tiny", tiny_2)
    hub.repos["owner/tiny"].branches[commit] = other
    with pytest.raises(DataError, match=f"{NAME}@{commit}: {hub.url} answered with another commit, {other}"):
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
    assert not list(cache.rglob("*.json"))


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
    with pytest.raises(
        DataError, match=f"{message}, and there is no whole copy in .*braintumorseg zoo download {NAME}@main"
    ):
        load_pretrained(NAME, cache_dir=cache)
    assert len(hub.requests) == 1
    hub.faults.clear()
    load_pretrained(NAME, cache_dir=cache)
    hub.fault(**fault)
    with pytest.warns(UserWarning, match=rf"{message}.*; using the copy of {commit[:12]}") as caught:
        assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    assert caught[0].filename == __file__
    with pytest.raises(DataError, match="a fresh copy was asked for"):
        load_pretrained(NAME, cache_dir=cache, source="hub")


@pytest.fixture
def patient(monkeypatch):
    """The client waits a second before it asks again, which takes no time here."""
    monkeypatch.setattr(huggingface_hub.file_download, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.parametrize("file", [CONFIG_FILE, WEIGHTS_FILE])
@pytest.mark.parametrize("fault", ["cut", "flip"])
@pytest.mark.usefixtures("patient")
def test_damage_on_the_way_is_fetched_once_more(hub, commit, tiny, cache, file, fault):
    path = CONFIG_FILE if file == CONFIG_FILE else hashes(tiny)[WEIGHTS_FILE]
    hub.fault(path, times=1, **{fault: True})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    assert hashes(folder_of(cache, commit)) == hashes(tiny)
    assert len(sent(hub, path)) == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cut", r"can't be reached for {} \(peer closed connection .*received \d+ bytes"),
        ("flip", "{}: came damaged: expected SHA-256 {}, found [0-9a-f]{{64}}"),
    ],
)
@pytest.mark.usefixtures("patient")
def test_what_stays_damaged_is_refused_and_not_kept(hub, commit, tiny, cache, fault, message):
    expected = hashes(tiny)[WEIGHTS_FILE]
    hub.fault(expected, **{fault: True})
    with pytest.raises(DataError, match=message.format(WEIGHTS_FILE, expected)):
        load_pretrained(NAME, cache_dir=cache)
    assert len(sent(hub, expected)) <= 6
    assert {path.name for path in folder_of(cache, commit).iterdir()} == {CONFIG_FILE}
    assert [path.name for path in cache.rglob("blobs/*")] == [(folder_of(cache, commit) / CONFIG_FILE).resolve().name]
    hub.faults.clear()
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"


def test_configuration_that_stays_damaged_is_refused(hub, commit, cache):
    hub.fault("resolve-cache", flip=True)
    with pytest.raises(DataError, match=r"came damaged: expected git hash [0-9a-f]{40}, found"):
        load_pretrained(NAME, cache_dir=cache)


def test_slow_download_arrives(hub, commit, tiny, cache):
    hub.fault(hashes(tiny)[WEIGHTS_FILE], crawl=0.05)
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"


# ---- no network


def break_network(monkeypatch, how):
    """Take the Hub away, as networks do; return what the error says."""
    close_session()  # the client keeps connections and proxies
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    if how in ("closed port", "no such name"):
        url = f"http://{address}" if how == "closed port" else "http://hub.invalid"
        monkeypatch.setenv("HF_ENDPOINT", url)
        return f"{url} (can't be reached|did not answer)"
    scheme = how.removesuffix(" proxy")
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://{address}")
    return {"socks5": "SOCKS proxy", "ftp": "scheme"}.get(scheme, "can't be reached for")


@pytest.fixture
def attempts(monkeypatch):
    """Requests that the client tried to send."""
    sends, send = [], httpx2.Client.send
    monkeypatch.setattr(httpx2.Client, "send", lambda *args, **options: sends.append(args) or send(*args, **options))
    yield sends
    close_session()


NETWORKS = ("closed port", "no such name", "http proxy", "socks5 proxy", "ftp proxy")


@pytest.mark.parametrize("how", NETWORKS)
def test_no_network_is_told_at_the_first_attempt(hub, commit, cache, attempts, monkeypatch, how):
    message = break_network(monkeypatch, how)
    with pytest.raises(
        DataError,
        match=rf"{NAME}@main: .*{message}.*there is no whole copy.*run: braintumorseg zoo download {NAME}@main$",
    ):
        load_pretrained(NAME, cache_dir=cache)
    assert len(attempts) <= 1
    assert hub.requests == []


@pytest.mark.parametrize("how", NETWORKS)
def test_cached_branch_is_used_without_a_network(hub, commit, tiny_2, cache, attempts, monkeypatch, how):
    hub.publish("owner/tiny", tiny_2, branch="next/try")
    load_pretrained(NAME, cache_dir=cache)
    load_pretrained(NAME, revision="next/try", cache_dir=cache)
    message = break_network(monkeypatch, how)
    for name, threshold in ((NAME, 0.4), (f"{NAME}@next/try", 0.6)):
        with pytest.warns(UserWarning, match=f"{message}.*; using the copy of"):
            assert load_pretrained(name, cache_dir=cache).threshold == threshold
    with pytest.raises(DataError, match="there is no whole copy"):
        load_pretrained(f"{NAME}@other", cache_dir=cache)


def test_copy_of_a_branch_stays_in_use_until_the_next_one_is_whole(hub, commit, tiny_2, cache):
    load_pretrained(NAME, cache_dir=cache)
    hub.publish("owner/tiny", tiny_2)
    hub.fault(hashes(tiny_2)[WEIGHTS_FILE], status=500)
    with pytest.warns(UserWarning, match=f"answered 500 .*; using the copy of {commit[:12]}"):
        assert load_pretrained(NAME, cache_dir=cache).threshold == 0.4
    hub.faults.clear()
    hub.fault(status=503)
    with pytest.warns(UserWarning, match=f"using the copy of {commit[:12]}"):
        assert load_pretrained(NAME, cache_dir=cache).threshold == 0.4


def test_a_hub_that_does_not_answer_is_given_up(hub, commit, cache, monkeypatch):
    monkeypatch.setattr(hub_client, "_ANSWER_SECONDS", 0.5)
    hub.fault(pause=60, times=1)
    with pytest.raises(DataError, match=rf"{hub.url} did not answer within 0\.5 s .*there is no whole copy"):
        load_pretrained(NAME, cache_dir=cache)
    assert hub.answers == 0  # nobody waited for the one that comes in a minute


def test_another_server_than_a_hub_is_no_network(hub, commit, cache, monkeypatch, tiny):
    """Such as one that sends the login page of a hotel whatever it is asked for."""
    url = f"{hub.files_url}/{hashes(tiny)[WEIGHTS_FILE]}?"
    load_pretrained(NAME, cache_dir=cache)
    monkeypatch.setenv("HF_ENDPOINT", url)
    with pytest.warns(UserWarning, match="the answer names no commit; .*using the copy of"):
        load_pretrained(NAME, cache_dir=cache)
    with pytest.raises(DataError, match=r"the answer names no commit; expected a Hugging Face Hub at"):
        load_pretrained(NAME, cache_dir=cache, source="hub")


def test_repository_that_can_t_be_one_is_named(hub, cache):
    with pytest.raises(DataError, match=r"hf://owner/a--b: .*'owner/a--b'"):
        load_pretrained("hf://owner/a--b", cache_dir=cache)
    assert hub.requests == []


# ---- bounds


def test_configuration_of_any_size_is_not_read(hub, tmp_path, cache):
    (tmp_path / "huge").mkdir()
    (tmp_path / "huge" / CONFIG_FILE).write_bytes(bytes(2**23))
    hub.publish("owner/huge", tmp_path / "huge")
    with pytest.raises(DataError, match=f"{CONFIG_FILE}: expected at most {2**22} bytes, got {2**23}"):
        load_pretrained("hf://owner/huge", cache_dir=cache)
    assert hub.sent == 0
    assert not cache.exists()


def test_weights_larger_than_the_architecture_are_not_read(hub, tiny, tmp_path, cache):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / CONFIG_FILE).write_bytes((tiny / CONFIG_FILE).read_bytes())
    (tmp_path / "more" / WEIGHTS_FILE).write_bytes(bytes(8 * 2**20))
    hub.publish("owner/more", tmp_path / "more")
    limit = 4 * read_preset(tiny).parameters + 2**20
    with pytest.raises(DataError, match=f"expected at most {limit} bytes, got {8 * 2**20}"):
        load_pretrained("hf://owner/more", cache_dir=cache)
    assert hub.sent < 2**20


def test_configuration_of_a_stranger_is_data(hub, tiny, tmp_path, cache):
    (tmp_path / "evil").mkdir()
    config = json.loads((tiny / CONFIG_FILE).read_text())
    (tmp_path / "evil" / CONFIG_FILE).write_text(json.dumps(config | {"auto_map": "os.system"}))
    hub.publish("owner/evil", tmp_path / "evil")
    with pytest.raises(
        DataError, match=r"hf://owner/evil@[0-9a-f]{40}/braintumorseg\.json: expected format 1 with the keys"
    ):
        load_pretrained("hf://owner/evil", cache_dir=cache)
    assert [request for request in hub.requests if WEIGHTS_FILE in request.path] == []


# ---- the cache


@pytest.mark.parametrize("file", [CONFIG_FILE, WEIGHTS_FILE])
def test_damage_in_the_cache_is_named_and_healed(hub, commit, tiny, cache, file):
    load_pretrained(NAME, cache_dir=cache)
    folder = folder_of(cache, commit)
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
    path = folder_of(cache, commit) / file
    flip(path)
    hub.fault(status=500)
    with (
        pytest.warns(UserWarning, match="damaged: expected SHA-256"),
        pytest.raises(DataError, match="there is no whole copy"),
    ):
        load_pretrained(NAME, cache_dir=cache)
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"../..", b"\xff"])
@pytest.mark.parametrize("file", [RECORD_FILE, "main"])
def test_damaged_notes_of_the_cache_are_written_anew(hub, commit, cache, file, content):
    load_pretrained(NAME, cache_dir=cache)
    (path,) = cache.rglob(file)
    whole = path.read_bytes()
    path.write_bytes(content)
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    assert path.read_bytes() == whole


def test_branch_that_leads_out_of_the_cache_leaves_no_note(hub, commit, cache):
    hub.repos["owner/tiny"].branches["../../../out"] = commit
    assert load_pretrained(f"{NAME}@../../../out", cache_dir=cache).name == "tiny"
    assert {path.name for path in cache.iterdir()} == {"models--owner--tiny", ".locks", "CACHEDIR.TAG"}
    assert not list(cache.rglob("refs/*"))
    assert {path.name for path in cache.parent.iterdir()} == {cache.name}


def test_hub_as_the_source_always_downloads(hub, commit, tiny, cache):
    for count in (1, 2):
        load_pretrained(f"{NAME}@{commit}", cache_dir=cache, source="hub")
        assert len(sent(hub, hashes(tiny)[WEIGHTS_FILE])) == count
