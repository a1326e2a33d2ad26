"""Pages as files: how large, what they hold, and what is refused."""

import re
from dataclasses import replace

import numpy as np
import pytest

from braintumorseg import DataError, Segmentation, make_study, write_report
from braintumorseg._core.draw import trace
from braintumorseg.report import IndexEntry, write_index


@pytest.fixture(scope="module")
def study():
    return make_study(seed=3, shape=(4, 64, 64))


def test_26_slices_stay_below_6_megabytes(tmp_path):
    """A phantom as large as a patient of the LGG dataset, with scanner's noise and both maps."""
    study = make_study(seed=1, shape=(26, 256, 256), noise=5)
    soft = np.clip(study.mask + 0.2 * np.random.default_rng(0).random(study.shape), 0, 1).astype(np.float32)
    segmentation = Segmentation(study.mask, soft, geometry=study.geometry, uncertainty=soft)
    size = write_report(study, segmentation, tmp_path / "report.html").stat().st_size
    print(f"{size / 1e6:.2f} MB")
    assert 100_000 < size < 6_000_000


def test_pages_fetch_nothing(study, tmp_path):
    segmentation = Segmentation(study.mask, geometry=study.geometry, name="</script><script>alert(1)</script>")
    page = write_report(study, segmentation, tmp_path / "report.html").read_text()
    index = write_index([IndexEntry.of(study, segmentation, report="a b.html")], tmp_path / "index.html").read_text()
    for text in (page, index):
        assert "default-src 'none'" in text
        assert re.findall(r"(?:src|href)=\"(?!data:)([^\"]*)\"", text) in ([], ["a%20b.html"])
        assert re.findall(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text) == []
        assert text.count("<script") == text.count("</script>")
        assert "alert(1)</script>" not in text


def test_the_same_study_gives_the_same_page(study, tmp_path):
    segmentation = Segmentation(study.mask, geometry=study.geometry)
    first, second = (write_report(study, segmentation, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_other_grids_and_files_in_the_way_are_refused(study, tmp_path):
    with pytest.raises(ValueError, match="on the study's grid"):
        write_report(study, Segmentation(study.mask[1:]), tmp_path / "a.html")
    (tmp_path / "a.html").write_text("kept")
    with pytest.raises(DataError, match="already exists"):
        write_report(study, Segmentation(study.mask), tmp_path / "a.html")
    with pytest.raises(DataError, match="already exists"):
        write_index([], tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "kept"


@pytest.mark.parametrize("sequences", [("flair",), ("flair", "t1")])
def test_fewer_sequences_no_tumour_no_geometry(study, tmp_path, sequences):
    kept = [study.sequences.index(name) for name in sequences]
    fewer = replace(study, volume=study.volume[..., kept], sequences=sequences, geometry=None, spacing=None, mask=None)
    page = write_report(fewer, Segmentation(study.mask & False), tmp_path / "a.html").read_text()
    assert page.count('name="sequence"') == len(sequences)
    assert "nothing was found" in page
    assert "missing: filled with a copy of flair" in page
    assert 'class="side' not in page


def test_sides_follow_the_geometry(study, tmp_path):
    page = write_report(study, Segmentation(study.mask, geometry=study.geometry), tmp_path / "a.html").read_text()
    assert re.findall(r'class="side (\w)" title="([^"]+)"', page) == [("a", "patient's right"), ("b", "patient's left")]


def test_outlines_of_empty_slices_are_empty(study):
    paths = trace(study.mask)
    assert [bool(path) for path in paths] == study.mask.any(axis=(1, 2)).tolist()
