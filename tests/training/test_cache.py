import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from braintumorseg import DataError, Preprocessing, make_study, read_study
from braintumorseg.datasets import Case, open_dataset
from braintumorseg.preprocessing.skull import brain_alone
from braintumorseg.training.cache import PreparedCache
from layouts import write_bids

PREPROCESSING = Preprocessing(size=48)


def write_study(folder, seed=0):
    study = make_study(seed=seed, shape=(4, 64, 64))
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.round(study.volume).astype(np.uint8)
    for number, (image, mask) in enumerate(zip(pixels, study.mask, strict=True), 1):
        Image.fromarray(image).save(folder / f"case_{number}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"case_{number}_mask.png")
    return folder


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "case")


@pytest.fixture
def cache(tmp_path):
    return PreparedCache(tmp_path / "cache", PREPROCESSING)


def entries(cache):
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def check(cached, path, preprocessing=PREPROCESSING):
    """Assert that this is what preprocessing gives now, but for the rounding of float16."""
    study = path.study() if isinstance(path, Case) else read_study(path)
    prepared = preprocessing.apply(study)
    target = preprocessing.apply_mask(study.mask, prepared.placement)
    assert cached.images.dtype == cached.targets.dtype == np.float16
    np.testing.assert_array_equal(cached.images, prepared.images.astype(np.float16))
    np.testing.assert_array_equal(cached.targets, target.astype(np.float16))
    np.testing.assert_array_equal(cached.tumour_slices(), study.mask.any(axis=(1, 2)))
    assert cached.name == study.name


def test_a_cached_study_is_the_prepared_study(cache, study):
    check(cache.get(study), study)
    check(PreparedCache(cache.folder, PREPROCESSING).get(str(study)), study)
    tumour = cache.get(study).tumour_slices()
    assert 0 < tumour.sum() < len(tumour)


def test_arrays_are_mapped_and_read_only(cache, study):
    cached = cache.get(study)
    assert isinstance(cached.images, np.memmap)
    assert isinstance(cached.targets, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        cached.images[0] = 0


def test_files_are_not_decoded_twice(cache, study):
    cache.get(study)
    expected = np.array(cache.get(study).images)
    for path in study.iterdir():  # the same size and time, and no picture any more
        stat = path.stat()
        path.write_bytes(bytes(stat.st_size))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    np.testing.assert_array_equal(cache.get(study).images, expected)


def test_rounding_to_float16_is_far_below_the_step_of_eight_bits(cache, study):
    exact = PREPROCESSING.apply(read_study(study)).images
    assert np.abs(cache.get(study).images - exact).max() <= 0.002


def replace_content(study):
    write_study(study, seed=1)


def touch(study):
    os.utime(study / "case_2.png", (0, 0))


def remove_a_slice(study):
    (study / "case_4.png").unlink()
    (study / "case_4_mask.png").unlink()


def change_one_mask(study):
    Image.new("L", (64, 64)).save(study / "case_2_mask.png")


@pytest.mark.parametrize("change", [replace_content, touch, remove_a_slice, change_one_mask])
def test_a_changed_file_gives_a_new_entry_in_place_of_the_old(cache, study, change):
    cache.get(study)
    before = entries(cache)
    time.sleep(0.01)  # file systems keep time in steps
    change(study)
    check(cache.get(study), study)
    after = entries(cache)
    assert len(before) == len(after) == 1
    assert before != after


@pytest.mark.parametrize(
    "other", [Preprocessing(size=40), Preprocessing(size=48, ceiling=3), Preprocessing(48, ("flair",))]
)
def test_another_preprocessing_has_entries_of_its_own(cache, study, other):
    cache.get(study)
    check(PreparedCache(cache.folder, other).get(study), study, other)
    check(cache.get(study), study)
    assert len(entries(cache)) == 2


def test_equal_names_in_two_places_do_not_mix(cache, tmp_path):
    first, second = write_study(tmp_path / "a" / "case"), write_study(tmp_path / "b" / "case", seed=1)
    for path in first.iterdir():
        os.utime(path, (0, 0))
        os.utime(second / path.name, (0, 0))
    check(cache.get(first), first)
    check(cache.get(second), second)
    check(cache.get(first), first)


def brighter(study):
    return replace(study, volume=study.volume**2)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("preprocessing.transform.Preprocessing.version", 7),
        ("training.cache._LAYOUT", 7),
        ("training.cache._code", lambda function: "changed"),
    ],
)
def test_another_version_layout_or_code_of_a_change_replaces_the_entry(cache, study, monkeypatch, place, value):
    """What an older version of the preprocessing prepared is not trained on."""
    cache.change = brighter
    cache.get(study)
    (old,) = entries(cache)
    monkeypatch.setattr(f"braintumorseg.{place}", value)
    cache.get(study)
    (new,) = entries(cache)
    assert (new.parent, new.name != old.name) == (old.parent, True)


