import pytest

from braintumorseg import Segmentation, make_study
from braintumorseg.cohort import shape_features, shape_table


def test_shape_table_measures_each_study():
    studies = [make_study(seed=seed, shape=(6, 64, 64)) for seed in range(2)]
    table = shape_table(studies)
    expected = shape_features(studies[1].mask, studies[1].spacing)
    assert table.loc["phantom-1"].to_dict() == pytest.approx(expected, nan_ok=True)
    again = shape_table([Segmentation(studies[1].mask, spacing=studies[1].spacing, name="found")])
    assert again.loc["found"].to_dict() == pytest.approx(expected, nan_ok=True)
    with pytest.raises(ValueError, match="studies with masks, each of another name"):
        shape_table([studies[0], studies[0]])
    with pytest.raises(ValueError, match="studies with masks, each of another name"):
        shape_table([studies[0].with_mask(None)])
