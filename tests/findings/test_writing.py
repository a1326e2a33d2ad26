"""Findings as files: what they hold, how they count, and how many digits they have."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from braintumorseg import DataError, Segmentation, make_study, measure_findings, write_report
from braintumorseg.findings import write_findings
from findings.heads import SHAPE, geometry, head, two_pieces


def test_files_hold_what_was_measured(tmp_path):
    found = measure_findings(*head(two_pieces(), geometry()))
    empty = measure_findings(*head(np.zeros(SHAPE, bool)))
    record = json.loads(write_findings(found, tmp_path / "measures.json").read_text())
    assert record["tumour"]["volume_ml"] == pytest.approx(found.tumour.volume_ml)
    assert [each["voxels"] for each in record["lesions"]] == [300, 8]
    assert record["quality"]["components"] == 2
    assert len(json.loads(write_findings([found, empty], tmp_path / "many.json").read_text())) == 2
    table = pd.read_csv(write_findings([found, empty], tmp_path / "measures.csv"))
    assert table["volume_ml"].tolist()[0] == pytest.approx(found.tumour.volume_ml)
    assert table["centroid_x_mm"][0] == pytest.approx(found.tumour.centroid_mm[0], abs=0.005)
    assert table["last_row_number"][0] == 32
    assert table["voxels"].tolist() == [308, 0]
    assert "nothing was found" in table["quality_flags"][1]
    with pytest.raises(DataError, match="already exists"):
        write_findings(found, tmp_path / "measures.csv")
    with pytest.raises(ValueError, match=r"ends in \.json or \.csv"):
        write_findings(found, tmp_path / "measures.txt")


@pytest.fixture(scope="module")
def phantom_findings():
    study = make_study(seed=1, shape=(8, 64, 64))
    segmentation = Segmentation(study.mask, study.mask * np.float32(0.9), geometry=study.geometry)
    return study, segmentation, measure_findings(study, segmentation)


def test_table_and_page_count_from_1_alike(phantom_findings, tmp_path):
    study, segmentation, found = phantom_findings
    (row,) = pd.read_csv(write_findings(found, tmp_path / "measures.csv")).to_dict("records")
    assert row["largest_slice_number"] == found.largest_slice + 1
    page = write_report(study, segmentation, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"<td>slice {row['largest_slice_number']}, " in page
    assert f"mm, slice {row['diameter_slice_number']}</td>" in page
    ranges = [f"{row[f'first_{axis}_number']} to {row[f'last_{axis}_number']}" for axis in ("slice", "row", "column")]
    assert f"<td>{', '.join(ranges)}</td>" in page
    assert [name for name in row if re.search("slice|row|column", name) and not name.endswith("_number")] == ["slices"]


def test_json_counts_from_0_and_says_so(phantom_findings, tmp_path):
    study, _, found = phantom_findings
    record = json.loads(write_findings(found, tmp_path / "measures.json").read_text())
    assert record["first_index"] == 0
    assert study.mask[record["largest_slice"]].sum() == found.largest_area
    assert record["tumour"]["box"][0] == list(found.tumour.box[0])


def test_numbers_have_the_digits_that_were_measured(phantom_findings, tmp_path):
    _, _, found = phantom_findings
    row = write_findings(found, tmp_path / "measures.csv").read_text().splitlines()[1]
    record = write_findings(found, tmp_path / "measures.json").read_text()
    for text in (row, record):
        assert max(len(digits) for digits in re.findall(r"\d\.(\d+)", text)) <= 4
    read = json.loads(record)["tumour"]
    assert read["centroid_mm"] == pytest.approx(found.tumour.centroid_mm, abs=0.005)
    assert read["volume_ml"] == pytest.approx(found.tumour.volume_ml, abs=0.0005)
    assert found.tumour.centroid_mm != tuple(read["centroid_mm"])  # in memory, nothing is rounded


def test_numbers_of_slices_stay_whole_where_one_study_has_none(phantom_findings, tmp_path):
    found = phantom_findings[2]
    empty = measure_findings(*head(np.zeros(SHAPE, bool)))
    lines = write_findings([found, empty], tmp_path / "measures.csv").read_text().splitlines()
    place = lines[0].split(",").index("largest_slice_number")
    assert [line.split(",")[place] for line in lines[1:]] == [str(found.largest_slice + 1), ""]
