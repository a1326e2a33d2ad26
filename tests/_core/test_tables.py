import numpy as np
import pandas as pd
import pytest

from braintumorseg import DataError
from braintumorseg._core.tables import round_record, write_table


def test_numbers_have_six_significant_digits(tmp_path):
    frame = pd.DataFrame(
        {
            "name": ["a", "b"],
            "share": [2 / 3, 1.0],
            "small": [1.23456789e-7, np.nan],
            "large": [12345678.0, 1234567.5],
            "endless": [np.inf, -np.inf],
            "count": [123456789, 2],
            "single": np.array([0.1, 0.7], np.float32),
        }
    )
    before = frame.copy()
    text = write_table(frame, tmp_path / "table.csv", overwrite=False).read_text()
    assert text.splitlines() == [
        "name,share,small,large,endless,count,single",
        "a,0.666667,1.23457e-07,12345678.0,inf,123456789,0.1",
        "b,1.0,,1234570.0,-inf,2,0.7",
    ]
    pd.testing.assert_frame_equal(frame, before)


def test_columns_may_have_decimals_of_their_own(tmp_path):
    frame = pd.DataFrame({"mm": [123.456], "ml": [0.123456789]}, index=pd.Index(["x"], name="name"))
    path = write_table(frame, tmp_path / "table.csv", overwrite=False, index=True, decimals={"mm": 1})
    assert path.read_text().splitlines() == ["name,mm,ml", "x,123.5,0.123457"]
    with pytest.raises(DataError, match="already exists"):
        write_table(frame, path, overwrite=False)


def test_records_are_rounded_by_key():
    record = {"mm": (1.234, [2.345]), "voxels": 7, "other": 0.123, "deep": {"mm": 3.14159, "none": None, "flag": True}}
    assert round_record(record, {"mm": 1, "voxels": 1}) == {
        "mm": [1.2, [2.3]],
        "voxels": 7,
        "other": 0.123,
        "deep": {"mm": 3.1, "none": None, "flag": True},
    }
