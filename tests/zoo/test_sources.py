"""Where presets are looked for: with the package, in folders, in the cache, on the Hub."""

from dataclasses import replace
from pathlib import Path

import pytest

from braintumorseg import DataError, load_pretrained
from braintumorseg.presets.bundled import BUNDLED
from braintumorseg.presets.pins import PINS, Pin
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE
from zoo.tiny import NAME, hashes


@pytest.fixture
def pin(hub, commit, tiny, monkeypatch):
    pin = Pin("owner/tiny", commit, hashes(tiny))
    monkeypatch.setitem(PINS, "tiny", pin)
    return pin


def test_pinned_preset_comes_from_the_hub_and_then_from_the_cache(hub, pin, tiny_2, cache):
    hub.publish("owner/tiny", tiny_2)  # the branch has moved; the pin has not
    assert load_pretrained("tiny", cache_dir=cache).threshold == 0.4
    hub.requests.clear()
    assert load_pretrained("tiny", cache_dir=cache).threshold == 0.4
    assert hub.requests == []
    assert load_pretrained("tiny", revision="main", cache_dir=cache).threshold == 0.6


def test_preset_of_the_hub_alone_is_not_bundled(hub, pin, cache):
    for options in ({}, {"revision": "main"}):
        with pytest.raises(ValueError, match=r"source must be .auto. or .hub. for .*tiny"):
            load_pretrained("tiny", source="bundled", cache_dir=cache, **options)
    assert hub.requests == []


def test_what_the_hub_holds_must_be_what_was_pinned(hub, pin, tiny_2, cache, monkeypatch):
    monkeypatch.setitem(PINS, "tiny", replace(pin, commit=hub.publish("owner/tiny", tiny_2)))
    with pytest.raises(
        DataError, match=rf"{CONFIG_FILE}: came damaged: expected SHA-256 {pin.sha256[CONFIG_FILE]}, found"
    ):
        load_pretrained("tiny", cache_dir=cache)


def test_cached_copy_of_other_hashes_than_the_pin_s_is_not_used(hub, pin, tiny_2, cache, monkeypatch):
    load_pretrained(f"hf://{pin.repo}@{pin.commit}", cache_dir=cache)
    monkeypatch.setitem(PINS, "tiny", replace(pin, sha256=hashes(tiny_2)))
    with pytest.warns(UserWarning, match="damaged: expected SHA-256"), pytest.raises(DataError, match="came damaged"):
        load_pretrained("tiny", cache_dir=cache)


def test_bundled_copy_is_used_where_its_hash_is_the_pin_s(hub, pin, cache, monkeypatch):
    monkeypatch.setitem(PINS, "resunet-lgg", replace(pin, sha256=hashes(BUNDLED / "resunet-lgg")))
    for source in ("auto", "bundled"):
        assert load_pretrained("resunet-lgg", cache_dir=cache, source=source).name == "resunet-lgg"
    assert hub.requests == []


def test_bundled_copy_of_another_hash_gives_way_to_the_hub(hub, pin, cache, monkeypatch):
    monkeypatch.setitem(PINS, "resunet-lgg", pin)
    message = rf"resunet-lgg/{CONFIG_FILE}: damaged: expected SHA-256 {pin.sha256[CONFIG_FILE]}, found [0-9a-f]{{64}}"
    with pytest.warns(UserWarning, match=f"{message}; using the copy of hf://owner/tiny") as caught:
        assert load_pretrained("resunet-lgg", cache_dir=cache).name == "tiny"
    assert caught[0].filename == __file__
    hub.requests.clear()
    with pytest.raises(DataError, match=message):
        load_pretrained("resunet-lgg", cache_dir=cache, source="bundled")
    assert hub.requests == []


def test_pins_are_commits_with_hashes():
    for name, pin in PINS.items():
        assert len(pin.commit) == 40
        assert pin.sha256.keys() == {CONFIG_FILE, WEIGHTS_FILE}
        if (BUNDLED / name).exists():
            assert hashes(BUNDLED / name) == pin.sha256


# ---- arguments


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resunet-lgg", {"source": "zoo"}, "source must be one of 'auto', 'hub', 'bundled'; got 'zoo'"),
        (
            "resunet-lgg",
            {"source": "hub"},
            "for resunet-lgg, which comes with the package and is not on the Hub; got 'hub'",
        ),
        ("resunet-lgg", {"revision": "main"}, "revision must be None for resunet-lgg, which comes with the package"),
        ("folder", {"revision": "main"}, "revision must be None for the folder folder"),
        ("folder", {"source": "bundled"}, None),
        ("hf://owner", {}, "name must be hf://owner/repo or hf://owner/repo@revision; got 'hf://owner'"),
        (f"{NAME}@main", {"revision": "v1"}, "revision must be None, as hf://owner/tiny@main names one"),
        (NAME, {"source": "bundled"}, "source must be 'auto' or 'hub' for hf://owner/tiny; got 'bundled'"),
        ("nothing", {}, r"name must be one of .*resunet-lgg.*, hf://owner/repo\[@revision\], or a folder that holds"),
    ],
)
def test_arguments_that_contradict_each_other(hub, tiny, name, options, message):
    Path("folder").symlink_to(tiny)
    if message is None:
        assert load_pretrained(name, **options).name == "tiny"
        return
    with pytest.raises(ValueError, match=message):
        load_pretrained(name, **options)
    assert hub.requests == []
