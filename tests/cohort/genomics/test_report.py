import math
import re

import pandas as pd
import pytest

from braintumorseg import DataError
from braintumorseg.cohort import associate, write_association
from cohort.genomics.simulated import simulated


def test_files(tmp_path):
    features, clusters = simulated(0, effect=0.25)
    clusters.iloc[:4, 0] = math.nan
    found = associate(features, clusters, permutations=9)
    page = write_association(found, tmp_path / "out", source="<simulations>", published=True).read_text()
    assert "&lt;simulations&gt;" in page
    assert "RNASeq: 4 of 80 patients have no value" in page
    assert page.count("data:image/png;base64,") == 3
    assert re.findall(r"https?://|(?:src|href)=\"(?!data:)", page) == []
    tests = pd.read_csv(tmp_path / "out" / "tests.csv")
    pd.testing.assert_frame_equal(tests, found.table, check_exact=False)
    assert len(pd.read_csv(tmp_path / "out" / "patients.csv")) == 80
    assert len(pd.read_csv(tmp_path / "out" / "published.csv")) == 3
    with pytest.raises(DataError, match="already exists"):
        write_association(found, tmp_path / "out")
