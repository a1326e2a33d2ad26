import math

import numpy as np
import pytest

from braintumorseg.cohort import benjamini_hochberg, bonferroni


def test_corrections_by_hand():
    p_values = [0.005, 0.03, math.nan, 0.02, 0.8]
    np.testing.assert_allclose(bonferroni(p_values), [0.02, 0.12, math.nan, 0.08, 1])
    np.testing.assert_allclose(bonferroni(p_values, hypotheses=10), [0.05, 0.3, math.nan, 0.2, 1])
    np.testing.assert_allclose(benjamini_hochberg(p_values), [0.02, 0.04, math.nan, 0.04, 0.8])
    assert math.isnan(benjamini_hochberg([math.nan])[0])


def test_wrong_p_values_are_refused():
    for correct in (bonferroni, benjamini_hochberg):
        with pytest.raises(ValueError, match="p_values must be numbers from 0 to 1"):
            correct([0.5, 1.2])
    with pytest.raises(ValueError, match="hypotheses must be an integer of at least 3"):
        bonferroni([0.1, 0.2, 0.3], hypotheses=2)
