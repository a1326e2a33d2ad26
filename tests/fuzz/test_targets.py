"""The seeds of the fuzzing are read well, and what it found stays an error that says what is wrong."""

import io
import zipfile

import pytest

from braintumorseg import DataError
from fuzz.targets import TARGETS, outcome


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(name, tmp_path):
    (tmp_path / "seeds").mkdir()
    for number, seed in enumerate(TARGETS[name].seeds(tmp_path / "seeds")):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = outcome(name, seed, folder)
        assert not isinstance(found, DataError), found


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "dicom"])  # whose other slices are a study
@pytest.mark.parametrize("content", [b"", b"\0" * 200, b"P" * 5000])
def test_rubbish_is_named(name, content, tmp_path):
    assert isinstance(outcome(name, content, tmp_path), DataError)


# Found by fuzzing: the target, the number of its seed, the bytes that were changed, and into what.
FOUND = {
    "pixels of an unknown kind": ("dicom", 0, b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x10\x00O\x05", "can't be decoded"),
    "no pixels at all": (
        "dicom-multiframe",
        0,
        b"\xe0\x7f\x10\x00OW\0\0\0\x18",
        b"\xe0\x7f\x10\x00OW\0\0\0\0",
        "can't be decoded",
    ),
}


@pytest.mark.parametrize("fault", FOUND)
def test_what_fuzzing_found_is_named(fault, tmp_path):
    name, number, before, after, message = FOUND[fault]
    (tmp_path / "seeds").mkdir()
    seed = TARGETS[name].seeds(tmp_path / "seeds")[number]
    assert before in seed
    found = outcome(name, seed.replace(before, after), tmp_path)
    assert isinstance(found, DataError)
    assert message in str(found)


def test_a_zip_may_list_a_file_without_a_name(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"not an image")
    content = buffer.getvalue()
    lengths = content.rindex(b"PK\1\2") + 28  # of the name and of what follows it
    assert content[lengths : lengths + 4] == b"\1\0\0\0"
    found = outcome("zip", content[:lengths] + b"\0\0\1\0" + content[lengths + 4 :], tmp_path)
    assert isinstance(found, DataError), found
