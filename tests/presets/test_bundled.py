import math
import shutil

import pytest

from braintumorseg import DataError, list_pretrained, load_pretrained
from braintumorseg.presets import Pin, bundled, verify_pretrained
from braintumorseg.presets.bundled import known_names
from braintumorseg.presets.pins import PINS
from braintumorseg.presets.preset import CONFIG_FILE, WEIGHTS_FILE
from command_line import run


@pytest.fixture
def presets(tmp_path, monkeypatch):
    """Two bundled presets that may be damaged."""
    for name in ("a-small", "b"):
        shutil.copytree(bundled.BUNDLED / "resunet-lgg", tmp_path / "presets" / name)
    monkeypatch.setattr(bundled, "BUNDLED", tmp_path / "presets")
    return tmp_path / "presets"


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", list_pretrained().index)
def test_row_says_what_the_preset_is(name):
    row, segmenter = list_pretrained().loc[name], load_pretrained(name)
    headline = segmenter.card.scores[0]
    assert (row["dice"], row["convention"], row["measured_on"]) == (headline.value, headline.convention, headline.data)
    assert row["interval"] == headline.interval
    assert (row["task"], row["licence"]) == (segmenter.card.summary, segmenter.card.licence)
    assert row["parameters"] == segmenter.model.count_params()
    size = (bundled.BUNDLED / name / WEIGHTS_FILE).stat().st_size
    assert row["megabytes"] == pytest.approx(size / 1e6, abs=0.1)
    for part in (*segmenter.preprocessing.sequences, f"at {segmenter.preprocessing.size}x"):
        assert part in row["input"]
    assert (row["settings"], row["source"]) == ("int8", "bundled")


@pytest.mark.parametrize(
    ("pattern", "names"), [(None, ["a-small", "b"]), ("*-small", ["a-small"]), ("b", ["b"]), ("B", []), ("resunet", [])]
)
def test_pattern(presets, pattern, names):
    assert list(list_pretrained(pattern).index) == names
    assert list(verify_pretrained(pattern)) == names


def test_a_card_without_scores_is_listed(presets):
    segmenter = load_pretrained("b")
    segmenter.card = None
    segmenter.save(presets / "b", overwrite=True)
    row = list_pretrained().loc["b"]
    assert math.isnan(row["dice"])
    assert (row["convention"], row["licence"]) == ("", "not stated")


def test_a_preset_of_the_hub_alone_is_listed(presets, monkeypatch):
    monkeypatch.setitem(PINS, "a-large", Pin("owner/large", "0" * 40, {}))
    monkeypatch.setitem(PINS, "b", Pin("owner/b", "0" * 40, {}))
    table = list_pretrained()
    assert table["source"].to_dict() == {"a-large": "hub", "a-small": "bundled", "b": "bundled"}
    row = table.loc["a-large"]
    assert (row["task"], row["licence"], row["convention"]) == ("not stated", "not stated", "")
    assert row[["dice", "parameters", "megabytes"]].isna().all()
    assert f"{table.loc['b', 'parameters']:,}" == "2,035,553"
    assert list(list_pretrained("*-large").index) == ["a-large"]
    assert known_names() == list(table.index)
    assert list(verify_pretrained()) == ["a-small", "b"]
    done = run("zoo", "list")
    assert "not known here" in done.stdout
    assert "nan" not in done.stdout.lower()


def test_whole_files_are_verified():
    assert set(verify_pretrained().values()) == {""}
    assert list(verify_pretrained()) == list(list_pretrained().index)


def test_damaged_weights_are_named(presets):
    flip_a_bit(presets / "b" / WEIGHTS_FILE)
    found = verify_pretrained()
    assert found["a-small"] == ""
    assert f"{presets / 'b' / WEIGHTS_FILE}: damaged or not the weights of resunet-lgg: expected SHA-256" in found["b"]


@pytest.mark.parametrize("file", [CONFIG_FILE, WEIGHTS_FILE])
def test_missing_file_is_named(presets, file):
    (presets / "b" / file).unlink()
    assert f"{presets / 'b' / file}: can't be read" in verify_pretrained()["b"]


def test_damaged_configuration_is_named(presets):
    (presets / "b" / CONFIG_FILE).write_text("{")
    assert f"{presets / 'b' / CONFIG_FILE}: is not a preset's configuration" in verify_pretrained()["b"]
    with pytest.raises(DataError, match=r"braintumorseg\.json: is not"):
        list_pretrained()
    assert load_pretrained("a-small").name == "resunet-lgg"  # one damaged preset does not take the others with it
