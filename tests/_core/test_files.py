from concurrent.futures import ThreadPoolExecutor

import pytest

from braintumorseg import DataError
from braintumorseg._core.files import replacing


def test_file_appears_whole_and_nothing_else_stays(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path, overwrite=False) as beside:
        beside.write_text("whole")
        assert not path.exists()
        assert beside.suffix == ".txt"
    assert path.read_text() == "whole"
    assert [each.name for each in path.parent.iterdir()] == ["a.txt"]


def test_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with replacing(path, overwrite=True) as beside:
            beside.write_text("ha")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_full_disk_is_one_clear_error(tmp_path):
    def write():
        with replacing(tmp_path / "a.txt", overwrite=False):
            raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"a\.txt: can't be written \(No space left on device\)"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_not_touched(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with replacing(path, overwrite=False) as beside:
            beside.write_text("new")

    with pytest.raises(DataError, match="already exists"):
        write()
    assert path.read_text() == "old"


def test_threads_do_not_write_to_one_file(tmp_path):
    with replacing(tmp_path / "a.txt", overwrite=True) as mine, ThreadPoolExecutor() as pool:
        mine.write_text("mine")
        pool.submit(write_quickly, tmp_path / "a.txt").result()
        assert mine.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "mine"


def write_quickly(path):
    with replacing(path, overwrite=True) as beside:
        beside.write_text("theirs")