def test_each_change_has_entries_of_its_own(cache, study):
    whole = cache.get(study)
    changed, stripped = (
        PreparedCache(cache.folder, PREPROCESSING, change=change).get(study) for change in (brighter, brain_alone)
    )
    assert len(entries(cache)) == 3
    assert not np.array_equal(whole.images, changed.images)
    assert not np.array_equal(changed.images, stripped.images)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:50],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"\0" * len(data),
        lambda data: data.replace(b"<f2", b"<i2"),
        lambda data: data.replace(b"'shape': (", b"'shape': -"),
        lambda data: data[: -48 * 48 * 2],
    ],
)
def test_a_damaged_entry_is_made_anew(cache, study, damage):
    cache.get(study)
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    assert damage(whole) != whole
    entry.write_bytes(damage(whole))
    check(cache.get(study), study)
    assert entry.read_bytes() == whole


def test_every_byte_of_the_header_may_be_damaged(cache, study):
    cache.get(study)
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    for position in range(128):
        entry.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert cache.get(study).images.shape == (4, 48, 48, 3), position


def test_threads_may_build_the_same_entry(cache, study):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(cache.get, [study] * 8))
    for cached in results:
        check(cached, study)
    assert len(entries(cache)) == 1


def test_processes_may_build_the_same_entries(cache, tmp_path):
    for seed in range(6):
        write_study(tmp_path / "studies" / str(seed), seed)
    script = (
        "import sys; from braintumorseg import Preprocessing; from braintumorseg.training.cache import PreparedCache\n"
        "cache = PreparedCache('cache', Preprocessing(size=48))\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for seed in range(6): assert cache.get(f'studies/{seed}').images.any()\n"
    )
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", script], **pipe) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:  # both start at once
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    for seed in range(6):
        check(cache.get(tmp_path / "studies" / str(seed)), tmp_path / "studies" / str(seed))
    assert len(entries(cache)) == 6


def test_an_image_file_and_its_mask(cache, study):
    path = study / "case_2.png"
    check(cache.get(path), path)
    assert len(entries(cache)) == 1
    change_one_mask(study)
    assert not cache.get(path).tumour_slices().any()


def test_what_cannot_be_cached_is_named(cache, study, tmp_path):
    with pytest.raises(DataError, match="nowhere: does not exist"):
        cache.get(tmp_path / "nowhere")
    for path in study.glob("*_mask.png"):
        path.unlink()
    with pytest.raises(DataError, match="case: has no mask; training needs the truth"):
        cache.get(study)
    assert entries(cache) == []


def test_a_folder_that_cannot_be_written_is_named(study, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match=r"cache/.*: can't be written"):
        PreparedCache(tmp_path / "cache", PREPROCESSING).get(study)


@pytest.mark.lgg
def test_precision_on_published_files(lgg_root, cache):
    path = next(folder for folder in sorted(lgg_root.iterdir()) if folder.is_dir())
    preprocessing = Preprocessing()
    exact = preprocessing.apply(read_study(path)).images
    cached = PreparedCache(cache.folder, preprocessing).get(path).images
    assert np.abs(cached - exact).max() <= 0.002


def test_a_case_of_several_files_is_kept_by_all_of_them(cache, tmp_path):
    dataset = open_dataset(write_bids(tmp_path / "data"))
    case = dataset.case("sub-02")
    check(cache.get(case), case)
    assert cache.get(case).name == "sub-02"
    (entry,) = entries(cache)
    check(cache.get(case), case)
    assert entries(cache) == [entry]
    touch_file(case.mask)
    check(cache.get(case), case)
    assert entries(cache) != [entry]
    case.mask.unlink()
    with pytest.raises(DataError, match="sub-02_label-lesion_mask"):
        cache.get(case)


def touch_file(path):
    os.utime(path, ns=(1, 1))
